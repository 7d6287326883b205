"""SinGAN trains as the authors' procedure says, each photo as if alone, and continues exactly where it stopped."""

import copy
import hashlib
from collections import Counter
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from handful.core.checkpoint import read_checkpoint, write_checkpoint
from handful.core.errors import UserError
from handful.core.seeds import torch_stream
from handful.generators.base import Clock, ImageSpec
from handful.generators.singan import Singan, SinganControls, SinganSettings
from handful.generators.singan_parts.fleet import stage_due
from handful.generators.singan_parts.penalty import gradient_penalty
from handful.generators.singan_parts.pyramid import resize
from handful.generators.singan_parts.scale import ScaleCritic, ScaleGenerator

SPEC = ImageSpec(width=32, height=24, channels=3)
SCALES = 3  # 12x16, 17x23, 24x32


def make(spec: ImageSpec = SPEC, seed: int = 0, **values: object) -> Singan:
    settings = {"min_size": 12, "scale_factor": 0.5, "width": 8} | values
    return Singan(SinganSettings.model_validate(settings), spec, seed)


def unchanged(images: Tensor, random: torch.Generator) -> Tensor:
    return images


def photos(count: int = 1, spec: ImageSpec = SPEC) -> Tensor:
    """A bright square in a dark field with some texture: a layout to keep. Each photo has its own texture."""
    random = torch.Generator().manual_seed(5)
    shots = torch.randn(count, spec.channels, spec.height, spec.width, generator=random) * 0.1 - 0.6
    shots[:, :, 3 : spec.height // 2, 4 : spec.width // 2] += 1.1
    return shots.clamp(-1, 1)


def train(generator: Singan, steps: int, first: int = 0, last: int | None = None) -> list[dict[str, Tensor]]:
    """Steps first, first + 1, ... last - 1 of a budget of `steps`."""
    batch, losses = photos(), []
    for step in range(first, steps if last is None else last):
        clock = Clock(step, step, step / steps, torch_stream(7, "not for singan", step))
        losses.append(generator.step(batch, clock, unchanged))
    return losses


def trained(count: int, steps: int, shots: Tensor | None = None, **values: object) -> Singan:
    generator = make(**values)
    generator.prepare(photos(count) if shots is None else shots)
    train(generator, steps)
    return generator


def draw(generator: Singan, member: int, seed: int, start: int = 0, height: int = 24, width: int = 32) -> Tensor:
    return generator.draw_member(member, [seed], start, (height, width), SinganControls())[0]


def rebuild(generator: Singan) -> Tensor:
    """The first photo by the scales reached so far."""
    scales = generator.scales_of(0)
    return resize(scales.reconstruct(scales.last + 1), 24, 32)


@pytest.fixture(scope="module")
def singan() -> Singan:
    """One photo, 40 iterations a scale."""
    return trained(1, 40 * SCALES)


# The networks


@pytest.mark.parametrize(("width", "authors"), [(32, 29_763), (64, 114_819), (128, 450_819)])
def test_a_scale_has_the_authors_weights_less_the_biases_that_cancel(width: int, authors: int) -> None:
    generator, critic = ScaleGenerator(3, width), ScaleCritic(3, width)
    assert sum(weight.numel() for weight in generator.parameters()) + 4 * width == authors
    two_channels = 2 * (9 * width + 1)  # the critic's tail makes one, the generator's three
    assert sum(weight.numel() for weight in critic.parameters()) + 4 * width + 1 == authors - two_channels


def test_a_bias_before_the_norm_would_change_nothing() -> None:
    torch.manual_seed(0)
    critic, image = ScaleCritic(3, 8), photos()
    before, biased = critic(image), copy.deepcopy(critic)
    for layer in list(biased.layers)[:-1]:
        if isinstance(layer, nn.Conv2d):
            layer.bias = nn.Parameter(torch.randn(8))
    assert torch.allclose(biased(image), before, atol=1e-3)
    assert torch.allclose(critic(image, twice=True), before, atol=1e-5)  # group norm for batch norm


def test_the_penalty_takes_the_gradient_of_each_pixel_over_its_channels() -> None:
    weights = torch.tensor([1.0, 2.0, -2.0])

    def linear(images: Tensor) -> Tensor:
        return torch.einsum("nchw,c->nhw", images, weights)

    penalty = gradient_penalty(linear, photos(), torch.zeros(1, 3, 24, 32), torch.tensor(0.3))
    assert torch.isclose(penalty, torch.tensor((3.0 - 1) ** 2))  # |(1, 2, -2)| = 3 at every pixel


def test_the_penalty_is_taken_between_photo_and_fake() -> None:
    real, fake = torch.full((1, 1, 4, 4), 0.8), torch.full((1, 1, 4, 4), -0.2)
    penalty = gradient_penalty(lambda images: 1.5 * images**2, real, fake, torch.tensor(0.25))
    assert torch.isclose(penalty, torch.tensor((3 * 0.05 - 1) ** 2))  # the slope at 0.25 * 0.8 - 0.75 * 0.2 is 3 * 0.05


# One iteration, written out from the procedure: plain dictionaries of weights, batch norm by its formula.


def network(weights: dict[str, Tensor], maps: Tensor) -> Tensor:
    for layer in (0, 3, 6, 9):
        maps = F.conv2d(maps, weights[f"layers.{layer}.weight"])
        spread = maps.var((0, 2, 3), unbiased=False, keepdim=True)
        maps = (maps - maps.mean((0, 2, 3), keepdim=True)) / (spread + 1e-5).sqrt()
        scale, shift = weights[f"layers.{layer + 1}.weight"], weights[f"layers.{layer + 1}.bias"]
        maps = F.leaky_relu(maps * scale.view(1, -1, 1, 1) + shift.view(1, -1, 1, 1), 0.2)
    return F.conv2d(maps, weights["layers.12.weight"], weights.get("layers.12.bias"))


def generate(weights: dict[str, Tensor], noise: Tensor, image: Tensor) -> Tensor:
    padded = F.pad(noise, (5, 5, 5, 5)) + F.pad(image, (5, 5, 5, 5))
    return torch.tanh(network(weights, padded)) + image


def own(module: nn.Module) -> dict[str, Tensor]:
    return {name: weight.detach().clone().requires_grad_() for name, weight in module.named_parameters()}


def test_an_iteration_does_what_the_authors_procedure_says() -> None:
    generator = make()
    generator.prepare(photos())
    train(generator, SCALES, last=1)
    below, G, D = own(generator.generators[0]), own(generator.generators[0]), own(generator.critics[0])  # handed over
    losses = train(generator, SCALES, first=1, last=2)[0]

    # Both networks start as copies, because the widths match; the reconstruction comes from z* alone
    photo = hashlib.sha256(photos()[0].numpy().tobytes()).hexdigest()
    z_star = torch.randn(1, 1, 12, 16, generator=torch_stream(0, f"singan/{photo}/reconstruction"))
    real = resize(photos(), 17, 23)
    with torch.no_grad():
        z_prev = resize(generate(below, z_star.expand(1, 3, 12, 16), torch.zeros(1, 3, 12, 16)), 17, 23)
        amp = 0.1 * F.mse_loss(real, z_prev).sqrt()
        random = torch_stream(0, f"singan/{photo}/1")
        z = torch.randn(3, 1, 12, 16, generator=random)
        drawn = [generate(below, one.expand(1, 3, 12, 16), torch.zeros(1, 3, 12, 16)) for one in z.split(1)]
        prev = [resize(one, 17, 23) for one in drawn]
        noise = amp * torch.randn(1, 3, 17, 23, generator=random)
    adam_g = torch.optim.Adam(G.values(), lr=5e-4, betas=(0.5, 0.999))
    adam_d = torch.optim.Adam(D.values(), lr=5e-4, betas=(0.5, 0.999))
    for step in range(3):
        fake = generate(G, noise, prev[step]).detach()
        alpha = torch.rand((), generator=random)
        mixed = (alpha * real + (1 - alpha) * fake).requires_grad_()
        (slope,) = torch.autograd.grad(network(D, mixed).sum(), mixed, create_graph=True)
        penalty = ((slope.square().sum(1).sqrt() - 1) ** 2).mean()
        critic = network(D, fake).mean() - network(D, real).mean()
        adam_d.zero_grad()
        (critic + 0.1 * penalty).backward()
        adam_d.step()
    for _ in range(3):
        adversarial = -network(D, generate(G, noise, prev[2])).mean()
        error = F.mse_loss(generate(G, torch.zeros(()).expand(1, 3, 17, 23), z_prev), real)
        adam_g.zero_grad()
        (adversarial + 10 * error).backward()
        adam_g.step()

    expected = {"critic": critic, "penalty": penalty, "adversarial": adversarial, "reconstruction": error}
    assert losses.keys() == expected.keys()
    for word, loss in expected.items():
        assert torch.isclose(losses[word], loss.detach(), rtol=1e-3, atol=1e-4), word
    assert torch.isclose(generator.fleet.noise_weights[0, 1], amp, rtol=1e-4)
    for ours, theirs in ((generator.generators[1], G), (generator.critics[1], D)):
        moved = torch.cat(
            [(theirs[name] - weight).detach().abs().flatten() for name, weight in ours.named_parameters()]
        )
        # Adam's first steps are nearly signs: where a gradient is next to nothing, rounding decides
        assert (moved > 2e-5).float().mean() < 0.01
    assert all(torch.equal(weight, below[name]) for name, weight in generator.generators[0].named_parameters())


def test_a_scale_of_another_width_starts_afresh() -> None:
    spec = ImageSpec(width=40, height=40, channels=1)
    generator = make(spec, scale_factor=0.75, width=2, most_width=4)
    generator.prepare(photos(1, spec))
    assert generator.widths == (2, 2, 2, 2, 4, 4, 4)
    train(generator, 7, last=4)
    before = own(generator.generators[4])
    train(generator, 7, first=4, last=5)
    moved = [(weight - before[name]).abs().max() for name, weight in generator.generators[4].named_parameters()]
    assert moved[0] > 0.01  # newly drawn: three of Adam's steps alone would be 3 * 5e-4 at most
    train(generator, 7, first=5, last=6)
    handed = own(generator.generators[4])
    moved = [(weight - handed[name]).abs().max() for name, weight in generator.generators[5].named_parameters()]
    assert 0 < max(moved) < 0.002


def test_reduced_precision_sees_the_weights_of_every_step() -> None:
    """Autocast keeps casts of weights; kept over an update they would be those of the step before."""
    moves = []
    for kept in (True, False):
        generator = make()
        generator.prepare(photos())
        before = own(generator.critics[0])
        with torch.autocast("cpu", torch.bfloat16, cache_enabled=kept):
            train(generator, SCALES, last=1)
        after = generator.critics[0].named_parameters()
        moves.append(torch.cat([(weight - before[name]).detach().flatten() for name, weight in after]))
    assert (moves[0] - moves[1]).abs().mean() < 0.1 * moves[1].abs().mean()  # stale casts: a third


def test_augmentation_reaches_photo_and_fake_alike() -> None:
    seen: list[Tensor] = []

    def watch(images: Tensor, random: torch.Generator) -> Tensor:
        seen.append(images)
        return images

    generator = make()
    generator.prepare(photos())
    generator.step(photos(), Clock(0, 0, 0.0, torch.Generator()), watch)
    reals = [torch.equal(images, resize(photos(), 12, 16)) for images in seen]
    assert reals == [True, False] * 3 + [False] * 3
    assert [images.requires_grad for images in seen] == [False] * 6 + [True] * 3


# The plan


def clock(step: int, steps: int) -> Clock:
    return Clock(step, step, step / steps, torch.Generator())


def test_a_budget_of_steps_is_spread_evenly_over_members_and_scales() -> None:
    for steps in (3 * 5 * 7, 3 * 5 * 2000):
        stages = Counter(stage_due(clock(step, steps), 3, (1.0, 2.0, 4.0, 8.0, 16.0))[0] for step in range(steps))
        assert stages == dict.fromkeys(range(15), steps // 15)
    uneven = Counter(stage_due(clock(step, 100), 3, (1.0, 9.0))[0] for step in range(100))
    assert set(uneven.values()) <= {16, 17}


def test_the_learning_rate_falls_to_a_tenth_at_80_percent_of_each_scale() -> None:
    generator, rates = make(), []
    generator.prepare(photos())
    for step in range(10 * SCALES):
        train(generator, 10 * SCALES, first=step, last=step + 1)
        groups = (*generator.generator_optimiser.param_groups, *generator.critic_optimiser.param_groups)
        rates.append({group["lr"] for group in groups})
    assert rates == ([{5e-4}] * 8 + [{5e-5}] * 2) * SCALES


def test_a_budget_of_time_is_shared_by_the_root_of_the_cost() -> None:
    seconds = [0.1234567 + 0.9987654 * lap for lap in range(1000)]  # of 1000
    stages = [stage_due(Clock(9, 9, passed / 1000, torch.Generator()), 2, (1.0, 16.0))[0] for passed in seconds]
    assert stages == sorted(stages)
    assert [round(stages.count(stage) / 1000, 2) for stage in range(4)] == [0.1, 0.4, 0.1, 0.4]
    assert stage_due(Clock(9, 9, 1.0, torch.Generator()), 2, (1.0, 16.0))[0] == 3


def test_a_budget_too_short_leaves_no_scale_out() -> None:
    generator = make()
    generator.prepare(photos(3))
    for step, progress in enumerate((0.0, 0.4, 0.9, 1.0)):
        generator.step(photos(), Clock(step, step, progress, torch.Generator()), unchanged)
        assert generator.position.stage == step  # two scales of the second member, none of the third
    assert (generator.fleet.noise_weights[0] > 0).all()


# The fleet


def test_a_member_of_a_fleet_is_what_its_photo_alone_would_be() -> None:
    shots = photos(3)
    fleet, alone = trained(3, 3 * 4 * SCALES, shots), trained(1, 4 * SCALES, shots[1:2])
    seeds = range(3)
    for start in range(SCALES):
        together = torch.stack([draw(fleet, 1, seed, start) for seed in seeds])
        by_itself = torch.stack([draw(alone, 0, seed, start) for seed in seeds])
        assert torch.allclose(together, by_itself, atol=1e-5)
    assert not torch.allclose(draw(fleet, 0, 0), draw(fleet, 1, 0), atol=0.01)


def test_samples_come_from_every_finished_member_and_each_is_a_drawing_of_one() -> None:
    fleet = trained(3, 3 * SCALES)
    samples, drawn_from = fleet.sample(range(12)), Counter()
    for seed, sample in enumerate(samples):
        drawings = torch.stack([draw(fleet, member, seed) for member in range(3)])
        distances = (drawings - sample).abs().amax((1, 2, 3))
        assert distances.min() < 1e-5
        drawn_from[int(distances.argmin())] += 1
        assert fleet.sources([seed]) == [int(distances.argmin())]
    assert len(drawn_from) == 3


def test_half_way_the_first_members_are_finished() -> None:
    fleet = make()
    fleet.prepare(photos(2))
    train(fleet, 2 * 5 * SCALES, last=5)
    coarse = fleet.sample([0])  # of the coarsest scale, upsampled
    assert coarse.shape == (1, 3, 24, 32)
    assert torch.allclose(coarse, resize(resize(coarse, 12, 16), 24, 32), atol=0.15)
    train(fleet, 2 * 5 * SCALES, first=5, last=5 * SCALES + 6)
    samples = fleet.sample(range(6))  # the second member has no fine scale yet
    assert torch.allclose(samples, torch.stack([draw(fleet, 0, seed) for seed in range(6)]), atol=1e-5)


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_a_checkpoint_in_the_middle_of_a_scale_resumes_bit_for_bit(tmp_path: Path, precision: torch.dtype) -> None:
    steps = 2 * 4 * SCALES
    middle = steps // 2 + 6  # the first member is done, the second in the middle of its second scale
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == torch.bfloat16):
        straight = make()
        straight.to(torch.device("cpu"), torch.channels_last)
        straight.prepare(photos(2))
        train(straight, steps, last=middle)
        states = {name: module.state_dict() for name, module in straight.modules().items()}
        write_checkpoint(tmp_path / "middle.safetensors", states, {})
        train(straight, steps, first=middle)

        resumed = make(seed=99)
        resumed.to(torch.device("cpu"), torch.channels_last)
        for name, state in read_checkpoint(tmp_path / "middle.safetensors")[0].items():
            resumed.modules()[name].load_state_dict(state)
        train(resumed, steps, first=middle)
    for one, other in ((straight.fleet, resumed.fleet), (straight.generators, resumed.generators)):
        for name, value in one.state_dict().items():
            assert torch.equal(value, other.state_dict()[name]), name
    assert torch.equal(straight.sample(range(4)), resumed.sample(range(4)))


# Samples


def test_it_learns_to_reconstruct_the_photo(singan: Singan) -> None:
    untrained = make()
    untrained.prepare(photos())
    errors = [float(F.mse_loss(rebuild(generator), photos())) for generator in (untrained, singan)]
    assert errors[1] < 0.15 * errors[0]


def test_samples_from_above_the_coarsest_scale_keep_the_photos_layout(singan: Singan) -> None:
    wanted = resize(photos(), 6, 8).flatten()
    likeness = []
    for start in (0, 1):
        samples = torch.stack([draw(singan, 0, seed, start) for seed in range(8)])
        layouts = resize(samples, 6, 8).flatten(1)
        likeness.append(
            float(torch.stack([torch.corrcoef(torch.stack([one, wanted]))[0, 1] for one in layouts]).mean())
        )
        assert samples.std(0).mean() > 0.005  # seeds differ
    assert likeness[1] > 0.9
    assert likeness[1] > likeness[0] + 0.05


def test_the_setting_start_scale_is_where_samples_begin_to_vary(singan: Singan) -> None:
    later = make(start_scale=2)
    for name, module in later.modules().items():
        module.load_state_dict(singan.modules()[name].state_dict())
    assert torch.allclose(later.sample([5])[0], draw(singan, 0, 5, start=2), atol=1e-5)
    assert not torch.allclose(later.sample([5]), singan.sample([5]), atol=0.01)


@pytest.mark.parametrize("start", range(SCALES))
def test_a_drawing_may_have_any_size(singan: Singan, start: int) -> None:
    wide = draw(singan, 0, 3, start, height=40, width=90)
    assert wide.shape == (3, 40, 90)
    assert wide.isfinite().all() and wide.min() >= -1 and wide.max() <= 1
    assert draw(singan, 0, 3, start, height=2, width=1).shape == (3, 2, 1)
    assert torch.equal(wide, draw(singan, 0, 3, start, height=40, width=90))


def test_a_canvas_above_max_size_is_trained_below_it_and_filled() -> None:
    spec = ImageSpec(width=64, height=48, channels=1)
    generator = make(spec, max_size=32)
    assert generator.sizes[-1] == (24, 32)
    generator.prepare(photos(1, spec))
    assert generator.fleet.photos.shape == (1, 1, 24, 32)
    train(generator, SCALES)
    sample = generator.sample([1])
    assert sample.shape == (1, 1, 48, 64)
    assert torch.allclose(sample, resize(resize(sample, 24, 32), 48, 64), atol=0.15)  # nothing finer is in it


def test_what_cannot_be_drawn_is_refused(singan: Singan) -> None:
    with pytest.raises(UserError) as caught:
        singan.check_controls(SinganControls(photo=1))
    assert "photo is 1" in caught.value.what and "drawn: 0 to 0" in caught.value.allowed
    with pytest.raises(UserError) as caught:
        singan.check_controls(SinganControls(start_scale=3))
    assert "start_scale is 3" in caught.value.what and "from 0 to 2" in caught.value.allowed
    with pytest.raises(UserError) as caught:
        make(start_scale=9)
    assert "start_scale is 9" in caught.value.what and "3 scale(s)" in caught.value.allowed


def test_a_canvas_that_max_size_makes_too_narrow_is_refused() -> None:
    with pytest.raises(UserError) as caught:
        make(ImageSpec(width=1000, height=25, channels=3), max_size=250)
    assert "1000x25 becomes 250x7" in caught.value.what
    assert "at least 11 pixels" in caught.value.allowed
    assert "max_size" in caught.value.do
