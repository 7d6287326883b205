"""Every command: its help has an example, the example runs, --json prints one document, typos are explained."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from PIL import Image

from handful.cli import (
    app,
    apply,
    compare,
    dataset,
    defects,
    export,
    gate,
    generators,
    inspect,
    inspectors,
    photos,
    plan,
    relight,
    report,
    review,
    sample,
    score,
    scores,
    station,
    train,
    weights,
    withdraw,
)
from handful.core.workspace import Workspace
from handful.sealer.defects import DefectSettings
from handful.sealer.station import render_station

pytestmark = pytest.mark.timeout(1200)  # the first test waits for every example

# In flow order: each example finds what the ones before it left.
COMMANDS: list[ModuleType] = [
    station,
    photos,
    relight,
    plan,
    dataset,
    generators,
    scores,
    inspectors,
    weights,
    train,
    sample,
    withdraw,
    export,
    apply,
    defects,
    score,
    gate,
    report,
    compare,
    review,
    inspect,
]


def name_of(module: ModuleType) -> str:
    return module.__name__.rsplit(".", 1)[-1]


def run_example(module: ModuleType, *more: str, folder: Path) -> subprocess.CompletedProcess[str]:
    runs = sorted(path.name for path in (folder / "work/3_train").glob("*-*"))
    words = shlex.split(module.EXAMPLE.replace("RUN", runs[0] if runs else "RUN"))
    assert words[0] == "handful"
    return subprocess.run(
        [sys.executable, "-m", "handful", *words[1:], *more], cwd=folder, capture_output=True, text=True, check=False
    )


def test_no_command_is_left_out_of_this_suite() -> None:
    assert {name_of(module) for module in COMMANDS} == {info.name for info in app.app.registered_commands}


@pytest.mark.parametrize("module", COMMANDS, ids=name_of)
def test_help_shows_the_example(module: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    app.main([name_of(module), "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    assert f"Example: {module.EXAMPLE}" in shown
    assert "--json" in shown


@pytest.fixture(scope="module")
def flow(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, subprocess.CompletedProcess[str]]]:
    """A folder in which every example was run once, in flow order, with --json."""
    folder = tmp_path_factory.mktemp("flow with a space")
    defective = DefectSettings(kinds=("gap",))
    render_station(folder / "labelled", 40, width=64, height=48, defects=defective)
    return folder, {name_of(module): run_example(module, "--json", folder=folder) for module in COMMANDS}


@pytest.mark.parametrize("module", COMMANDS, ids=name_of)
def test_the_example_runs_and_prints_one_json_document(
    module: ModuleType, flow: tuple[Path, dict[str, subprocess.CompletedProcess[str]]]
) -> None:
    done = flow[1][name_of(module)]
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") == 1
    json.loads(done.stdout)


def test_the_example_flow_ends_in_a_report(
    flow: tuple[Path, dict[str, subprocess.CompletedProcess[str]]],
) -> None:
    folder, done = flow
    for command in ("report", "compare"):
        document = json.loads(done[command].stdout)
        page = (folder / document["report"]).read_text(encoding="utf-8")
        assert page.lower().startswith("<!doctype html>")
        assert document["verdict"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["trian"], "Did you mean 'train'?"),
        (["photos"], "FOLDER"),
        (["compare", "x", "--out", "y", "--budgte", "3min"], "Did you mean '--budget'?"),
        (["compare", "x"], "--out"),
        (["generators", "dcgna"], "Did you mean 'dcgan'?"),
        (["scores", "kdi"], "Did you mean 'kid'?"),
        (["photos", "no-such-folder"], "no-such-folder"),
        (["train", "dcgan", "--work", ".", "--set", "noise"], "NAME=VALUE"),
    ],
)
def test_a_mistake_is_three_lines_and_exit_2(words: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert app.main(words) == 2
    shown = capsys.readouterr()
    assert len(shown.err.splitlines()) == 3
    assert told.lower() in shown.err.lower()
    assert shown.out == ""


@pytest.mark.parametrize(
    ("words", "what", "allowed"),
    [
        (["compare", "x", "--out", "y", "--samples", "x"], "handful compare: --samples is 'x'.", "a whole number."),
        (["score", "a", "b", "--fold", "x"], "handful score: --fold is 'x'.", "a whole number."),
        (["dataset", "p", "--out", "y", "--heldout", "most"], "handful dataset: --heldout is 'most'.", "a number."),
        (["station", "p", "-n", "0"], "handful station: --count is '0'.", "greater than or equal to 1."),
    ],
)
def test_a_wrong_value_is_named_with_its_option(
    words: list[str], what: str, allowed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert app.main(words) == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == what and lines[1] == f"It must be {allowed}" and "--help" in lines[2] and len(lines) == 3


def test_with_json_an_error_is_one_document_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert app.main(["photos", "no-such-folder", "--json"]) == 2
    document = json.loads(capsys.readouterr().out)
    assert set(document["error"]) == {"what", "allowed", "do"}


def test_photos_of_another_folder_never_replace_the_audit_of_a_data_set(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, other, work = (str(tmp_path / name) for name in ("first", "other", "work"))
    for folder, seed in ((first, "0"), (other, "1")):
        assert app.main(["station", folder, "-n", "4", "--seed", seed, "--width", "64", "--height", "64"]) == 0
    assert app.main(["dataset", first, "--out", work, "--canvas", "32"]) == 0
    audit = tmp_path / "work/1_photos/photos.json"
    before = audit.read_bytes()
    capsys.readouterr()
    assert app.main(["photos", other, "--out", work]) == 2
    told = capsys.readouterr().err
    assert f"holds a data set of the photos in {Path(first).resolve()}" in told and "--out" in told
    assert audit.read_bytes() == before
    assert app.main(["photos", first, "--out", work]) == 0
    with Workspace(Path(work)).hold():
        assert app.main(["photos", first, "--out", work]) == 2
    assert "Another run holds" in capsys.readouterr().err


@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
def test_names_that_the_output_cannot_show_stop_no_command(tmp_path: Path, encoding: str) -> None:
    name = "Łódź.png"
    Image.effect_noise((32, 32), 50).save(tmp_path / name)

    def photos_command(*more: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [sys.executable, "-m", "handful", "photos", *more],
            env=os.environ | {"PYTHONIOENCODING": encoding, "COLUMNS": "200"}, capture_output=True, check=False,
        )  # fmt: skip

    shown = photos_command(str(tmp_path))
    assert shown.returncode == 0, shown.stderr
    assert b"\\u0141" in shown.stdout
    document = json.loads(photos_command(str(tmp_path), "--json").stdout)
    assert document["photos"][0]["name"] == name
    refused = photos_command(str(tmp_path / "Łódź"))
    assert refused.returncode == 2 and len(refused.stderr.splitlines()) == 3
