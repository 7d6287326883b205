"""Stage 5: judges samples. A score sees two sets of images or features, never a model."""
