"""The parts of `gpnn`."""
