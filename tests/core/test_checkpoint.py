"""Checkpoints: what is read back is what was written, bit for bit, or a clear error."""

from __future__ import annotations

import json
import pickletools
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from handful.core.checkpoint import read_checkpoint, tensors_sha256, write_checkpoint
from handful.core.errors import UserError

DTYPES = [
    torch.float32,
    torch.float64,
    torch.float16,
    torch.bfloat16,
    torch.int64,
    torch.int32,
    torch.int8,
    torch.uint8,
    torch.bool,
]


def assert_same(a: Any, b: Any) -> None:
    """Equal in structure, types, dtypes and bits."""
    assert type(a) is type(b) or (isinstance(a, dict) and isinstance(b, dict))
    if isinstance(a, torch.Tensor):
        assert (a.dtype, a.shape, a.stride()) == (b.dtype, b.shape, b.stride())
        assert (
            a.contiguous().reshape(-1).view(torch.uint8).tolist()
            == b.contiguous().reshape(-1).view(torch.uint8).tolist()
        )
    elif isinstance(a, dict):
        assert list(a) == list(b)
        for key in a:
            assert_same(a[key], b[key])
    elif isinstance(a, list | tuple):
        assert len(a) == len(b)
        for left, right in zip(a, b, strict=True):
            assert_same(left, right)
    else:
        assert a == b


def trained_optimiser(memory_format: torch.memory_format) -> tuple[nn.Module, torch.optim.Adam]:
    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8)).to(memory_format=memory_format)
    adam = torch.optim.Adam(
        [{"params": network[0].parameters()}, {"params": network[1].parameters(), "lr": 1e-4}],
        betas=(0.5, 0.99),
        fused=True,
    )
    images = torch.linspace(-1, 1, 2 * 3 * 8 * 8).reshape(2, 3, 8, 8)
    for _ in range(2):
        adam.zero_grad()
        network(images).square().sum().backward()
        adam.step()
    return network, adam


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_every_type_comes_back_bit_for_bit(tmp_path: Path, dtype: torch.dtype) -> None:
    tensors = {
        "matrix": torch.arange(12).reshape(3, 4).to(dtype),
        "scalar": torch.tensor(1).to(dtype),
        "empty": torch.zeros(0, 3, dtype=dtype),
        "view": torch.arange(12).reshape(3, 4).to(dtype).t().contiguous(),
    }
    write_checkpoint(tmp_path / "a.safetensors", {"module": tensors}, {})
    states, _ = read_checkpoint(tmp_path / "a.safetensors")
    assert_same(states["module"], tensors)


def test_numbers_that_are_no_numbers_and_negative_zero_keep_their_bits(tmp_path: Path) -> None:
    odd = torch.tensor([float("nan"), float("inf"), -float("inf"), -0.0, 1e-45])
    write_checkpoint(tmp_path / "a.safetensors", {"module": {"odd": odd}}, {})
    assert_same(read_checkpoint(tmp_path / "a.safetensors")[0]["module"]["odd"], odd)


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last], ids=str)
def test_networks_and_optimisers_come_back_with_keys_groups_and_strides(
    tmp_path: Path, memory_format: torch.memory_format
) -> None:
    network, adam = trained_optimiser(memory_format)
    before = {"network": dict(network.state_dict()), "adam": adam.state_dict()}
    write_checkpoint(tmp_path / "a.safetensors", before, {"step": 2, "note": "grün"})
    states, header = read_checkpoint(tmp_path / "a.safetensors")
    assert header == {"step": 2, "note": "grün"}
    assert_same(states, before)
    assert states["adam"]["param_groups"][0]["betas"] == (0.5, 0.99)
    assert set(states["adam"]["state"]) == {0, 1, 2, 3}


def test_an_optimiser_goes_on_as_if_it_had_never_been_stored(tmp_path: Path) -> None:
    network, adam = trained_optimiser(torch.channels_last)
    write_checkpoint(tmp_path / "a.safetensors", {"network": network.state_dict(), "adam": adam.state_dict()}, {})
    other, other_adam = trained_optimiser(torch.channels_last)
    states, _ = read_checkpoint(tmp_path / "a.safetensors")
    other.load_state_dict(states["network"])
    other_adam.load_state_dict(states["adam"])
    for module, optimiser in ((network, adam), (other, other_adam)):
        for parameter in module.parameters():
            parameter.grad = torch.full_like(parameter, 0.1)
        optimiser.step()
    for left, right in zip(network.parameters(), other.parameters(), strict=True):
        assert torch.equal(left, right)


def test_weights_that_share_memory_are_stored_each(tmp_path: Path) -> None:
    shared = torch.arange(6.0)
    write_checkpoint(tmp_path / "a.safetensors", {"a": {"w": shared}, "b": {"w": shared, "part": shared[2:4]}}, {})
    states, _ = read_checkpoint(tmp_path / "a.safetensors")
    assert torch.equal(states["b"]["w"], shared) and torch.equal(states["b"]["part"], shared[2:4])


def test_what_is_neither_tensor_nor_plain_value_is_a_bug_that_names_its_place(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="module/inner/1 is a set"):
        write_checkpoint(tmp_path / "a.safetensors", {"module": {"inner": [1, {2}]}}, {})
    assert list(tmp_path.iterdir()) == []


def test_the_file_is_plain_safetensors_without_pickle(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    write_checkpoint(path, {"net": {"0.weight": torch.ones(2)}}, {"step": 1})
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    assert set(header) == {"__metadata__", "net/0.weight"}
    with pytest.raises(ValueError):
        list(pickletools.genops(content))


def test_the_hash_follows_names_values_types_and_shapes_but_not_order() -> None:
    base = {"a": {"x": torch.ones(4), "y": torch.zeros(2)}}
    assert tensors_sha256(base) == tensors_sha256({"a": {"y": torch.zeros(2), "x": torch.ones(4), "rate": 0.1}})
    others = [
        {"a": {"x": torch.ones(4), "z": torch.zeros(2)}},
        {"a": {"x": torch.ones(4), "y": torch.tensor([0.0, 1e-30])}},
        {"a": {"x": torch.ones(2, 2), "y": torch.zeros(2)}},
        {"a": {"x": torch.ones(4), "y": torch.zeros(2, dtype=torch.int32)}},
    ]
    assert len({tensors_sha256(states) for states in [base, *others]}) == 5


def damage(path: Path, how: str) -> None:
    content = bytearray(path.read_bytes())
    if how == "cut in half":
        content = content[: len(content) // 2]
    elif how == "emptied":
        content = bytearray()
    elif how == "one bit flipped":
        content[-3] ^= 1
    elif how == "another file":
        content = bytearray(b"PNG" * 100)
    path.write_bytes(content)


@pytest.mark.parametrize("how", ["cut in half", "emptied", "one bit flipped", "another file"])
def test_a_damaged_checkpoint_is_named_with_what_to_go_on_from(tmp_path: Path, how: str) -> None:
    for step in (400, 500):
        write_checkpoint(tmp_path / f"step-{step:07d}.safetensors", {"a": {"x": torch.ones(50)}}, {"step": step})
    damage(tmp_path / "step-0000500.safetensors", how)
    with pytest.raises(UserError) as caught:
        read_checkpoint(tmp_path / "step-0000500.safetensors")
    assert str(tmp_path / "step-0000500.safetensors") in caught.value.what and "damaged" in caught.value.what
    assert caught.value.do == "Delete it; training then goes on from step 400 (step-0000400.safetensors)."
    damage(tmp_path / "step-0000400.safetensors", how)
    with pytest.raises(UserError, match="starts again from the beginning"):
        read_checkpoint(tmp_path / "step-0000400.safetensors")


def test_a_safetensors_file_of_another_program_is_refused(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    save_file({"x": torch.ones(2)}, tmp_path / "other.safetensors")
    with pytest.raises(UserError, match="damaged"):
        read_checkpoint(tmp_path / "other.safetensors")


def test_a_missing_checkpoint_says_where_it_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        read_checkpoint(tmp_path / "step-0000001.safetensors")
    assert str(tmp_path / "step-0000001.safetensors") in caught.value.what and "handful train" in caught.value.do
