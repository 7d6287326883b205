"""Bars on a terminal: one for all that is under way, each with its own time left; plain lines elsewhere."""

import io

import pytest
from rich.console import Console

from handful.cli.progress_bar import bars, progress_bar

STEP = {"event": "step", "progress": 0.5}


def shown(console: Console) -> str:
    """The last picture of the bars."""
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().rpartition("\x1b[2K")[2].removesuffix("\x1b[?25h")


@pytest.fixture
def console() -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=100, color_system=None)


def test_cells_side_by_side_have_a_bar_each_with_the_time_left_that_the_run_told(console: Console) -> None:
    with bars(console) as listener:
        listener({"event": "cells", "progress": 0.0, "words": "0 of 3 cells"})
        listener(STEP | {"cell": "dcgan, seed 0, fold 0", "name": "r1", "words": "r1: step 7", "seconds_left": 75.2})
        listener(STEP | {"cell": "dcgan, seed 1, fold 0", "name": "r2", "words": "r2: [7]", "seconds_left": 3.0})
        judged = {"event": "features", "cell": "classic, seed 0, fold 0", "name": "features of samples"}
        listener(judged | {"progress": 0.1})
        listener({"event": "cells", "progress": 1 / 3, "words": "1 of 3 cells"})
    lines = [line.split() for line in shown(console).splitlines()]
    assert [line[0] for line in lines] == ["1", "r1:", "r2:", "classic,"]
    assert "1 of 3 cells" in shown(console) and "33 %" in shown(console) and "features of samples" in shown(console)
    assert lines[1][-4:] == ["50", "%", "0:01:15", "left"] and lines[2][-2:] == ["0:00:03", "left"]
    assert "[7]" in lines[2], "words are no markup"


def test_a_narrow_terminal_cuts_the_words_and_not_the_time_left() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=80, color_system=None)
    with bars(console) as listener:
        listener(STEP | {"cell": "a", "words": "dcgan-s0-f0-4db78521: step 12,088, " * 3, "seconds_left": 35999.0})
    assert shown(console).rstrip().endswith("50 % 9:59:59 left") and "━━━" in shown(console)


def test_a_bar_goes_when_what_it_shows_ends_even_halfway(console: Console) -> None:
    with bars(console) as listener:
        for cell in ("a", "b", "c"):
            listener(STEP | {"cell": cell, "words": f"run {cell}", "seconds_left": 1.0})
        listener({"event": "step", "progress": 1.0, "cell": "a", "words": "run a", "seconds_left": 0.0})
        listener({"event": "cell", "cell": "b", "words": "[1 of 3] b: stopped"})
    assert shown(console).split()[:2] == ["run", "c"] and len(shown(console).splitlines()) == 1
    assert isinstance(console.file, io.StringIO) and "[1 of 3] b: stopped" in console.file.getvalue()


def test_where_there_is_no_terminal_words_are_lines_on_stderr_and_bars_are_not(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with progress_bar() as listener:
        listener({"event": "start", "cell": "a", "words": "r1 starts"})
        listener(STEP | {"cell": "a", "words": "r1: step 7"})
    assert capsys.readouterr() == ("", "r1 starts\n")
