"""Keeps scores on images by the content of all that they may depend on: maps of images are too large to keep."""

from __future__ import annotations

import ast
import hashlib
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from handful.core import registry
from handful.core.artifacts import Score, library_versions
from handful.core.config import fingerprint
from handful.core.workspace import write_atomically
from handful.features.image_set import ImageSet
from handful.features.networks import MAP_NETWORKS, find_network, owner_of
from handful.scores.base import ImageSets

_PACKAGE = Path(__file__).parents[1]
_UNREAD = {
    "reference": {"training"},
    "training": {"reference"},
    "both": set(),
    "sources": {"reference", "heldout"},
    "nothing": {"reference", "training", "heldout"},
}
"""What a score never reads, by what it compares with; the conformance suite holds it to that."""


def score_images(name: str, sets: ImageSets, folder: Path | None, device: str) -> Score:
    """The score of that name, from `folder` where the same was asked before; None keeps nothing.

    Args:
        name: a score with needs="images".
        sets: the images.
        folder: the cache.
        device: where its network runs; part of what decides a number.

    Raises:
        UserError: the score cannot be given.
    """
    module = registry.load("scores", name)
    path = folder / f"{name}-{_key(name, sets, device)[:32]}.json" if folder is not None else None
    found = _read(path)
    if found is None:
        found = module.score(sets)
        assert isinstance(found, Score)
        if path is not None:
            write_atomically(path, (found.model_dump_json() + "\n").encode())
    return found


def _read(path: Path | None) -> Score | None:
    """The score that is kept; None where there is none, or where the file is damaged."""
    try:
        return Score.model_validate_json(path.read_bytes()) if path is not None else None
    except (OSError, ValidationError):
        return None


def _key(name: str, sets: ImageSets, device: str) -> str:
    facts = registry.load("scores", name).FACTS
    code = set(code_of(registry.find("scores", name)))
    if facts.network:
        code |= code_of(_PACKAGE / "features" / "maps.py")
        code |= code_of(_PACKAGE / "features" / "networks" / f"{_module(facts.network)}.py")
    read = {"samples", "reference", "training", "heldout"} - _UNREAD[facts.compares_with]
    return fingerprint(
        {
            "code": [_sha256(path) for path in sorted(code)],
            "network": owner_of(facts.network).tensors_sha256 if facts.network else "",
            "device": device,
            "versions": library_versions(),
            "sets": {side: _content(getattr(sets, side)) for side in sorted(read)},
            "sources": sets.sources if "training" in read else (),
        }
    )


@cache
def code_of(file: Path) -> frozenset[Path]:
    """The file and every module of ours that it imports, directly or through others: whatever can change its number."""
    found, unread = {file}, [file]
    while unread:
        new = _imports_of_ours(unread.pop()) - found
        found |= new
        unread += new
    return frozenset(found)


@cache
def _imports_of_ours(file: Path) -> frozenset[Path]:
    """Read from the text: an import within a function counts too."""
    names: list[str] = []
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    ours = [name.split(".")[1:] for name in names if name.split(".")[0] == _PACKAGE.name]
    return frozenset(
        path for parts in ours if parts and (path := _PACKAGE.joinpath(*parts).with_suffix(".py")).is_file()
    )


def _module(network: str) -> str:
    return (MAP_NETWORKS[network] if network in MAP_NETWORKS else find_network(network)[0]).module


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _content(images: ImageSet) -> dict[str, Any]:
    return {
        "images": images.hashes,
        "photos": images.photo_numbers().tolist(),
        "bit_depth": images.bit_depth,
        "channels": images.channels,
    }
