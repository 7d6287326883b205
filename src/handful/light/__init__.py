"""Physics of illumination: surface to normals, light to shading, shading to camera codes.

Tensors are float32 or float64, (n, 1 or 3, h, w), on any device. Lengths are millimetres, angles degrees. Radiance is
linear and counted in whites: a white matt sheet under a light of strength 1 straight above has radiance 1. In the
picture x points right, y down and z towards the camera.
"""
