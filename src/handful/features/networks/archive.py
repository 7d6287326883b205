"""Reads the tensors of a TorchScript archive and nothing else: no code in it is loaded or run.

The archive is a zip file: `data.pkl` describes a tree of modules, `data/0`, `data/1`, ... hold raw values.
"""

from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor


class _Inert:
    """Stands in for whatever class or function the pickle names; keeps what it was given and does nothing."""

    def __init__(self, *arguments: Any) -> None:
        self.arguments = arguments
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _FloatStorage(_Inert):
    pass


class _Tensor(_Inert):
    """What `torch._utils._rebuild_tensor_v2` was called with: storage, offset, size, stride, ..."""


class _InertUnpickler(pickle.Unpickler):
    """Resolves no name of the file: every class and function becomes an inert holder."""

    def find_class(self, module: str, name: str) -> Any:
        known = {
            ("torch", "FloatStorage"): _FloatStorage,
            ("torch._utils", "_rebuild_tensor_v2"): _Tensor,
            ("collections", "OrderedDict"): dict,
        }
        return known.get((module, name), _Inert)

    def persistent_load(self, pid: Any) -> Any:
        return pid


def read_archive_tensors(path: Path) -> dict[str, Tensor]:
    """The float32 tensors of a TorchScript archive by attribute path, in the archive's order."""
    with zipfile.ZipFile(path) as archive:
        description = next(name for name in archive.namelist() if name.endswith("/data.pkl"))
        root = _InertUnpickler(io.BytesIO(archive.read(description))).load()
        folder = description.removesuffix(".pkl")
        return {name: _rebuild(archive, folder, found) for name, found in _tensors(root, "")}


def _tensors(node: Any, name: str) -> list[tuple[str, _Tensor]]:
    if isinstance(node, _Tensor):
        return [(name, node)]
    if isinstance(node, _Inert) and isinstance(node.state, dict):
        children = [_tensors(child, f"{name}.{key}".lstrip(".")) for key, child in node.state.items()]
        return [found for child in children for found in child]
    return []


def _rebuild(archive: zipfile.ZipFile, folder: str, found: _Tensor) -> Tensor:
    (_, kind, key, *_), offset, size, stride = found.arguments[:4]
    if kind is not _FloatStorage:
        raise ValueError(f"{archive.filename} holds a tensor that is not float32")
    values = np.frombuffer(archive.read(f"{folder}/{key}"), "<f4").copy()
    return torch.as_strided(torch.from_numpy(values), size, stride, offset).clone()
