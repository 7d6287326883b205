"""DCGAN against the paper's description, written here a second time with functional calls."""

from __future__ import annotations

import copy
import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from handful.core.config import parse_settings
from handful.core.errors import UserError
from handful.core.seeds import Noise, draw_noise, torch_stream
from handful.generators.base import Clock, ImageSpec
from handful.generators.dcgan import Dcgan, DcganSettings

PAPER = ImageSpec(64, 64, 3)
CPU = torch.device("cpu")


def unchanged(images: Tensor, random: torch.Generator) -> Tensor:
    return images


def clock(step: int = 0) -> Clock:
    return Clock(step, 0, 0.0, torch_stream(step, "test/step"))


def photos(count: int, spec: ImageSpec) -> Tensor:
    shape = (count, spec.channels, spec.height, spec.width)
    return torch.rand(*shape, generator=torch_stream(0, "test/photos")) * 2 - 1


def count(network: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


# -- the paper a second time: 4x4 kernels, stride 2, padding 1, batch norm over the batch, ReLU / leaky ReLU


def normalise(maps: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    mean = maps.mean((0, 2, 3), keepdim=True)
    variance = (maps - mean).square().mean((0, 2, 3), keepdim=True)
    return (maps - mean) / (variance + 1e-5).sqrt() * scale[:, None, None] + shift[:, None, None]


def reference_generator(weights: list[Tensor], latents: Tensor, base: int) -> Tensor:
    """Weights in the order of the layers: (project, scale, shift), (kernel, scale, shift) ..., kernel."""
    project, *rest = weights
    maps = torch.einsum("nl,ol->no", latents, project).reshape(len(latents), -1, base, base)
    while len(rest) > 1:
        scale, shift, kernel, *rest = rest
        maps = F.conv_transpose2d(normalise(maps, scale, shift).clamp(min=0), kernel, stride=2, padding=1)
    return torch.tanh(maps)


def reference_discriminator(weights: list[Tensor], images: Tensor) -> Tensor:
    """Probability that each image is a photo. Weights: kernel, (kernel, scale, shift) ..., head."""
    first, *rest, head = weights
    maps = F.conv2d(images, first, stride=2, padding=1)
    maps = torch.maximum(maps, 0.2 * maps)
    while rest:
        kernel, scale, shift, *rest = rest
        maps = normalise(F.conv2d(maps, kernel, stride=2, padding=1), scale, shift)
        maps = torch.maximum(maps, 0.2 * maps)
    return torch.sigmoid((maps * head).sum((1, 2, 3)))


def reference_adam(weights: list[Tensor], gradients: list[Tensor], rate: float = 2e-4) -> list[Tensor]:
    """The first step of Adam: both bias corrections cancel, whatever the betas."""
    return [weight - rate * grad / (grad.abs() + 1e-8) for weight, grad in zip(weights, gradients, strict=True)]


def test_the_net_at_64_pixels_has_the_papers_parameters() -> None:
    model = Dcgan(DcganSettings(), PAPER, seed=0)
    kernels = 100 * 512 * 16 + 512 * 256 * 16 + 256 * 128 * 16 + 128 * 64 * 16 + 64 * 3 * 16
    norms = 2 * (512 + 256 + 128 + 64)
    assert count(model.generator) == kernels + norms == 3_576_704
    kernels = 3 * 64 * 16 + 64 * 128 * 16 + 128 * 256 * 16 + 256 * 512 * 16 + 512 * 16
    norms = 2 * (128 + 256 + 512)
    assert count(model.discriminator) == kernels + norms == 2_765_568
    wide = Dcgan(DcganSettings(), ImageSpec(86, 64, 3), seed=0)  # base grid 6x4, and 5x4 before the head
    assert count(wide.generator) == 3_576_704 + 100 * 512 * (6 - 4) * 4 == 3_986_304
    assert count(wide.discriminator) == 2_765_568 + 512 * (5 - 4) * 4 == 2_767_616


def test_the_initial_weights_follow_the_paper() -> None:
    model = Dcgan(DcganSettings(), PAPER, seed=0)
    for network in (model.generator, model.discriminator):
        for name, parameter in network.named_parameters():
            if name.endswith("bias"):
                assert not parameter.any()
            else:
                error = 5 * 0.02 / math.sqrt(parameter.numel())
                assert abs(parameter.mean().item() - (1 if parameter.ndim == 1 else 0)) < error, name
                assert parameter.std().item() == pytest.approx(0.02, rel=0.35), name


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("noise", ["uniform", "gaussian"])
def test_one_step_equals_the_papers_formulas(noise: Noise, layout: torch.memory_format) -> None:
    spec = ImageSpec(32, 32, 3)
    model = Dcgan(DcganSettings(width=8, noise=noise), spec, seed=4)
    model.to(CPU, layout)
    batch = photos(6, spec)
    g = [weight.detach().clone().requires_grad_() for weight in model.generator.parameters()]
    d = [weight.detach().clone().requires_grad_() for weight in model.discriminator.parameters()]
    losses = model.step(batch, clock(), unchanged)

    fake = reference_generator(g, draw_noise((6, 100), noise, clock().random), base=4)
    real_loss = F.binary_cross_entropy(reference_discriminator(d, batch), torch.ones(6))
    fake_loss = F.binary_cross_entropy(reference_discriminator(d, fake.detach()), torch.zeros(6))
    d_after = reference_adam(d, list(torch.autograd.grad(real_loss + fake_loss, d)))
    generator_loss = F.binary_cross_entropy(reference_discriminator(d_after, fake), torch.ones(6))
    g_after = reference_adam(g, list(torch.autograd.grad(generator_loss, g)))

    assert losses["discriminator"] == pytest.approx((real_loss + fake_loss).item(), rel=1e-4)
    assert losses["generator"] == pytest.approx(generator_loss.item(), rel=1e-4)
    for ours, wanted in (
        *zip(model.discriminator.parameters(), d_after, strict=True),
        *zip(model.generator.parameters(), g_after, strict=True),
    ):
        # Adam's first step is the gradient's sign: where a gradient is near 0 rounding may turn it
        assert ((ours - wanted).abs() > 1e-6).float().mean() < 0.01


def test_the_forward_pass_equals_the_reference() -> None:
    spec = ImageSpec(32, 32, 1)
    model = Dcgan(DcganSettings(width=8), spec, seed=1)
    latents = draw_noise((5, 100), "uniform", torch_stream(0, "test"))
    with torch.no_grad():
        images = model.generator(latents)
        assert torch.allclose(images, reference_generator(list(model.generator.parameters()), latents, 4), atol=1e-5)
        wanted = reference_discriminator(list(model.discriminator.parameters()), images)
        assert torch.allclose(torch.sigmoid(model.discriminator(images)), wanted, atol=1e-5)


def test_the_generator_is_judged_by_the_updated_discriminator_under_autocast_too() -> None:
    """Autocast keeps bf16 copies of weights: a stale copy would judge the fakes by the discriminator of before."""
    spec = ImageSpec(16, 16, 1)
    settings = DcganSettings(width=8, learning_rate=0.1)  # one step changes the discriminator thoroughly
    losses = []
    for enabled in (False, True):
        model = Dcgan(settings, spec, seed=2)
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            losses.append(float(model.step(photos(8, spec), clock(), unchanged)["generator"]))
    model = Dcgan(settings, spec, seed=2)
    latents = draw_noise((8, 100), "uniform", clock().random)
    with torch.no_grad():
        stale = F.softplus(-model.discriminator(model.generator(latents))).mean()
    assert abs(losses[0] - stale) > 0.5
    assert losses[1] == pytest.approx(losses[0], abs=0.1)


@pytest.mark.parametrize(
    ("width", "height", "base", "widths"),
    [
        (64, 64, (4, 4), [64, 128, 256, 512]),
        (8, 8, (4, 4), [64]),
        (15, 11, (6, 8), [64]),
        (128, 128, (4, 4), [64, 128, 256, 512, 512]),
        (86, 64, (4, 6), [64, 128, 256, 512]),
        (658, 490, (8, 11), [64, 128, 256, 512, 512, 512]),
    ],
)
def test_the_base_grid_covers_any_canvas(width: int, height: int, base: tuple[int, int], widths: list[int]) -> None:
    model = Dcgan(DcganSettings(width=1), ImageSpec(width, height, 1), seed=0)
    assert model.generator.base == (widths[-1] // 64, *base)
    kernels = [layer.weight.shape for layer in model.discriminator.layers if isinstance(layer, torch.nn.Conv2d)]
    assert [shape[0] for shape in kernels] == [*(number // 64 for number in widths), 1]
    assert model.generator(torch.ones(2, 100)).shape == (2, 1, height, width)
    assert base[0] * 2 ** len(widths) >= height and base[1] * 2 ** len(widths) >= width


def test_the_crop_is_central() -> None:
    spec = ImageSpec(11, 9, 1)
    model = Dcgan(DcganSettings(width=2), spec, seed=0)
    whole = model.generator
    latents = torch.ones(2, 100)
    with torch.no_grad():
        cropped = whole(latents)
        whole.spec = ImageSpec(12, 10, 1)  # the base grid 5x6 makes 10x12
        assert torch.equal(cropped, whole(latents)[:, :, 0:9, 0:11])


def test_the_discriminator_sees_every_pixel_of_an_odd_canvas() -> None:
    spec = ImageSpec(23, 17, 1)
    model = Dcgan(DcganSettings(width=4), spec, seed=0)
    images = photos(3, spec).requires_grad_()
    model.discriminator(images).square().sum().backward()
    assert images.grad is not None and (images.grad.abs().amax(0) > 0).all()


def test_augmentation_meets_photos_and_fakes_and_lets_the_generator_learn_through_it() -> None:
    spec = ImageSpec(16, 16, 1)
    seen: list[Tensor] = []

    def blank(images: Tensor, random: torch.Generator) -> Tensor:
        seen.append(images)
        return images * 0

    model = Dcgan(DcganSettings(width=4), spec, seed=0)
    before = copy.deepcopy(model.generator)
    batch = photos(4, spec)
    model.step(batch, clock(), blank)
    assert len(seen) == 2 and seen[0] is batch and seen[1].requires_grad
    # images augmented to nothing teach the generator nothing
    for old, new in zip(before.parameters(), model.generator.parameters(), strict=True):
        assert torch.equal(old, new)


def test_samples_use_statistics_measured_for_the_present_weights() -> None:
    spec = ImageSpec(16, 16, 1)
    model = Dcgan(DcganSettings(width=8), spec, seed=0)
    first = model.sample(range(4))
    model.step(photos(8, spec), clock(), unchanged)
    other = Dcgan(DcganSettings(width=8), spec, seed=9)
    other.sample([0])  # measured for its own weights, which then change in place
    with torch.no_grad():
        for mine, theirs in zip(other.generator.parameters(), model.generator.parameters(), strict=True):
            mine.data.copy_(theirs)
    assert torch.equal(other.sample(range(4)), model.sample(range(4)))
    assert not torch.allclose(first, model.sample(range(4)))


def test_sampling_statistics_are_near_those_of_a_large_batch() -> None:
    spec = ImageSpec(16, 16, 1)
    model = Dcgan(DcganSettings(width=8), spec, seed=0)
    sampled = model.sample(range(400))
    model.generator.train()
    with torch.no_grad():
        latents = draw_noise((400, 100), "uniform", torch_stream(7, "test"))
        trained = model.generator(latents)
    assert sampled.mean().item() == pytest.approx(trained.mean().item(), abs=0.01)
    assert sampled.std().item() == pytest.approx(trained.std().item(), rel=0.05)


def test_samples_are_float32_under_autocast() -> None:
    model = Dcgan(DcganSettings(width=8), ImageSpec(16, 16, 1), seed=0)
    wanted = model.sample([1, 2])
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(model.sample([1, 2]), wanted)


def test_it_learns_where_its_photos_are_bright() -> None:
    """Known answer: noisy photos with a bright left half; after a few steps the samples have one too."""
    spec = ImageSpec(16, 16, 1)
    random = torch_stream(0, "test/light")
    bank = 0.2 * torch.randn(32, 1, 16, 16, generator=random) - 0.5
    bank[..., :8] += 0.9
    model = Dcgan(DcganSettings(width=16, learning_rate=2e-3), spec, seed=0)
    for step in range(120):
        model.step(bank[torch.randperm(32, generator=random)[:16]], clock(step), unchanged)
    samples = model.sample(range(16))
    assert samples[..., :8].mean() > 0.1
    assert samples[..., 8:].mean() < -0.1


def test_a_setting_that_does_not_exist_is_refused_with_the_nearest() -> None:
    with pytest.raises(UserError) as caught:
        parse_settings(DcganSettings, {"widht": 32}, "generator dcgan")
    assert "'widht'" in caught.value.what and "'width'" in caught.value.do
