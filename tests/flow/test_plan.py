"""What flags and recipes may say, and what is refused because it would be misread."""

from collections.abc import Callable
from pathlib import Path

import pytest

from handful import pipeline
from handful.cli import app
from handful.core.errors import UserError
from handful.report.build import ReportResult
from handful.study.plan import CompareSettings, arrange_settings


@pytest.mark.parametrize(
    ("values", "what", "do"),
    [
        ({"seeds": [0, -1]}, "-1", "allowed value"),
        ({"seeds": [0, 1, 0]}, "seeds names 0 more than once: 0, 1, 0.", "second 0"),
        ({"generators": ["dcgan", "dcgan"]}, "generators names dcgan more than once", "second dcgan"),
        ({"generators": ["mine.py", "./mine.py"]}, "generators names ./mine.py more than once", "second ./mine.py"),
        ({"protocol": ["training-v1", "training-v1"]}, "protocol names training-v1", "second training-v1"),
        ({"features": ["pixels", "pixels"]}, "features names pixels more than once", "second pixels"),
        ({"features": []}, "features is []", "allowed value"),
        ({"seed": 3}, "the recipe has no setting 'seed'.", "Did you mean 'seeds'?"),
    ],
)
def test_what_would_be_misread_is_refused(values: dict[str, object], what: str, do: str) -> None:
    with pytest.raises(UserError) as caught:
        arrange_settings(values, "the recipe")
    assert what in caught.value.what
    assert do in caught.value.do


def test_the_seed_of_the_split_has_a_name_of_its_own() -> None:
    settings = arrange_settings({"split_seed": 7, "seeds": [1]}, "the recipe")
    assert (settings.dataset.seed, settings.seeds) == (7, (1,))


def test_features_may_be_one_name_several_or_left_to_what_is_here() -> None:
    assert arrange_settings({"features": "efficientnet-lite0"}, "").features == ("efficientnet-lite0",)
    assert arrange_settings({"features": ["inception-2015", "pixels"]}, "").features == ("inception-2015", "pixels")
    assert arrange_settings({}, "").features is None


def test_a_negative_training_seed_is_refused_by_its_flag(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert app.main(["train", "dcgan", "--work", str(tmp_path), "--seed", "-1"]) == 2
    assert "greater than or equal to 0" in capsys.readouterr().err


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., CompareSettings]:
    """Runs `handful compare` with flags over a recipe, and returns what it would do."""
    recipe = tmp_path / "recipe.toml"
    recipe.write_text("deterministic = true\nseeds = [4]\n[settings.dcgan]\nwidth = 8\nlatent = 16\n")
    heard: list[CompareSettings] = []

    def listen(photos: Path, out: Path, settings: CompareSettings, listener: object) -> ReportResult:
        heard.append(settings)
        raise UserError("Heard.", "", "")

    monkeypatch.setattr(pipeline, "compare", listen)

    def ask(*flags: str) -> CompareSettings:
        app.main(["compare", str(tmp_path), "--out", str(tmp_path / "w"), "--recipe", str(recipe), *flags])
        return heard[-1]

    return ask


def test_flags_go_before_the_recipe_where_they_are_given(asked: Callable[..., CompareSettings]) -> None:
    plain = asked()
    assert plain.train.deterministic and plain.train.tuned and plain.train.threads is None
    assert not asked("--no-deterministic").train.deterministic
    assert not asked("--untuned").train.tuned
    assert asked("--threads", "1").train.threads == 1
    assert asked("--split-seed", "5").dataset.seed == 5
    assert asked("--features", "inception-2015, pixels").features == ("inception-2015", "pixels")


def test_a_generators_setting_can_be_set_and_the_recipes_others_stay(asked: Callable[..., CompareSettings]) -> None:
    settings = asked("--set", "dcgan.width=32", "--set", "my/own.py.depth=3").settings
    assert settings == {"dcgan": {"width": "32", "latent": 16}, "my/own.py": {"depth": "3"}}


def test_a_setting_without_its_generator_is_refused(
    asked: Callable[..., CompareSettings], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert app.main(["compare", str(tmp_path), "--out", str(tmp_path / "w"), "--set", "width=32"]) == 2
    told = capsys.readouterr().err
    assert "--set width=32" in told and "GENERATOR.width=32" in told
