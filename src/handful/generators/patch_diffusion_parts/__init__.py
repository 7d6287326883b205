"""The parts of patch_diffusion: registration, pyramid, global state, posterior mean, passport."""
