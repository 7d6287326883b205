"""Every generator, and the one that examples/ shows, keeps the same promises. There is no list of exceptions."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from torch import Tensor

from handful.core import registry
from handful.core.config import parse_settings
from handful.core.errors import UserError
from handful.core.seeds import torch_stream
from handful.generators.base import Clock, Facts, Generator, ImageSpec, check_spec, generator_class, parse_controls

EXAMPLE = Path(__file__).parents[2] / "examples" / "my_generator.py"
NAMES = (*registry.names("generators"), str(EXAMPLE))
TRAINING = tuple(name for name in NAMES if registry.describe("generators", name).facts["trains"])
SEEDS = (3, 0, 11, 7, 5)

every_generator = pytest.mark.parametrize("name", NAMES, ids=lambda name: Path(name).stem)
every_training_generator = pytest.mark.parametrize("name", TRAINING, ids=lambda name: Path(name).stem)


def facts_of(name: str) -> Facts:
    facts = registry.load("generators", name).FACTS
    assert isinstance(facts, Facts)
    return facts


def smallest(name: str, channels: int = 1, aspect: float = 1.0) -> ImageSpec:
    side = facts_of(name).least_side_px
    return ImageSpec(width=round(side * aspect), height=side, channels=channels)


def build(name: str, spec: ImageSpec, seed: int = 0) -> Generator:
    """With its default settings, narrowed where it has a setting for that."""
    chosen = generator_class(registry.load("generators", name))
    narrow = {"width": 8} if "width" in chosen.settings_class.model_fields else {}
    return chosen(parse_settings(chosen.settings_class, narrow, f"generator {name}"), spec, seed)


@every_generator
def test_a_listing_tells_what_an_import_would(name: str) -> None:
    entry, chosen = registry.describe("generators", name), generator_class(registry.load("generators", name))
    for rows, imported in ((entry.settings, chosen.settings_class), (entry.controls, chosen.controls_class)):
        assert [row.name for row in rows] == list(imported.model_fields if imported else ())
        assert all(row.help for row in rows)


def photos_for(spec: ImageSpec, count: int) -> Tensor:
    """Smooth ramps of different slope and brightness, so that no two are alike."""
    random = torch_stream(0, "conformance/photos")
    slopes = torch.rand(count, spec.channels, 2, 1, generator=random) * 0.8 - 0.4
    down, across = torch.linspace(-1, 1, spec.height)[:, None], torch.linspace(-1, 1, spec.width)[None]
    level = torch.rand(count, spec.channels, 1, 1, generator=random) * 0.4 - 0.2
    return level + slopes[:, :, :1] * down + slopes[:, :, 1:] * across


def dim_a_little(images: Tensor, random: torch.Generator) -> Tensor:
    """An augmentation that draws from the stream and can be differentiated."""
    return images * (1 - 0.1 * torch.rand((), generator=random))


def train(generator: Generator, photos: Tensor, steps: int, first: int = 0) -> None:
    for step in range(first, first + steps):
        clock = Clock(step, step * len(photos), step / 10, torch_stream(0, "conformance/step", step))
        losses = generator.step(photos, clock, dim_a_little)
        assert losses
        for word, loss in losses.items():
            assert loss.shape == () and not loss.requires_grad and torch.isfinite(loss), word


def ready(name: str, spec: ImageSpec, photos: int = 4, seed: int = 0) -> Generator:
    """Prepared, and trained for one step where it trains."""
    generator = build(name, spec, seed)
    seen = photos_for(spec, photos)
    generator.prepare(seen)
    if facts_of(name).trains:
        train(generator, seen, steps=1)
    return generator


def parameters_of(generator: Generator) -> dict[str, Tensor]:
    return {
        f"{name}/{key}": parameter.detach().clone()
        for name, module in generator.modules().items()
        if isinstance(module, torch.nn.Module)
        for key, parameter in module.named_parameters()
    }


@every_generator
def test_the_docstring_says_what_a_user_must_know(name: str) -> None:
    entry = registry.describe("generators", name)
    assert entry.title.endswith(".")
    for section in ("Paper", "Good for", "Weak at", "Differs", "Origin"):
        assert entry.sections.get(section), f"{name} has no section '{section}:'"


@pytest.mark.parametrize("name", registry.names("generators"))
def test_it_has_a_page_that_the_index_links(name: str) -> None:
    docs = Path(__file__).parents[2] / "docs"
    assert (docs / "generators" / f"{name}.md").is_file()
    assert f"(generators/{name}.md)" in (docs / "generators.md").read_text(encoding="utf-8")


@every_generator
def test_facts_read_from_the_text_equal_the_imported_ones(name: str) -> None:
    assert Facts(**registry.describe("generators", name).facts) == facts_of(name)


@every_generator
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("aspect", [1.0, 1.37, 2.6])
def test_it_makes_its_smallest_canvas_in_grey_and_colour_at_any_aspect(name: str, channels: int, aspect: float) -> None:
    spec = smallest(name, channels, aspect)
    images = ready(name, spec).sample(SEEDS)
    assert images.shape == (len(SEEDS), channels, spec.height, spec.width)
    assert images.dtype == torch.float32
    assert images.min() >= -1 and images.max() <= 1
    assert not images.requires_grad


@every_generator
def test_a_canvas_one_pixel_too_small_is_refused(name: str) -> None:
    facts, spec = facts_of(name), smallest(name)
    check_spec(name, facts, spec, facts.least_photos)
    with pytest.raises(UserError) as caught:
        check_spec(name, facts, ImageSpec(spec.width - 1, spec.height, 1), facts.least_photos)
    assert f"{spec.width - 1}x{spec.height}" in caught.value.what
    assert str(facts.least_side_px) in caught.value.allowed


@every_generator
def test_the_least_number_of_photos_works_and_one_fewer_is_refused(name: str) -> None:
    facts, spec = facts_of(name), smallest(name)
    check_spec(name, facts, spec, facts.least_photos)
    assert torch.isfinite(ready(name, spec, photos=facts.least_photos).sample(SEEDS)).all()
    with pytest.raises(UserError) as caught:
        check_spec(name, facts, spec, facts.least_photos - 1)
    assert f"{facts.least_photos - 1} training photo(s)" in caught.value.what
    assert f"at least {facts.least_photos}" in caught.value.allowed


@every_generator
def test_an_image_depends_on_its_seed_alone(name: str) -> None:
    generator = ready(name, smallest(name, 3))
    together = generator.sample(SEEDS)
    for place, seed in enumerate(SEEDS):
        assert torch.allclose(generator.sample([seed])[0], together[place], atol=1e-4)
    assert torch.allclose(generator.sample(SEEDS[::-1]).flip(0), together, atol=1e-4)


@every_generator
def test_different_seeds_give_different_images(name: str) -> None:
    images = ready(name, smallest(name, 3)).sample(range(12))
    assert len(torch.unique(images.flatten(1), dim=0)) > 1


@every_generator
def test_its_state_brings_back_the_same_samples(name: str) -> None:
    spec = smallest(name, 3)
    generator = ready(name, spec)
    states = {key: copy.deepcopy(module.state_dict()) for key, module in generator.modules().items()}
    other = build(name, spec, seed=99)
    for key, module in other.modules().items():
        module.load_state_dict(states[key])
    assert torch.equal(other.sample(SEEDS), generator.sample(SEEDS))


@every_generator
def test_it_touches_no_global_random_numbers(name: str) -> None:
    before = torch.get_rng_state()
    ready(name, smallest(name, 3)).sample(SEEDS)
    assert torch.equal(torch.get_rng_state(), before)


@every_generator
def test_sampling_changes_nothing_that_a_checkpoint_holds(name: str) -> None:
    generator = ready(name, smallest(name, 3))
    before = {key: copy.deepcopy(module.state_dict()) for key, module in generator.modules().items()}
    generator.sample(SEEDS)
    for key, module in generator.modules().items():
        now = module.state_dict()
        for word, value in before[key].items():
            assert not torch.is_tensor(value) or torch.equal(value, now[word]), f"{key}/{word}"


@every_generator
def test_controls_at_their_defaults_draw_what_no_controls_draw(name: str) -> None:
    generator = ready(name, smallest(name, 3))
    controls = parse_controls(generator, name, {})
    if generator.controls_class is not None:
        assert controls is None
        assert torch.equal(generator.sample_controlled(SEEDS, generator.controls_class()), generator.sample(SEEDS))
    else:
        with pytest.raises(UserError, match="0 controls"):
            parse_controls(generator, name, {"brightness": 1})


@every_training_generator
def test_every_parameter_learns_in_one_step(name: str) -> None:
    spec = smallest(name, 3)
    generator, photos = build(name, spec), photos_for(spec, 4)
    generator.prepare(photos)
    before = parameters_of(generator)
    train(generator, photos, steps=1)
    after = parameters_of(generator)
    still = [key for key, parameter in before.items() if torch.equal(parameter, after[key])]
    assert before and not still


@every_training_generator
def test_equal_seeds_give_equal_weights(name: str) -> None:
    spec = smallest(name)
    photos, weights = photos_for(spec, 4), []
    for seed in (1, 1, 2):
        generator = build(name, spec, seed)
        generator.prepare(photos)
        train(generator, photos, steps=2)
        weights.append(parameters_of(generator))
    assert all(torch.equal(value, weights[1][key]) for key, value in weights[0].items())
    assert not all(torch.equal(value, weights[2][key]) for key, value in weights[0].items())


@every_training_generator
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_a_restored_generator_goes_on_to_the_same_weights(name: str, layout: torch.memory_format) -> None:
    spec = smallest(name, 3)
    photos = photos_for(spec, 4)
    straight = build(name, spec)
    straight.to(torch.device("cpu"), torch.channels_last)
    straight.prepare(photos)
    train(straight, photos, steps=2)
    states = {key: copy.deepcopy(module.state_dict()) for key, module in straight.modules().items()}
    train(straight, photos, steps=2, first=2)

    resumed = build(name, spec, seed=99)
    resumed.to(torch.device("cpu"), layout)
    for key, module in resumed.modules().items():
        module.load_state_dict(states[key])
    train(resumed, photos, steps=2, first=2)
    went_on = parameters_of(resumed)
    for key, parameter in parameters_of(straight).items():
        assert torch.allclose(parameter, went_on[key], atol=1e-6), key


@every_training_generator
def test_it_learns_from_any_batch_size_from_its_least_number_of_photos(name: str) -> None:
    spec = smallest(name, 3)
    least = facts_of(name).least_photos
    generator = build(name, spec)
    generator.prepare(photos_for(spec, least + 2))
    for count in (least, least + 1, least + 2):
        train(generator, photos_for(spec, count), steps=1)


@every_training_generator
def test_a_step_under_bf16_autocast_stays_near_fp32(name: str) -> None:
    spec = smallest(name, 3)
    photos, losses = photos_for(spec, 4), []
    for enabled in (False, True):
        generator = build(name, spec)
        generator.prepare(photos)
        clock = Clock(0, 0, 0.0, torch_stream(0, "conformance/step"))
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            losses.append(generator.step(photos, clock, dim_a_little))
    for word, value in losses[0].items():
        assert abs(losses[1][word] - value) <= 0.05 * abs(value) + 0.02, word


@every_generator
def test_only_methods_that_train_have_a_step(name: str) -> None:
    spec = smallest(name)
    generator = build(name, spec)
    has_step = type(generator).step is not Generator.step
    assert has_step == facts_of(name).trains
    if not has_step:
        with pytest.raises(NotImplementedError):
            train(generator, photos_for(spec, 1), steps=1)


@every_generator
def test_a_sample_made_from_one_photo_says_from_which_whatever_else_is_drawn(name: str) -> None:
    spec = smallest(name)
    generator, count = build(name, spec), facts_of(name).least_photos + 3
    generator.prepare(photos_for(spec, count))
    together = generator.sources(SEEDS)
    alone = [generator.sources([seed]) for seed in SEEDS]
    if together is None:
        assert alone == [None] * len(SEEDS)
    else:
        assert alone == [[photo] for photo in together]
        assert set(together) <= set(range(count))
