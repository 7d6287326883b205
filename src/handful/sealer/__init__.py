"""A rendered sealant station: photos whose truth is known."""
