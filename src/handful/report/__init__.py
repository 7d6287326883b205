"""Stage 6: one self-contained page that says what came out."""
