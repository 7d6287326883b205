"""Adding a generator or a score adds one file; what a file says of itself is read without importing it."""

import dataclasses
from pathlib import Path

import pytest

from handful.core import registry
from handful.core.errors import UserError
from handful.generators.base import generator_class


@pytest.mark.parametrize("name", registry.names("generators"))
def test_a_listing_tells_what_an_import_would(name: str) -> None:
    entry = registry.describe("generators", name)
    module = registry.load("generators", name)
    fields = {field.name: field.default for field in dataclasses.fields(module.FACTS)}
    stated = {field: value for field, value in fields.items() if value is not dataclasses.MISSING} | entry.facts
    assert stated == dataclasses.asdict(module.FACTS)
    imported = generator_class(module).settings_class.model_fields
    assert [row.name for row in entry.settings] == list(imported)
    for row in entry.settings:
        assert row.help, f"{name}: setting {row.name} has no docstring"
        assert eval(row.default) == imported[row.name].default


@pytest.mark.parametrize("name", registry.names("scores"))
def test_a_score_listing_tells_what_an_import_would(name: str) -> None:
    entry = registry.describe("scores", name)
    facts = dataclasses.asdict(registry.load("scores", name).FACTS)
    assert entry.facts == {word: facts[word] for word in entry.facts}


def test_an_unknown_name_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(UserError) as caught:
        registry.find("generators", "dcgna")
    assert "'dcgna'" in caught.value.what
    assert "copies" in caught.value.allowed
    assert "'dcgan'" in caught.value.do


def test_a_broken_file_of_the_users_own_is_a_user_error(tmp_path: Path) -> None:
    mine = tmp_path / "mine.py"
    mine.write_text("FACTS = 1\nimport no_such_module_anywhere\n")
    with pytest.raises(UserError) as caught:
        registry.load("generators", str(mine))
    assert "no_such_module_anywhere" in caught.value.what


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"def broken(:\n", "SyntaxError"),
        (b"\xff\xfe\x00", "Error"),
        (b"FACTS = 1\n", "FACTS = 1"),
        (b"FACTS = Facts(2, 8)\n", "FACTS = Facts(2, 8)"),
        (b"LEAST = 2\nFACTS = Facts(least_photos=LEAST)\n", "ValueError"),
        (b"X = 1\n", "FACTS is not there"),
    ],
)
def test_a_file_that_states_no_facts_is_explained(tmp_path: Path, text: bytes, told: str) -> None:
    mine = tmp_path / "mine.py"
    mine.write_bytes(text)
    with pytest.raises(UserError) as caught:
        registry.describe("generators", str(mine))
    assert f"{mine} states no FACTS with named literals" in caught.value.what and told in caught.value.what
    assert "FACTS = Facts(" in caught.value.allowed and "examples/" in caught.value.do


def test_a_file_without_a_generator_is_a_user_error(tmp_path: Path) -> None:
    mine = tmp_path / "empty.py"
    mine.write_text("X = 1\n")
    with pytest.raises(UserError) as caught:
        generator_class(registry.load("generators", str(mine)))
    assert "0 generator classes" in caught.value.what
