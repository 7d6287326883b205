"""What generators share, each with a known answer."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from handful.core.seeds import torch_stream
from handful.generators.layers import BatchNorm, PhotoBank, fused_adam, initialise, measure_batch_norms


def test_measured_statistics_are_the_means_of_the_batches() -> None:
    network = nn.Sequential(BatchNorm(1))
    batches = [torch.tensor([0.0, 2.0]).view(2, 1, 1, 1), torch.tensor([4.0, 10.0]).view(2, 1, 1, 1)]
    measure_batch_norms(network, batches)
    mean, variance = (1 + 7) / 2, (2 + 18) / 2  # unbiased variances 2 and 18
    assert not network.training
    assert network(torch.full((1, 1, 1, 1), mean + 3)).item() == pytest.approx(3 / (variance + 1e-5) ** 0.5)


class _WithoutFloat64(TorchFunctionMode):
    """Refuses float64 for tensors that were not moved to the CPU, as MPS does."""

    def __init__(self) -> None:
        super().__init__()
        self.moved: list[Any] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.Tensor.double and not any(args[0] is tensor for tensor in self.moved):
            raise TypeError("this device has no float64")
        result = func(*args, **(kwargs or {}))
        if func is torch.Tensor.cpu:
            self.moved.append(result)
        return result


def test_statistics_are_measured_on_a_device_without_float64() -> None:
    network = nn.Sequential(BatchNorm(1))
    images = torch.randn(4, 1, 2, 2, generator=torch_stream(0, "test"))
    with _WithoutFloat64():
        with pytest.raises(TypeError):
            images.double()
        measure_batch_norms(network, [images])
    layer = network[0]
    assert isinstance(layer, BatchNorm) and layer.running_mean is not None
    assert layer.running_mean.item() == pytest.approx(images.mean().item(), abs=1e-6)
    assert layer.running_mean.dtype == torch.float32


def test_the_second_layer_is_measured_behind_the_first_ones_batch_statistics() -> None:
    network = nn.Sequential(BatchNorm(1), BatchNorm(1))
    measure_batch_norms(network, [torch.randn(64, 1, 4, 4, generator=torch_stream(0, "test")) * 5 + 3])
    second = network[1]
    assert isinstance(second, BatchNorm) and second.running_mean is not None and second.running_var is not None
    assert second.running_mean.item() == pytest.approx(0, abs=1e-5)
    assert second.running_var.item() == pytest.approx(1024 / 1023, rel=1e-4)


def test_statistics_are_no_part_of_the_state() -> None:
    layer = BatchNorm(3)
    measure_batch_norms(layer, [torch.randn(8, 3, 2, 2, generator=torch_stream(0, "test"))])
    assert set(layer.state_dict()) == {"weight", "bias"}
    BatchNorm(3).load_state_dict(layer.state_dict())


def test_training_uses_the_batch_even_after_a_measurement() -> None:
    layer = BatchNorm(1)
    measure_batch_norms(layer, [torch.randn(8, 1, 2, 2, generator=torch_stream(0, "test")) + 100])
    layer.train()
    images = torch.randn(8, 1, 2, 2, generator=torch_stream(1, "test"))
    assert torch.allclose(layer(images).mean(), torch.tensor(0.0), atol=1e-6)


@pytest.mark.parametrize("trained", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("restored", [torch.contiguous_format, torch.channels_last])
def test_fused_adam_equals_plain_adam_when_restored_into_another_memory_format(
    trained: torch.memory_format, restored: torch.memory_format
) -> None:
    """torch's fused update pairs weights and moments by their place in memory, whatever their strides."""
    random = torch_stream(0, "test")
    start, *gradients = torch.randn(5, 8, 4, 3, 3, generator=random)

    def learn(layer: nn.Conv2d, optimiser: torch.optim.Optimizer, which: range) -> None:
        for number in which:
            layer.weight.grad = gradients[number].clone().contiguous(memory_format=_format_of(layer))
            optimiser.step()

    plain = _layer(start, torch.contiguous_format)
    learn(plain, torch.optim.Adam(plain.parameters(), lr=0.1, betas=(0.5, 0.999)), range(4))

    first = _layer(start, trained)
    optimiser = fused_adam(first, 0.1, (0.5, 0.999))
    learn(first, optimiser, range(2))
    second = _layer(first.weight.detach(), restored)
    other = fused_adam(second, 0.1, (0.5, 0.999))
    other.load_state_dict(optimiser.state_dict())
    learn(second, other, range(2, 4))
    assert torch.allclose(second.weight, plain.weight, atol=1e-6)


def _layer(weight: torch.Tensor, layout: torch.memory_format) -> nn.Conv2d:
    layer = nn.utils.skip_init(nn.Conv2d, 4, 8, 3, bias=False)  # type: ignore[no-untyped-call]
    assert isinstance(layer, nn.Conv2d)
    with torch.no_grad():
        layer.weight.copy_(weight)
    return layer.to(memory_format=layout)  # type: ignore[call-overload, no-any-return]


def _format_of(layer: nn.Conv2d) -> torch.memory_format:
    return torch.contiguous_format if layer.weight.is_contiguous() else torch.channels_last


def test_initial_weights_depend_on_seed_and_purpose_alone() -> None:
    def weights(seed: int, purpose: str) -> torch.Tensor:
        layer = nn.Linear(50, 40)
        initialise(layer, seed, purpose)
        assert not layer.bias.any()
        return layer.weight.detach()

    assert torch.equal(weights(1, "a"), weights(1, "a"))
    assert not torch.equal(weights(1, "a"), weights(2, "a"))
    assert not torch.equal(weights(1, "a"), weights(1, "b"))
    assert weights(1, "a").std().item() == pytest.approx(0.02, rel=0.05)


def test_a_bank_takes_the_photos_of_the_state_it_loads() -> None:
    bank, other = PhotoBank(), PhotoBank()
    photos = torch.rand(5, 3, 4, 6, generator=torch_stream(0, "test"))
    bank.fill(photos)
    other.load_state_dict(bank.state_dict())
    assert torch.equal(other.photos, photos)
    photos.zero_()
    assert bank.photos.any()  # a copy, not the caller's tensor
