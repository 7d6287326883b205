"""The networks of ConSinGAN."""
