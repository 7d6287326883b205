"""File names of the data set's images, made from the photos' names."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from pathlib import PurePosixPath

_LONGEST = 100
_RESERVED = {"con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in range(1, 10))}


def image_stems(photo_names: Sequence[str]) -> list[str]:
    """A stem for each photo, without extension: safe on every file system and unique whatever its case.

    'line 2/Bild 1 (Kopie).JPG' becomes 'line_2_Bild_1_Kopie'; a second photo of that name gets '-2'.
    """
    taken: set[str] = set()
    stems = []
    for name in photo_names:
        plain = unicodedata.normalize("NFKD", PurePosixPath(name).with_suffix("").as_posix())
        plain = "".join(letter for letter in plain if not unicodedata.combining(letter))
        stem = re.sub(r"[^A-Za-z0-9.-]+", "_", plain).strip("_.-")[:_LONGEST] or "photo"
        if stem.lower() in _RESERVED:  # names of devices on Windows
            stem = f"photo_{stem}"
        unique, number = stem, 1
        while unique.lower() in taken:
            number += 1
            unique = f"{stem}-{number}"
        taken.add(unique.lower())
        stems.append(unique)
    return stems
