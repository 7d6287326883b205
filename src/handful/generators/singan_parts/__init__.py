"""The parts of SinGAN: pyramid and resizing, the networks of a scale, an iteration, the fleet of photos, tasks."""
