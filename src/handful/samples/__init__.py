"""Stage 4: draws samples from a trained run."""
