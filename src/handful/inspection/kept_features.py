"""Features of images that many training sets share, each computed once: kept by the content of the single image."""

from __future__ import annotations

import io
import zipfile
import zlib
from pathlib import Path

import numpy as np

from handful.core.config import fingerprint
from handful.core.images import Floats, pixels_sha256, unit_to_integers
from handful.core.workspace import write_atomically
from handful.features.extract import FeatureExtractor, extract_features
from handful.features.image_set import Features, ImageSet

_BIT_DEPTH = 16
"""Images of 8 bit are told apart from each other exactly at 16, and those of 10 or 12 to half a level of 16."""


class KeptFeatures:
    """A feature network with a memory: rows in this object, and in a folder where one is given."""

    def __init__(self, network: str, device: str, folder: Path | None) -> None:
        """Args:
        network: name of a feature network.
        device: where it runs.
        folder: where rows are kept for other processes and later runs; None keeps none.
        """
        self._extractor = FeatureExtractor(network, device)
        self._folder = folder
        self._stem = f"{network}-rows-{fingerprint(self._extractor.identity)[:16]}"
        self._rows: dict[str, Floats] = {}
        self._read: set[Path] = set()

    def __call__(self, images: Floats) -> Features:
        """Images (n, c, h, w) in [-1, 1], n >= 1 -> features (n, dimensions), float64.

        Raises:
            UserError: the network's weights are missing or wrong.
        """
        pixels = [unit_to_integers(image, _BIT_DEPTH) for image in images]
        hashes = [pixels_sha256(one) for one in pixels]
        if not self._rows.keys() >= set(hashes):
            self._read_folder()
        new = {name: row for row, name in enumerate(hashes) if name not in self._rows}
        if new:
            names, rows = tuple(new), list(new.values())
            found = extract_features(
                ImageSet(names, names, _BIT_DEPTH, lambda row: pixels[rows[row]]), self._extractor
            ).astype(np.float32)
            self._rows.update(zip(names, found, strict=True))
            self._keep(names, found)
        return np.stack([self._rows[name] for name in hashes]).astype(np.float64)

    def _keep(self, names: tuple[str, ...], found: Floats) -> None:
        if self._folder is not None:
            buffer = io.BytesIO()
            np.savez(buffer, names=np.array(names), features=found)
            path = self._folder / f"{self._stem}-{fingerprint(sorted(names))[:16]}.npz"
            write_atomically(path, buffer.getvalue())
            self._read.add(path)

    def _read_folder(self) -> None:
        """Takes in what others have kept since; a damaged file is as good as none."""
        if self._folder is None:
            return
        for path in sorted(set(self._folder.glob(f"{self._stem}-*.npz")) - self._read):
            try:
                with path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
                    self._rows.update(zip(kept["names"].tolist(), kept["features"], strict=True))
            except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):
                continue
            self._read.add(path)
