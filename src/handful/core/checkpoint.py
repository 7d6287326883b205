"""Checkpoints: one safetensors file with its JSON in the header. No pickle, so opening one runs no code.

States are nested as `state_dict()` gives them: dictionaries, lists, tuples, tensors and plain values.
Tensors are stored as tensors named by their path ("generator/0.weight", "optimiser/state/0/exp_avg");
everything else, and where each tensor belongs, goes into the header.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from handful.core.errors import UserError
from handful.core.workspace import write_atomically

_KEY = "handful"
States = Mapping[str, Mapping[str, Any]]


def write_checkpoint(path: Path, states: States, header: Mapping[str, Any]) -> None:
    """Writes states and a small JSON-able header, whole or not at all.

    Args:
        path: the file to write.
        states: module name -> its `state_dict()`.
        header: what else to remember; plain JSON values.

    Raises:
        UserError: the disk is full.
        TypeError: a state holds something other than tensors and plain values.
    """
    tensors: dict[str, Tensor] = {}
    tree = {name: _flatten(state, name, tensors) for name, state in states.items()}
    content = {"header": dict(header), "tree": tree, "tensors_sha256": _sha256(tensors)}
    # clone: safetensors refuses tensors that share memory (tied weights), and stores contiguous ones only
    copies = {name: tensor.clone(memory_format=torch.contiguous_format) for name, tensor in tensors.items()}
    write_atomically(path, safetensors.torch.save(copies, {_KEY: json.dumps(content)}))


def read_checkpoint(path: Path) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
    """(states, header) exactly as written: values, dtypes, bits and channels_last strides, on the CPU.

    Raises:
        UserError: the file is missing or damaged; it names the checkpoint to go on from, where there is one.
    """
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            content = json.loads((file.metadata() or {})[_KEY])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
        if content["tensors_sha256"] != _sha256(tensors):
            raise ValueError("its tensors do not match their checksum")
        states = {name: _restore(node, tensors) for name, node in content["tree"].items()}
        return states, content["header"]
    except FileNotFoundError:
        raise UserError(
            f"There is no checkpoint {path}.",
            "A run that has started holds checkpoints/step-*.safetensors.",
            "Check the path, or run `handful train` again.",
        ) from None
    except (safetensors.SafetensorError, KeyError, ValueError, OSError) as error:
        raise UserError(
            f"The checkpoint {path} is damaged: {type(error).__name__}: {error}.",
            "A checkpoint must be the whole file that `handful train` wrote.",
            _what_remains(path),
        ) from None


def tensors_sha256(states: States) -> str:
    """SHA-256 over every tensor's name, type, shape and bytes, in the order of their names."""
    tensors: dict[str, Tensor] = {}
    for name, state in states.items():
        _flatten(state, name, tensors)
    return _sha256(tensors)


def _sha256(tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _flatten(value: Any, name: str, tensors: dict[str, Tensor]) -> Any:
    """`value` as JSON; its tensors move to `tensors` and leave their name behind.

    A list stays a list. Everything that JSON lacks becomes a one-key dictionary: {"tensor": name},
    {"tuple": items}, {"dict": pairs} (pairs keep integer keys, as optimisers have them).
    """
    if isinstance(value, Tensor):
        if name in tensors:
            raise ValueError(f"two tensors of a checkpoint are called {name}")
        tensors[name] = value.detach().cpu()
        return {"tensor": name, "channels_last": True} if _is_channels_last(value) else {"tensor": name}
    if isinstance(value, Mapping):
        return {"dict": [[key, _flatten(item, f"{name}/{key}", tensors)] for key, item in value.items()]}
    if isinstance(value, list | tuple):
        items = [_flatten(item, f"{name}/{index}", tensors) for index, item in enumerate(value)]
        return {"tuple": items} if isinstance(value, tuple) else items
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"a checkpoint holds tensors and plain values; {name} is a {type(value).__name__}")


def _restore(node: Any, tensors: Mapping[str, Tensor]) -> Any:
    """The inverse of `_flatten`."""
    if isinstance(node, list):
        return [_restore(item, tensors) for item in node]
    if not isinstance(node, dict):
        return node
    if "tensor" in node:
        # Strides matter: fused optimisers walk a parameter and its moments in memory order.
        layout = torch.channels_last if node.get("channels_last") else torch.contiguous_format
        return tensors[node["tensor"]].contiguous(memory_format=layout)
    if "tuple" in node:
        return tuple(_restore(item, tensors) for item in node["tuple"])
    return {key: _restore(item, tensors) for key, item in node["dict"]}


def _is_channels_last(tensor: Tensor) -> bool:
    return tensor.dim() == 4 and tensor.is_contiguous(memory_format=torch.channels_last) and not tensor.is_contiguous()


def _what_remains(path: Path) -> str:
    older = [file for file in sorted(path.parent.glob(f"*{path.suffix}")) if file.name < path.name]
    if not older:
        return "Delete it; training then starts again from the beginning."
    number = re.search(r"\d+", older[-1].stem)
    step = f"step {int(number[0])}" if number else "there"
    return f"Delete it; training then goes on from {step} ({older[-1].name})."
