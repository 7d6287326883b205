"""ConSinGAN grows as the authors' procedure says, each photo as if alone, and continues exactly where it stopped."""

import hashlib
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from handful.core.checkpoint import read_checkpoint, write_checkpoint
from handful.core.errors import UserError
from handful.core.seeds import torch_stream
from handful.generators.base import Clock, ImageSpec, parse_controls
from handful.generators.consingan import Consingan, ConsinganControls, ConsinganSettings
from handful.generators.consingan_parts.networks import part_rates, stage_sizes, stretch
from handful.generators.singan_parts.pyramid import resize

SPEC = ImageSpec(width=24, height=20, channels=3)
STAGES = 4  # 12x14, 14x16, 17x20, 20x24
WIDTH = 4


def make(spec: ImageSpec = SPEC, seed: int = 0, **values: object) -> Consingan:
    settings = {"min_size": 12, "stages": STAGES, "width": WIDTH} | values
    return Consingan(ConsinganSettings.model_validate(settings), spec, seed)


def unchanged(images: Tensor, random: torch.Generator) -> Tensor:
    return images


def photos(count: int = 1, spec: ImageSpec = SPEC) -> Tensor:
    """A bright rectangle in a dark field; each photo has its own texture."""
    random = torch.Generator().manual_seed(5)
    shots = torch.randn(count, spec.channels, spec.height, spec.width, generator=random) * 0.1 - 0.6
    shots[:, :, 3 : spec.height // 2, 4 : spec.width // 2] += 1.1
    return shots.clamp(-1, 1)


def train(generator: Consingan, steps: int, first: int = 0, last: int | None = None) -> list[dict[str, Tensor]]:
    """Steps first, first + 1, ... last - 1 of a budget of `steps`."""
    losses = []
    for step in range(first, steps if last is None else last):
        clock = Clock(step, step, step / steps, torch_stream(7, "not for consingan", step))
        losses.append(generator.step(photos(), clock, unchanged))
    return losses


def own(module: nn.Module) -> dict[str, Tensor]:
    return {name: weight.detach().clone().requires_grad_() for name, weight in module.named_parameters()}


def moved(generator: Consingan, before: dict[str, Tensor]) -> set[str]:
    """Parts of the generator whose weights have changed: 'head', '0', '1', ... 'tail'."""
    changed = {name for name, weight in generator.network.named_parameters() if not torch.equal(weight, before[name])}
    return {name.split(".")[1] if name.startswith("stages") else name.split(".")[0] for name in changed}


# Sizes, rates, weights


def test_stages_have_the_authors_sizes() -> None:
    # short side 187 to 25 in five steps: r = 0.66868, exponents 5, 4.44541, 3.73042, 2.72271, 1, 0
    short = [25, 31, 42, 63, 125, 187]
    long = [33, 42, 56, 84, 167, 250]
    assert stage_sizes(187, 250, 6, 25, 250) == tuple(zip(short, long, strict=True))
    assert stage_sizes(500, 374, 6, 25, 250) == tuple(zip(long, short, strict=True))  # shrunk to max_size


def test_a_canvas_with_no_room_for_so_many_sizes_has_fewer_stages() -> None:
    assert stage_sizes(25, 40, 6, 25, 250) == ((25, 40),)
    assert stage_sizes(26, 26, 6, 25, 250) == ((25, 25), (26, 26))
    assert make(ImageSpec(width=14, height=13, channels=1)).sizes == ((12, 13), (13, 14))


def test_the_three_newest_stages_learn_each_older_one_at_a_tenth() -> None:
    rates = {stage: part_rates(stage, 6, 3, 0.1) for stage in (0, 1, 2, 3, 5)}
    expected = {  # head, six stages, tail
        0: [1, 1, 0, 0, 0, 0, 0, 1],
        1: [0.1, 0.1, 1, 0, 0, 0, 0, 1],
        2: [0.01, 0.01, 0.1, 1, 0, 0, 0, 1],
        3: [0, 0, 0.01, 0.1, 1, 0, 0, 1],
        5: [0, 0, 0, 0, 0.01, 0.1, 1, 1],
    }
    for stage, shares in expected.items():
        assert rates[stage] == pytest.approx(shares), stage


def test_the_generator_has_the_published_number_of_weights() -> None:
    generator = Consingan(ConsinganSettings(), ImageSpec(width=250, height=187, channels=3), 0)
    count = sum(weight.numel() for weight in generator.network.parameters())
    # a 3x3 layer from 3 to 64 channels, 6 x 3 of 64 to 64, one of 64 to 3, with biases: 0.67 million
    assert count == (27 + 1) * 64 + 18 * (576 + 1) * 64 + (576 + 1) * 3 == 668_227


def test_each_stage_starts_as_a_copy_and_freezes_what_is_too_old() -> None:
    generator = make()
    generator.prepare(photos())
    learns = [
        {"head", "0", "tail"},
        {"head", "0", "1", "tail"},
        {"head", "0", "1", "2", "tail"},
        {"1", "2", "3", "tail"},
    ]
    for stage, parts in enumerate(learns):
        older = own(generator.network.stages[stage - 1])
        train(generator, 4 * STAGES, first=4 * stage, last=4 * stage + 1)  # the first iteration here
        before, newest = own(generator.network), own(generator.network.stages[stage])
        if stage:  # a copy of the stage before, three of Adam's steps of 5e-4 ago
            assert 1e-4 < max(float((newest[name] - older[name]).detach().abs().max()) for name in newest) < 1.6e-3
        train(generator, 4 * STAGES, first=4 * stage + 1, last=4 * stage + 4)
        assert moved(generator, before) == parts
        rates = [group["lr"] / 5e-4 for group in generator.generator_optimiser.param_groups]
        assert rates == pytest.approx(part_rates(stage, STAGES, 3, 0.1))


def test_the_learning_rate_falls_to_a_tenth_after_four_fifths_of_a_stage() -> None:
    generator, rates = make(), []
    generator.prepare(photos())
    for step in range(10):
        train(generator, 10 * STAGES, first=step, last=step + 1)
        rates.append(
            (generator.generator_optimiser.param_groups[0]["lr"], generator.critic_optimiser.param_groups[0]["lr"])
        )
    assert rates == [pytest.approx((5e-4, 5e-4))] * 8 + [pytest.approx((5e-5, 5e-5))] * 2


# One iteration, written out from the procedure: plain dictionaries of weights


def layer(weights: dict[str, Tensor], name: str, maps: Tensor) -> Tensor:
    return F.leaky_relu(F.conv2d(maps, weights[f"{name}.weight"], weights[f"{name}.bias"]), 0.05)


def up(maps: Tensor, height: int, width: int) -> Tensor:
    return F.interpolate(maps, (height, width), mode="bicubic", align_corners=True)


def generate(weights: dict[str, Tensor], first: Tensor, second: Tensor | None = None) -> Tensor:
    """Through the coarsest stage, 12x14, or also the second, 14x16."""
    maps = F.pad(up(layer(weights, "head", F.pad(first, (1, 1, 1, 1))), 14, 16), (2, 2, 2, 2))
    for block in range(3):
        maps = layer(weights, f"stages.0.{block}", maps)
    if second is not None:
        detail = up(maps, 20, 22) + second
        for block in range(3):
            detail = layer(weights, f"stages.1.{block}", detail)
        maps = up(maps, 14, 16) + detail
    return torch.tanh(F.conv2d(F.pad(maps, (1, 1, 1, 1)), weights["tail.weight"], weights["tail.bias"]))


def judge(weights: dict[str, Tensor], images: Tensor) -> Tensor:
    for name in ("head", "body.0", "body.1", "body.2"):
        images = layer(weights, name, images)
    return F.conv2d(images, weights["tail.weight"])


def test_an_iteration_does_what_the_authors_procedure_says() -> None:
    generator = make()
    generator.prepare(photos())
    assert generator.sizes == ((12, 14), (14, 16), (17, 20), (20, 24))
    train(generator, STAGES, last=1)
    G, D = own(generator.network), own(generator.critic)
    for block in range(3):  # the new stage starts as a copy
        for word in ("weight", "bias"):
            G[f"stages.1.{block}.{word}"] = G[f"stages.0.{block}.{word}"].detach().clone().requires_grad_()
    losses = train(generator, STAGES, first=1, last=2)[0]

    photo = hashlib.sha256(photos()[0].numpy().tobytes()).hexdigest()
    coarse, real = resize(photos(), 12, 14), resize(photos(), 14, 16)
    with torch.no_grad():
        amp = 0.1 * F.mse_loss(generate(G, coarse, torch.zeros(1, WIDTH, 20, 22)), real).sqrt()
    z_rec = amp * torch.randn(1, WIDTH, 20, 22, generator=torch_stream(0, f"consingan/{photo}/reconstruction", 1))
    random = torch_stream(0, f"consingan/{photo}/1", 0)
    noise = torch.randn(1, 3, 12, 14, generator=random), amp * torch.randn(1, WIDTH, 20, 22, generator=random)
    parts: list[tuple[str, float]] = [("head", 5e-5), ("stages.0", 5e-5), ("stages.1", 5e-4), ("tail", 5e-4)]
    groups = [{"params": [G[name] for name in G if name.startswith(part)], "lr": rate} for part, rate in parts]
    adam_g = torch.optim.Adam(groups, betas=(0.5, 0.999))
    adam_d = torch.optim.Adam(D.values(), lr=5e-4, betas=(0.5, 0.999))
    for _ in range(3):
        fake = generate(G, *noise).detach()
        alpha = torch.rand((), generator=random)
        mixed = (alpha * real + (1 - alpha) * fake).requires_grad_()
        (slope,) = torch.autograd.grad(judge(D, mixed).sum(), mixed, create_graph=True)
        penalty = ((slope.square().sum(1).sqrt() - 1) ** 2).mean()
        critic = judge(D, fake).mean() - judge(D, real).mean()
        adam_d.zero_grad()
        (critic + 0.1 * penalty).backward()
        adam_d.step()
    adversarial = -judge(D, generate(G, *noise)).mean()
    error = F.mse_loss(generate(G, coarse, z_rec), real)
    (adversarial + 10 * error).backward()
    for _ in range(3):
        adam_g.step()

    expected = {"critic": critic, "penalty": penalty, "adversarial": adversarial, "reconstruction": error}
    assert losses.keys() == expected.keys()
    for word, loss in expected.items():
        assert torch.isclose(losses[word], loss.detach(), rtol=1e-3, atol=1e-5), word
    assert torch.isclose(generator.fleet.noise_weights[0, 1], amp, rtol=1e-4)
    for ours, theirs in ((generator.network, G), (generator.critic, D)):
        apart = [(theirs[name] - weight).detach().abs().flatten() for name, weight in ours.named_parameters()]
        # Adam's first steps are nearly signs: where a gradient is next to nothing, rounding decides
        assert (torch.cat(apart) > 2e-5).float().mean() < 0.02


def test_stretching_is_bicubic_interpolation_from_corner_to_corner() -> None:
    maps = torch.randn(2, 3, 9, 11, generator=torch.Generator().manual_seed(1))
    assert torch.allclose(stretch(maps, 15, 20), up(maps, 15, 20), atol=1e-5)


# A run


def test_its_reconstruction_comes_nearer_to_the_photo() -> None:
    spec = ImageSpec(width=14, height=12, channels=1)
    generator = make(spec, width=32, learning_rate=1e-3, reconstruction_weight=1e4)  # which drowns the critic's say
    generator.prepare(photos(1, spec))
    errors = [float(losses["reconstruction"]) for losses in train(generator, 30)]
    assert errors[-1] < 0.4 * errors[0]


def test_a_member_of_a_fleet_equals_the_photo_alone_and_joins_it() -> None:
    steps, shots = 2 * STAGES, photos(2)
    fleet, states = make(), []
    fleet.prepare(shots)
    train(fleet, 2 * steps)
    for member in range(2):
        alone = make()
        alone.prepare(shots[member : member + 1])
        train(alone, steps)
        states.append({name: module.state_dict() for name, module in alone.modules().items()})
        assert torch.equal(fleet.draw_member(member, [3], 0, (20, 24), fleet.controls_class()), alone.sample([3]))
    joined = make()
    joined.prepare(shots)
    joined.join(states)
    assert set(joined.sources(range(20))) == {0, 1}
    assert torch.equal(joined.sample(range(4)), fleet.sample(range(4)))
    train(joined, 2 * steps + 1, first=2 * steps)
    train(fleet, 2 * steps + 1, first=2 * steps)
    assert torch.equal(joined.sample(range(4)), fleet.sample(range(4)))


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_a_checkpoint_in_the_middle_of_a_stage_resumes_bit_for_bit(tmp_path: Path, precision: torch.dtype) -> None:
    steps = 2 * 2 * STAGES
    middle = steps // 2 + 5  # the first member is done, the second in the middle of its third stage
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == torch.bfloat16):
        straight = make()
        straight.prepare(photos(2))
        train(straight, steps, last=middle)
        states = {name: module.state_dict() for name, module in straight.modules().items()}
        write_checkpoint(tmp_path / "middle.safetensors", states, {})
        train(straight, steps, first=middle)
        resumed = make(seed=99)
        for name, state in read_checkpoint(tmp_path / "middle.safetensors")[0].items():
            resumed.modules()[name].load_state_dict(state)
        train(resumed, steps, first=middle)
    for one, other in ((straight.fleet, resumed.fleet), (straight.network, resumed.network)):
        for name, value in one.state_dict().items():
            assert torch.equal(value, other.state_dict()[name]), name
    assert torch.equal(straight.sample(range(4)), resumed.sample(range(4)))


def test_drawing_from_a_later_stage_keeps_the_photos_reconstruction_below_it() -> None:
    generator = make(older_rate=1.0)
    generator.prepare(photos())
    train(generator, 10 * STAGES)
    generator.fleet.noise_weights[0, 1:] = 0  # then all that is left to vary is the coarsest stage
    last = ConsinganControls(start_scale=STAGES - 1)
    rebuilt = generator._reconstruct(0, STAGES - 1).detach()
    assert torch.allclose(generator.sample_controlled([1, 2], last), rebuilt.expand(2, -1, -1, -1), atol=1e-5)
    assert not torch.allclose(generator.sample([1]), rebuilt, atol=1e-3)


@pytest.mark.parametrize("start", [0, 2])
def test_a_drawing_may_have_any_size(start: int) -> None:
    generator = make()
    generator.prepare(photos())
    train(generator, STAGES)
    controls = parse_controls(generator, "consingan", {"size": "50x31", "start_scale": str(start)})
    assert controls is not None
    generator.check_controls(controls)
    wide = generator.sample_controlled([3, 4], controls)
    assert wide.shape == (2, 3, 31, 50) and wide.abs().max() <= 1
    assert torch.allclose(wide[1], generator.sample_controlled([4], controls)[0], atol=1e-5)
    tiny = generator.sample_controlled([3], ConsinganControls.model_validate({"size": "1x2", "start_scale": start}))
    assert tiny.shape == (1, 3, 2, 1)


def test_before_its_finest_stage_the_first_member_draws_upsampled() -> None:
    generator = make()
    generator.prepare(photos(2))
    train(generator, 4 * STAGES, last=1)
    sample = generator.sample([0])
    assert torch.allclose(sample, resize(resize(sample, 12, 14), 20, 24), atol=0.15)
    assert generator.sources(range(9)) == [0] * 9


def test_what_cannot_be_made_is_refused() -> None:
    with pytest.raises(UserError) as caught:
        make(start_scale=4)
    assert "start_scale is 4" in caught.value.what and "from 0 to 3" in caught.value.allowed
    with pytest.raises(UserError) as caught:
        make(ImageSpec(width=1000, height=25, channels=3), max_size=250)
    assert "1000x25 becomes 250x7" in caught.value.what and "at least 11 pixels" in caught.value.allowed
    with pytest.raises(UserError) as caught:
        make().check_controls(ConsinganControls.model_validate({"size": "900000x900000"}))
    assert "900000x900000" in caught.value.what
