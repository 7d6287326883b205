"""One file, one inspector."""
