"""The parts of SinGAN: pyramid and resizing, the networks of a scale, the critic's penalty, the fleet of photos."""
