"""BEGAN computes what its paper states, on any canvas, and continues exactly where it stopped."""

import copy
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from handful.core.checkpoint import read_checkpoint, write_checkpoint
from handful.core.config import parse_settings
from handful.core.errors import UserError
from handful.generators.base import Clock, ImageSpec
from handful.generators.began import Balance, Began, BeganSettings, Plateau, map_sizes

GREY = ImageSpec(width=16, height=16, channels=1)
ODD = ImageSpec(width=40, height=29, channels=3)


def make(spec: ImageSpec = GREY, **values: object) -> Began:
    return Began(BeganSettings.model_validate({"filters": 8, "code": 16} | values), spec, seed=0)


def clock(step: int, steps: int = 100) -> Clock:
    return Clock(step, 4 * step, step / steps, torch.Generator().manual_seed(step))


def unchanged(images: Tensor, random: torch.Generator) -> Tensor:
    return images


def shaded(images: Tensor, random: torch.Generator) -> Tensor:
    """A differentiable augmentation that draws."""
    return 0.5 * images + torch.rand(len(images), 1, 1, 1, generator=random) - 0.5


def photos(spec: ImageSpec = GREY, count: int = 4) -> Tensor:
    return torch.rand(count, spec.channels, spec.height, spec.width, generator=torch.Generator().manual_seed(9)) * 2 - 1


# An independent statement of the networks, on a plain dictionary of weights.


def conv(weights: Mapping[str, Tensor], name: str, maps: Tensor, carry: float, stride: int = 1) -> Tensor:
    linear = F.conv2d(F.pad(maps, (1, 1, 1, 1)), weights[f"{name}.weight"], weights[f"{name}.bias"], stride)
    out = torch.where(linear > 0, linear, torch.exp(linear.clamp(max=0)) - 1)
    return carry * maps + (1 - carry) * out if out.shape == maps.shape else out


def encode(weights: Mapping[str, Tensor], images: Tensor, doublings: int, carry: float) -> Tensor:
    maps, layer = conv(weights, "encoder.layers.0", images, carry), 1
    for level in range(doublings + 1):
        for stride in (1, 2 if level < doublings else 1):
            maps = conv(weights, f"encoder.layers.{layer}", maps, carry, stride)
            layer += 1
    return maps.reshape(len(maps), -1) @ weights["encoder.to_code.weight"].T + weights["encoder.to_code.bias"]


def decode(
    weights: Mapping[str, Tensor], codes: Tensor, sizes: list[tuple[int, int]], carry: float, skip: bool
) -> Tensor:
    maps = codes @ weights["from_code.weight"].T + weights["from_code.bias"]
    base = maps = maps.reshape(len(codes), -1, *sizes[0])
    for level, (height, width) in enumerate(sizes):
        if level:
            maps = maps[:, :, torch.arange(height) // 2][:, :, :, torch.arange(width) // 2]
            if skip:
                rows, columns = torch.arange(height) // 2**level, torch.arange(width) // 2**level
                maps = torch.cat([maps, base[:, :, rows][:, :, :, columns]], 1)
        maps = conv(weights, f"layers.{2 * level}", maps, carry)
        maps = conv(weights, f"layers.{2 * level + 1}", maps, carry)
    return F.conv2d(F.pad(maps, (1, 1, 1, 1)), weights["to_image.weight"], weights["to_image.bias"])


def reconstruct(
    weights: Mapping[str, Tensor], images: Tensor, sizes: list[tuple[int, int]], carry: float, skip: bool
) -> Tensor:
    second_half = {
        name.removeprefix("decoder."): value for name, value in weights.items() if name.startswith("decoder.")
    }
    return decode(second_half, encode(weights, images, len(sizes) - 1, carry), sizes, carry, skip)


@pytest.mark.parametrize("values", [{}, {"skip_connections": True, "residual_steps": 4}])
def test_losses_k_and_convergence_equal_an_independent_statement_of_the_paper(values: dict[str, object]) -> None:
    began, batch = make(ODD, gamma=0.7, lambda_k=0.1, **values), photos(ODD)
    sizes, skip, carry = [(8, 10), (15, 20), (29, 40)], bool(values), 0.75 if values else 0.0
    latents = torch.rand(4, 16, generator=torch.Generator().manual_seed(1)) * 2 - 1
    with torch.no_grad():
        fake = decode(dict(began.generator.named_parameters()), latents, sizes, carry, skip)
        discriminator = dict(began.discriminator.named_parameters())
        real_loss = (reconstruct(discriminator, batch, sizes, carry, skip) - batch).abs().mean()
        fake_loss = (reconstruct(discriminator, fake, sizes, carry, skip) - fake).abs().mean()
    losses = began.step(batch, clock(1), unchanged)
    torch.testing.assert_close(losses["loss_real"], real_loss, rtol=1e-5, atol=0)
    torch.testing.assert_close(losses["loss_fake"], fake_loss, rtol=1e-5, atol=0)
    excess = 0.7 * real_loss - fake_loss
    torch.testing.assert_close(losses["k"], (0.1 * excess).clamp(0, 1), rtol=1e-4, atol=1e-7)
    torch.testing.assert_close(losses["convergence"], real_loss + excess.abs(), rtol=1e-5, atol=0)
    assert not any(value.requires_grad for value in losses.values())


def test_the_networks_have_the_papers_number_of_parameters() -> None:
    began = Began(BeganSettings(filters=64, code=64), ImageSpec(64, 64, 3), seed=0)

    def convolutions(*widths: tuple[int, int]) -> int:
        return sum(9 * before * after + after for before, after in widths)

    decoder = 64 * 64 * 64 + 64 * 64 + convolutions(*[(64, 64)] * 8, (64, 3))  # 8x8x64 maps; sizes 8, 16, 32, 64
    encoder = convolutions(
        (3, 64),
        *[(64, 64), (64, 64)],
        *[(64, 128), (128, 128)],
        *[(128, 192), (192, 192)],
        *[(192, 256), (256, 256)],
    )
    encoder += 8 * 8 * 256 * 64 + 64
    assert sum(weight.numel() for weight in began.generator.parameters()) == decoder
    assert sum(weight.numel() for weight in began.discriminator.parameters()) == encoder + decoder


@pytest.mark.parametrize(
    ("width", "height", "base", "resolutions"),
    [(64, 64, (8, 8), 4), (128, 128, (8, 8), 5), (40, 29, (8, 10), 3), (8, 9, (5, 4), 2), (658, 490, (8, 11), 7)],
)
def test_any_canvas_has_a_base_of_about_8_px_and_every_size_doubles_the_last(
    width: int, height: int, base: tuple[int, int], resolutions: int
) -> None:
    sizes = map_sizes(ImageSpec(width, height, 1))
    assert sizes[0] == base
    assert sizes[-1] == (height, width)
    assert len(sizes) == resolutions
    for (rows, columns), (more_rows, more_columns) in pairwise(sizes):
        assert 0 <= 2 * rows - more_rows <= 1
        assert 0 <= 2 * columns - more_columns <= 1


@pytest.mark.parametrize(("spec", "noise"), [(ODD, "uniform"), (ImageSpec(8, 9, 1), "gaussian"), (GREY, "uniform")])
def test_samples_fill_the_canvas_within_the_range_and_depend_on_their_seed_alone(spec: ImageSpec, noise: str) -> None:
    began = make(spec, noise=noise)
    with torch.no_grad():
        began.generator.to_image.weight.mul_(50)
    images = began.sample([3, 4, 5])
    assert images.shape == (3, spec.channels, spec.height, spec.width)
    assert images.dtype == torch.float32
    assert images.max() == 1  # the outputs are linear: clipped here and nowhere else
    assert images.min() == -1
    torch.testing.assert_close(began.sample([4]), images[1:2], rtol=0, atol=1e-4)
    assert not torch.equal(images[0], images[1])


def test_one_pass_of_the_fakes_gives_the_gradients_of_the_two_separate_losses() -> None:
    began, batch = make(ODD), photos(ODD)
    began.balance.k.fill_(0.37)
    twin = copy.deepcopy((began.generator, began.discriminator))
    began.step(batch, clock(5), shaded)

    generator, discriminator = twin
    random = torch.Generator().manual_seed(5)
    latents = torch.rand(4, 16, generator=random) * 2 - 1
    real = shaded(batch, random)
    fake = shaded(generator(latents), random)
    generator_loss = (fake - discriminator(fake)).abs().mean()
    for_generator = torch.autograd.grad(generator_loss, list(generator.parameters()))
    still = fake.detach()
    discriminator_loss = (real - discriminator(real)).abs().mean() - 0.37 * (still - discriminator(still)).abs().mean()
    for_discriminator = torch.autograd.grad(discriminator_loss, list(discriminator.parameters()))

    for network, wanted in ((began.generator, for_generator), (began.discriminator, for_discriminator)):
        for (name, weight), gradient in zip(network.named_parameters(), wanted, strict=True):
            assert weight.grad is not None
            assert (weight.grad - gradient).abs().max() <= 1e-5 * gradient.abs().max(), name


def test_k_follows_the_balance_and_stays_between_0_and_1() -> None:
    balance = Balance()

    def update(real: float, fake: float, lambda_k: float) -> float:
        balance.update(torch.tensor(real), torch.tensor(fake), gamma=0.5, lambda_k=lambda_k)
        return float(balance.k)

    assert update(0.8, 0.1, 0.001) == pytest.approx(0.0003)  # 0 + 0.001 (0.4 - 0.1)
    assert update(0.8, 0.1, 0.1) == pytest.approx(0.0303)
    assert update(0.2, 0.5, 0.05) == pytest.approx(0.0103)  # 0.0303 + 0.05 (0.1 - 0.5)
    assert update(0.2, 0.5, 1.0) == 0  # 0.0103 - 0.4, clipped
    assert update(4.0, 0.1, 1.0) == 1  # 0 + 1.9, clipped


def test_convergence_is_the_photos_loss_plus_the_distance_from_balance() -> None:
    def convergence(real: float, fake: float) -> float:
        return float(Balance().update(torch.tensor(real), torch.tensor(fake), gamma=0.5, lambda_k=0.001))

    assert convergence(0.2, 0.1) == pytest.approx(0.2)  # in balance
    assert convergence(0.2, 0.4) == pytest.approx(0.5)
    assert convergence(0.2, 0.05) == pytest.approx(0.25)


def halvings(measures: list[float], patience: float) -> list[int]:
    plateau = Plateau(patience)
    return [
        step
        for step, value in enumerate(measures)
        if plateau.stalls(torch.tensor(value), progress=step / len(measures))
    ]


def test_the_learning_rate_is_halved_only_when_the_convergence_stalls() -> None:
    # 200 steps: a window is 4 of them, judged at the step after it; a tenth of the budget is 5 windows
    assert halvings([0.3] * 200, patience=0.1) == list(range(24, 200, 20))
    assert halvings([0.98 ** (step // 4) for step in range(200)], patience=0.1) == []
    falls_for_half = [0.98 ** (min(step, 100) // 4) for step in range(200)]
    assert halvings(falls_for_half, patience=0.2)[0] == 104 + 40
    spike = [0.3] * 200
    spike[50] = 0.3 * 0.97  # one good step of four is no fall by 1 %
    assert halvings(spike, patience=0.1) == halvings([0.3] * 200, patience=0.1)


def test_both_learning_rates_are_halved_down_to_the_floor() -> None:
    began = make(patience=0.02)
    rates = set()
    for step in range(12):
        began.step(torch.zeros(1, 1, 16, 16), clock(step, 12), lambda images, random: images * float("nan"))
        rates.add(
            (began.generator_optimiser.param_groups[0]["lr"], began.discriminator_optimiser.param_groups[0]["lr"])
        )
    assert rates == {(rate, rate) for rate in (1e-4, 5e-5, 2.5e-5, 2e-5)}


def test_vanishing_residuals_fade_linearly_and_are_remembered_for_sampling() -> None:
    began = make(residual_steps=4)
    carries = []
    for step in (0, 1, 3, 4, 9):
        began.step(photos(), clock(step), unchanged)
        carries.append(float(began.balance.carry))
    assert carries == [1.0, 0.75, 0.25, 0.0, 0.0]
    plain = began.sample([1])
    began.balance.carry.fill_(0.5)
    assert not torch.allclose(plain, began.sample([1]), atol=1e-3)


def test_a_stored_state_continues_identically(tmp_path: Path) -> None:
    settings = {"patience": 0.05, "residual_steps": 12}
    whole = make(GREY, **settings)
    whole.balance.k.fill_(0.4)
    for step in range(12):
        whole.step(photos(), clock(step, 12), shaded)
        if step == 6:
            states = {name: module.state_dict() for name, module in whole.modules().items()}
            write_checkpoint(tmp_path / "state.safetensors", states, {})
    resumed = make(GREY, **settings)
    states, _ = read_checkpoint(tmp_path / "state.safetensors")
    for name, module in resumed.modules().items():
        module.load_state_dict(states[name])
    for step in range(7, 12):
        resumed.step(photos(), clock(step, 12), shaded)
    assert resumed.plateau.state_dict() == whole.plateau.state_dict()
    assert float(whole.balance.k) > 0
    assert float(resumed.balance.k) == float(whole.balance.k)
    rate = whole.generator_optimiser.param_groups[0]["lr"]
    assert resumed.generator_optimiser.param_groups[0]["lr"] == rate
    for network in ("generator", "discriminator"):
        for one, other in zip(
            getattr(whole, network).parameters(), getattr(resumed, network).parameters(), strict=True
        ):
            assert torch.equal(one, other)


def test_layout_and_reduced_precision_change_no_formula() -> None:
    plain, fast = make(ODD), make(ODD)
    fast.to(torch.device("cpu"), torch.channels_last)
    batch = photos(ODD)
    for step in range(3):
        one = plain.step(batch, clock(step), unchanged)
        with torch.autocast("cpu", torch.bfloat16):
            other = fast.step(batch.contiguous(memory_format=torch.channels_last), clock(step), unchanged)
        for name, value in one.items():
            torch.testing.assert_close(other[name], value, rtol=0.02, atol=1e-5)
            assert other[name].dtype == torch.float32
    with torch.autocast("cpu", torch.bfloat16):
        assert fast.sample([0]).dtype == torch.float32


def test_it_learns_to_reconstruct_photos_and_to_make_what_it_can_reconstruct() -> None:
    rows = torch.arange(16.0).view(1, 1, 16, 1)
    phases = torch.arange(8.0).view(8, 1, 1, 1)
    stripes = (0.8 * torch.sin(2 * torch.pi * (rows + phases) / 8)).expand(8, 1, 16, 16).contiguous()
    began = make(learning_rate=5e-4, lambda_k=0.1)  # 300 steps are few: k must follow faster

    def contrast_across_stripes() -> float:
        """Differences from row to row over differences from column to column; 1 without stripes."""
        samples = began.sample(range(16))
        return float(samples.diff(dim=2).abs().mean() / samples.diff(dim=3).abs().mean())

    assert contrast_across_stripes() < 1.5
    first = began.step(stripes, clock(0, 300), unchanged)
    for step in range(1, 300):
        last = began.step(stripes, clock(step, 300), unchanged)
    assert last["loss_real"] < first["loss_real"] / 10
    assert contrast_across_stripes() > 3


@pytest.mark.parametrize(("name", "value", "allowed"), [("filters", 4, "8"), ("gamma", 1.5, "1"), ("patience", 0, "0")])
def test_a_setting_out_of_range_is_refused_with_what_is_allowed(name: str, value: float, allowed: str) -> None:
    with pytest.raises(UserError) as caught:
        parse_settings(BeganSettings, {name: value}, "generator began")
    assert name in caught.value.what
    assert str(value) in caught.value.what
    assert allowed in caught.value.allowed
    assert str(BeganSettings.model_fields[name].default) in caught.value.do
