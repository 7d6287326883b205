"""Many generators, seeds and folds: cells that run apart and can be taken up again."""
