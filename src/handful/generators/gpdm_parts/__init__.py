"""The parts of `gpdm`."""
