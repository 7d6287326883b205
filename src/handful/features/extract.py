"""Turns images into features: one frozen way from integers on disk to a row of numbers, cached by content.

The way, part of the network's definition: integers at their bit depth -> float32 on the scale 0 ... 255, grey
repeated in three channels -> one antialiased resize (Pillow's bicubic filter in float32, channel by channel,
no rounding and no clipping, as clean-fid does: Parmar, Zhang, Zhu 2022, arXiv 2104.11222) -> centred and
scaled -> network in float32 with its batch norms folded.
"""

from __future__ import annotations

import importlib
import io
import zipfile
import zlib
from collections.abc import Mapping
from contextlib import AbstractContextManager
from functools import cached_property
from importlib import metadata
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn

from handful.core.checkpoint import tensors_sha256
from handful.core.config import fingerprint
from handful.core.errors import UserError
from handful.core.images import Floats, Integers
from handful.core.progress import Listener, ignore
from handful.core.workspace import write_atomically
from handful.features.image_set import Features, ImageSet
from handful.features.networks import MapNetwork, Network, find_network
from handful.features.networks.layers import fold_batch_norms
from handful.features.weights import find_weights

BATCH_IMAGES = 8
"""Every batch has exactly this many rows (the last is padded), so a feature never depends on its neighbours. More rows
are no faster on a CPU, and sets of a few photos pay for the padding."""

_WAY = 2
"""Raised when networks are computed in another way that rounds otherwise: features of two ways are never mixed."""


def preprocess(pixels: Integers, bit_depth: int, network: Network) -> Floats:
    """Integers (h, w) or (h, w, 3) -> the network's input, float32 (3, side_px, side_px)."""
    levels = pixels.astype(np.float32) * np.float32(255 / (2**bit_depth - 1))
    levels = levels[None] if levels.ndim == 2 else levels.transpose(2, 0, 1)
    size = (network.side_px, network.side_px)
    return centre(np.stack([_resize(plane, size) for plane in levels]), network)


def centre(levels: Floats, network: Network) -> Floats:
    """(1, h, w) or (3, h, w) on the scale 0 ... 255 -> (3, h, w) as the network sees it."""
    levels = np.repeat(levels, 3, axis=0) if len(levels) == 1 else levels
    return (levels - np.float32(network.centre)) / np.float32(network.half_range)


def _resize(plane: Floats, size: tuple[int, int]) -> Floats:
    return np.asarray(Image.fromarray(np.ascontiguousarray(plane)).resize(size, Image.Resampling.BICUBIC))


def load_network(network: Network | MapNetwork) -> nn.Module:
    """The network with its verified tensors, in evaluation mode, batch norms not yet folded.

    Raises:
        UserError: its weights are missing or wrong.
    """
    module = importlib.import_module(f"handful.features.networks.{network.module}")
    ported = {k: v for k, v in module.port_tensors(_stored(network)).items() if not k.endswith("num_batches_tracked")}
    _check_tensors(network.name, ported, network.tensors_sha256)
    built: nn.Module = module.build()
    loaded = built.load_state_dict(ported, strict=False)
    assert not loaded.unexpected_keys and all(key.endswith("num_batches_tracked") for key in loaded.missing_keys)
    return built.eval().requires_grad_(False)


def apply_classifier(features: Features, name: str) -> Features:
    """Features (n, dimensions) of a network with a classifier -> logits (n, classes), float64.

    Raises:
        UserError: no such network, or its weights are missing or wrong.
    """
    network = find_network(name)[0]
    module = importlib.import_module(f"handful.features.networks.{network.module}")
    ported = module.port_classifier(_stored(network))
    _check_tensors(f"{name}'s classifier", ported, network.classifier_sha256)
    weight, bias = (ported[leaf].double().numpy() for leaf in ("weight", "bias"))
    logits: Features = features @ weight.T + bias
    return logits


def _stored(network: Network | MapNetwork) -> Mapping[str, torch.Tensor]:
    """The tensors of the verified file, under its own names."""
    path, file = find_weights(network.owner if isinstance(network, MapNetwork) else network)
    if file.form == "state dict":
        tensors: Mapping[str, torch.Tensor] = torch.load(path, map_location="cpu", weights_only=True)
        return tensors
    from handful.features.networks.archive import read_archive_tensors

    return read_archive_tensors(path)


def _check_tensors(name: str, tensors: Mapping[str, torch.Tensor], wanted: str) -> None:
    found = tensors_sha256({"network": dict(tensors)})
    if found != wanted:
        raise UserError(
            f"The tensors of {name} have the sha256 {found}.",
            f"Features are defined with the tensors whose sha256 is {wanted}.",
            "Install Handful again: its reading of that file has changed.",
        )


_READY: dict[tuple[str, torch.dtype, torch.device], nn.Module] = {}
"""Networks of this process: every score asks for them anew."""


def exact_convolutions() -> AbstractContextManager[None]:
    """TensorFloat-32 would move features by 1e-3, and an algorithm picked by timing could change from run to run."""
    return torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)


class FeatureExtractor:
    """A network made ready: batch norms folded, channels last, a fixed batch size. Loaded at its first image."""

    def __init__(self, name: str, device: torch.device | str = "cpu") -> None:
        """Args:
        name: a network; with '+bf16' appended it computes in bfloat16, which gives other features.
        device: where it runs.

        Raises:
            UserError: there is no such network.
        """
        self.name = name
        self.network, precision = find_network(name)
        self.dtype = torch.bfloat16 if precision == "bf16" else torch.float32
        self.device = torch.device(device)

    @property
    def identity(self) -> dict[str, str | int]:
        """All that decides an image's features beside its pixels."""
        return {
            "network": self.network.tensors_sha256,
            "preprocessing": self.network.preprocessing,
            "precision": str(self.dtype),
            "device": self.device.type,
            "batch_images": BATCH_IMAGES,
            "way": _WAY,
            "torch": metadata.version("torch"),
            "pillow": metadata.version("pillow"),
        }

    @cached_property
    def module(self) -> nn.Module:
        """The network on its device, batch norms folded, channels last."""
        find_weights(self.network)  # a network loaded before does not hide that its file has gone
        key = (self.network.name, self.dtype, self.device)
        if key not in _READY:
            _READY[key] = self.made_ready(load_network(self.network))
        return _READY[key]

    def made_ready(self, module: nn.Module) -> nn.Module:
        """A network with batch norms, changed into the form that is run here."""
        fold_batch_norms(module)
        module.to(device=self.device, dtype=self.dtype)
        return module.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]

    def __call__(self, inputs: Floats) -> Floats:
        """Preprocessed images (k, 3, side_px, side_px) with k <= BATCH_IMAGES -> features (k, dimensions)."""
        batch = torch.zeros(BATCH_IMAGES, *inputs.shape[1:])
        batch[: len(inputs)] = torch.from_numpy(inputs)
        batch = batch.to(device=self.device, dtype=self.dtype, memory_format=torch.channels_last)
        with torch.inference_mode(), exact_convolutions():
            features: Floats = self.module(batch)[: len(inputs)].cpu().numpy()
        return features


def extract_features(
    images: ImageSet,
    extractor: FeatureExtractor,
    cache: Path | None = None,
    listener: Listener = ignore,
    name: str = "images",
) -> Features:
    """Features (n, dimensions), float64, one row an image. Holds one batch of images at a time.

    Args:
        images: n images; the row of each depends on that image alone.
        extractor: the network.
        cache: folder where features are kept by content; None keeps none.
        listener: hears how far it is.
        name: what the images are, for the listener.

    Raises:
        UserError: the network's weights are missing or wrong, or an image cannot be read.
    """
    key = fingerprint({"images": images.hashes, "bit_depth": images.bit_depth, **extractor.identity})
    shape = (len(images), extractor.network.dimensions)
    path = cache / f"{extractor.name}-{key[:32]}.npz" if cache is not None else None
    features = _read_cache(path, key, shape) if path is not None else None
    if features is None:
        features = np.empty(shape, np.float32)
        for start in range(0, len(images), BATCH_IMAGES):
            rows = range(start, min(start + BATCH_IMAGES, len(images)))
            inputs = [preprocess(images.read(row), images.bit_depth, extractor.network) for row in rows]
            features[rows.start : rows.stop] = extractor(np.stack(inputs))
            listener({"event": "features", "name": f"features of {name}", "progress": rows.stop / len(images)})
        if path is not None:
            buffer = io.BytesIO()
            np.savez(buffer, features=features, key=np.array(key))
            write_atomically(path, buffer.getvalue())
    return features.astype(np.float64)


def _read_cache(path: Path, key: str, shape: tuple[int, int]) -> Floats | None:
    """The features kept under `key`; None where there are none, or where the file is damaged."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
            features: Floats = kept["features"]
            return features if str(kept["key"]) == key and features.shape == shape else None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):
        return None
