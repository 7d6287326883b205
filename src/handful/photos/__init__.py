"""Stage 1: reads a folder of photos and says what is in it."""
