"""SinGAN's faster ways: those that must change nothing change nothing, and the others do what they say."""

from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from handful.core.errors import UserError
from handful.generators.base import Clock, ImageSpec
from handful.generators.singan import Singan, SinganSettings
from handful.generators.singan_parts import compiled
from handful.generators.singan_parts.early_stop import has_levelled_out, note_losses
from handful.generators.singan_parts.fleet import Position, stage_due
from handful.generators.singan_parts.penalty import gradient_penalty
from handful.generators.singan_parts.scale import ScaleCritic, critic_terms, fresh_network

SPEC = ImageSpec(width=32, height=24, channels=3)
SCALES = 3


def make(**values: object) -> Singan:
    settings = {"min_size": 12, "scale_factor": 0.5, "width": 8} | values
    return Singan(SinganSettings.model_validate(settings), SPEC, seed=0)


def photos(count: int = 1) -> Tensor:
    shots = torch.randn(count, 3, 24, 32, generator=torch.Generator().manual_seed(5)) * 0.1 - 0.6
    shots[:, :, 3:12, 4:16] += 1.1
    return shots.clamp(-1, 1)


def train(generator: Singan, steps: int, last: int | None = None) -> list[dict[str, Tensor]]:
    losses = []
    for step in range(steps if last is None else last):
        clock = Clock(step, step, step / steps, torch.Generator())
        losses.append(generator.step(photos(), clock, lambda images, random: images))
    return losses


def ready(**values: object) -> Singan:
    generator = make(**values)
    generator.prepare(photos())
    return generator


@pytest.mark.parametrize("width", [4, 32])
@pytest.mark.parametrize("mix", [0.0, 0.3, 1.0])
def test_the_written_out_penalty_has_the_value_and_gradients_of_autograds(width: int, mix: float) -> None:
    critic = fresh_network(ScaleCritic, 3, width, seed=1).double()
    random = torch.Generator().manual_seed(2)
    real, fake = (torch.rand(1, 3, 19, 23, generator=random, dtype=torch.float64) * 2 - 1 for _ in range(2))
    share, gradients = torch.tensor(mix, dtype=torch.float64), []
    # patch_maps ends in float32, which would hide what is compared
    exact = partial(_double_maps, critic)
    for penalty in (
        gradient_penalty(exact, real, fake, share),
        compiled.penalty_written_out(list(critic.layers), real, fake, share),
    ):
        weights = [weight for name, weight in critic.named_parameters() if not name.startswith("layers.10.bias")]
        gradients.append([penalty, *torch.autograd.grad(penalty, weights, allow_unused=True)])
    for by_autograd, by_hand in zip(*gradients, strict=True):
        if by_autograd is None or by_hand is None:  # the last shift: it moves no gradient, but for the leak's corner
            assert by_autograd is by_hand
        else:
            assert torch.allclose(by_autograd, by_hand, rtol=1e-5, atol=1e-7)


def _double_maps(critic: torch.nn.Module, images: Tensor) -> Tensor:
    layers = list(critic.layers)  # type: ignore[arg-type]
    for layer in layers:
        images = layer(images, True) if "Norm" in type(layer).__name__ else layer(images)
    return images


def test_photo_and_fake_may_pass_the_critic_as_one() -> None:
    critic = fresh_network(ScaleCritic, 3, 8, seed=1)
    real, fake, gradients = photos(), photos().flip(3) * 0.7, []
    for terms in (critic_terms, compiled.critic_terms_written_out):
        difference, penalty = terms(critic, real, fake, torch.tensor(0.4))
        loss = difference + 0.1 * penalty
        gradients.append([loss, *torch.autograd.grad(loss, list(critic.parameters()))])
    for apart, together in zip(*gradients, strict=True):
        assert torch.allclose(apart, together, rtol=1e-3, atol=1e-4 * float(apart.detach().abs().max()) + 1e-7)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")  # the compiler's own
def test_a_compiled_iteration_has_the_losses_of_the_plain_one() -> None:
    plain, fast = (train(ready(min_size=24, width=4, compiled=chosen), 2) for chosen in (False, True))  # one scale
    for one, other in zip(plain, fast, strict=True):
        for word, loss in one.items():
            assert torch.isclose(loss, other[word], rtol=2e-3, atol=2e-4), word


def test_compiling_without_a_compiler_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError) as caught:
        make(compiled=True)
    assert "no C++ compiler" in caught.value.what and "'no-such-compiler'" in caught.value.allowed
    assert "compiled=false" in caught.value.do


# Other maths


def test_fast_is_a_set_of_settings_that_may_be_given_otherwise() -> None:
    fast = SinganSettings.model_validate({"fast": "true", "penalty_every": 2})
    assert (fast.penalty_every, fast.redraw, fast.most_width, fast.stop_early) == (2, False, 32, True)
    assert SinganSettings.model_validate(fast.model_dump()) == fast
    plain = SinganSettings()
    assert (plain.penalty_every, plain.redraw, plain.most_width, plain.stop_early) == (1, True, 128, False)


def test_a_lazy_penalty_is_taken_seldom_and_weighs_more(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[bool, float]] = []

    def watch(*args: object) -> tuple[Tensor, Tensor]:
        seen.append((args[4] is not None, float(args[5])))  # type: ignore[arg-type]
        return torch.zeros(()), torch.zeros(())

    monkeypatch.setattr("handful.generators.singan_parts.iteration.update_critic", watch)
    train(ready(penalty_every=2, critic_steps=5), SCALES, last=1)
    assert seen == [(True, 0.2), (False, 0.2), (True, 0.2), (False, 0.2), (True, 0.2)]


def test_without_a_mix_the_critics_loss_has_no_penalty() -> None:
    critic = fresh_network(ScaleCritic, 3, 8, seed=1)
    for terms in (critic_terms, compiled.critic_terms_written_out):
        difference, penalty = terms(critic, photos(), -photos(), None)
        assert penalty == 0 and torch.isclose(
            difference, critic(-photos()).mean() - critic(photos()).mean(), rtol=1e-3, atol=1e-5
        )


@pytest.mark.parametrize(("redraw", "different"), [(True, 3), (False, 1)])
def test_an_iteration_draws_as_many_fakes_as_it_says(
    monkeypatch: pytest.MonkeyPatch, redraw: bool, different: int
) -> None:
    seen: list[Tensor] = []

    def watch(*args: Tensor) -> tuple[Tensor, Tensor]:
        seen.append(args[3])
        return torch.zeros(()), torch.zeros(())

    generator = ready(redraw=redraw)
    train(generator, SCALES, last=1)
    monkeypatch.setattr("handful.generators.singan_parts.iteration.update_critic", watch)
    generator.step(photos(), Clock(1, 1, 1 / SCALES, torch.Generator()), lambda images, random: images)
    assert len({tuple(fake.flatten().tolist()) for fake in seen}) == different and len(seen) == 3


def levels_at(errors: list[float], differences: list[float], window: int = 10) -> int:
    position = Position(0)
    for error, difference in zip(errors, differences, strict=True):
        position.iteration += 1
        note_losses(position, torch.tensor(error), torch.tensor(difference), window)
    return position.levelled_at


def test_a_scale_levels_when_neither_loss_moves_any_more() -> None:
    falling = [0.9**step for step in range(50)]
    flat, tiny = [1.0] * 50, [1.0 - 1e-4 * step for step in range(50)]
    assert levels_at(flat, flat) == 20 and levels_at(tiny, flat) == 20
    assert levels_at(falling, flat) == 0
    assert levels_at(flat, [-value for value in falling]) == 0  # the critic still moves
    assert levels_at(falling[:20] + [falling[19]] * 30, flat) == 40  # the first two whole windows that are alike


def test_a_levelled_scale_ends_after_a_tail_of_a_quarter() -> None:
    position = Position(0)
    position.levelled_at = 20
    ended = []
    for position.iteration in range(20, 30):
        ended.append(has_levelled_out(position))
    assert ended == [False] * 5 + [True] * 5


def test_scales_that_level_end_early_and_training_with_them() -> None:
    generator, stages, rates = (
        ready(stop_early=True, stop_window=2, learning_rate=1e-9, critic_steps=1, generator_steps=1),
        [],
        [],
    )
    for step in range(1000):
        if generator.finished:
            break
        generator.step(photos(), Clock(step, step, step / 3000, torch.Generator()), lambda images, random: images)
        stages.append(generator.position.stage)
        rates.append(generator.critic_optimiser.param_groups[0]["lr"])
    assert generator.finished and len(generator.sample([0])) == 1
    lengths = [stages.count(scale) for scale in range(SCALES)]
    assert all(4 <= length < 100 for length in lengths)
    tails = [
        sum(rate < 5e-10 for rate, at in zip(rates, stages, strict=True) if at == scale) for scale in range(SCALES)
    ]
    assert all(tail == length - 4 * length // 5 for tail, length in zip(tails, lengths, strict=True))


def test_a_budget_of_steps_costs_what_its_scales_cost() -> None:
    generator, stages = make(), []
    generator.prepare(photos(2))
    for step in range(4 * SCALES):
        clock = Clock(step, step, step / (4 * SCALES), torch.Generator())
        stages.append(stage_due(clock, 2, generator.costs)[0] % SCALES)
    spent = sum(generator.costs[scale] for scale in stages)
    growth = generator.growth(timed=False)
    assert growth.cost * generator.costs[0] * len(stages) == pytest.approx(spent)
    assert growth.cost > generator.growth(timed=True).cost > 1
    assert "2 photo(s) x 3 scale(s)" in growth.words
    assert growth.most_step_bytes > 4 * 24 * 32 * 8


def test_joined_states_of_photos_trained_alone_are_those_of_the_fleet() -> None:
    shots, fleet, joined = photos(2), make(), make()
    for generator in (fleet, joined):
        generator.prepare(shots)
    train(fleet, 2 * 2 * SCALES)
    states = []
    for member in range(2):
        alone = make()
        alone.prepare(shots[member : member + 1])
        train(alone, 2 * SCALES)
        states.append({name: module.state_dict() for name, module in alone.modules().items()})
    joined.join(states)
    assert torch.equal(joined.sample(range(6)), fleet.sample(range(6)))
    for name, tensor in fleet.fleet.state_dict().items():
        assert torch.equal(joined.fleet.state_dict()[name], tensor), name


def test_without_levelling_every_scale_has_its_share() -> None:
    generator, stages = ready(stop_early=True, stop_window=1000), []
    for step in range(10 * SCALES):
        generator.step(
            photos(), Clock(step, step, step / (10 * SCALES), torch.Generator()), lambda images, random: images
        )
        stages.append(generator.position.stage)
    assert stages == [0] * 10 + [1] * 10 + [2] * 10 and not generator.finished
    assert F.mse_loss(generator.scales_of(0).reconstruct(SCALES), photos()) < 0.1
