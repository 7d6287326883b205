"""Stage 3: trains one generator on one data set."""
