"""What would a photo look like, had an image been made from it and compressed as JPEG?

JPEG rounds the cosine transform of blocks of 8x8 px; what it loses depends on where the blocks lie and how bright the
picture was. So a shifted, mirrored or brighter copy that was compressed last is compared with the photo shifted,
mirrored, brightened and compressed likewise: the two are then nearly equal, while photos of another moment come no
nearer. The quality is the one of `QUALITIES` that leaves least of a difference; then the gain is found more exactly.

Need: recompressed copies of a photo are otherwise less alike to it than two photos of a fixed view to each other
    (docs/findings/copy-gate.md). Estimating quality by compressing again is that of Farid (2009), "Exposing digital
    forgeries from JPEG ghosts", IEEE TIFS 4:154.
"""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
from PIL import Image

Images = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]
Place = tuple[slice, slice]

QUALITIES = (50, 60, 75, 85)
"""Finer ones change so little that a copy is known without."""
_GAIN_STEPS = tuple(step * 4e-4 for step in (-3, -2, -1, 1, 2, 3))
"""Around the gain of least squares, which what JPEG lost puts off by up to a thousandth; as shares of it."""


def compress(image: Images, quality: int) -> Images:
    """(h, w) on the scale 0 to 255, as JPEG hands it back."""
    buffer = io.BytesIO()
    Image.fromarray(np.rint(np.clip(image, 0, 255)).astype(np.uint8)).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer), np.float32)


def recompressed(image: Images, mirrored: bool, photo: Images, place: Place, usable: Flags) -> Images:
    """The photo's part as it would look in the image.

    Args:
        image: (h, w), 0 to 255, turned to lie as the photo does.
        mirrored: whether it was mirrored for that: the blocks lie as it came.
        photo: (h', w'), the part of the photo that both show, 0 to 255.
        place: of that part in `image`.
        usable: (h', w'), where the image is not saturated.

    Returns:
        (h', w'). Around it the image itself is compressed, as nobody knows what else was there.
    """
    seen = image[place]
    gain = float((seen * photo)[usable].sum() / max(float((photo**2)[usable].sum()), 1.0))

    def tried(quality: int, gain: float) -> tuple[float, Images]:
        made = image.copy()
        made[place] = photo * np.float32(gain)
        made = compress(made[:, ::-1] if mirrored else made, quality)
        part = (made[:, ::-1] if mirrored else made)[place]
        return float(((part - seen)[usable] ** 2).sum()), part

    found = {quality: tried(quality, gain) for quality in QUALITIES}
    quality = min(found, key=lambda one: found[one][0])
    near = [tried(quality, gain * (1 + step)) for step in _GAIN_STEPS]
    return min([found[quality], *near], key=lambda one: one[0])[1]
