"""Feature networks, their weights, and the one way from an image to a row of numbers: for judge and inspector."""
