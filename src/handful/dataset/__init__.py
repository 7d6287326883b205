"""Stage 2: one canvas, one split, frozen with fingerprints."""
