"""What flags and recipes may say, and what is refused because it would be misread."""

from pathlib import Path

import pytest

from handful.cli import app
from handful.core.errors import UserError
from handful.study.plan import arrange_settings


@pytest.mark.parametrize(
    ("values", "what", "do"),
    [
        ({"seeds": [0, -1]}, "-1", "allowed value"),
        ({"seeds": [0, 1, 0]}, "seeds names 0 more than once: 0, 1, 0.", "second 0"),
        ({"generators": ["dcgan", "dcgan"]}, "generators names dcgan more than once", "second dcgan"),
        ({"generators": ["mine.py", "./mine.py"]}, "generators names ./mine.py more than once", "second ./mine.py"),
        ({"protocol": ["training-v1", "training-v1"]}, "protocol names training-v1", "second training-v1"),
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


def test_a_negative_training_seed_is_refused_by_its_flag(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert app.main(["train", "dcgan", "--work", str(tmp_path), "--seed", "-1"]) == 2
    assert "greater than or equal to 0" in capsys.readouterr().err
