"""The report shows exactly what the manifests and cards hold, in files that open anywhere."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from report_cards import card as score_card
from workspace_fixture import HOSTILE, write_card, write_photos, write_run, write_workspace

from handful.core.artifacts import ComparePlan, ScoreCard
from handful.core.errors import UserError
from handful.core.images import png_bytes
from handful.core.workspace import Workspace
from handful.pages.pictures import encode_pictures
from handful.pages.words import number, seconds_words
from handful.report.build import ReportResult, build_report
from handful.report.plots import loss_plot

NAMESPACES = ("http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink")


class Page(HTMLParser):
    """What a browser would see: texts, tags with attributes, and the cells of each table."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.tables: list[list[list[str]]] = []
        self.values: list[str] = []
        self._in_cell = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")
            self._in_cell = True
        elif tag == "data":
            self.values.append(str(dict(attrs)["value"]))

    def handle_endtag(self, tag: str) -> None:
        self._in_cell = self._in_cell and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        self.texts.append(data)
        if self._in_cell:
            self.tables[-1][-1][-1] += data.strip() + " "


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[ReportResult, list[ScoreCard]]:
    """A workspace with two generators, two anchors, two seeds and two protocols, and its report."""
    work = tmp_path_factory.mktemp("work") / "Prüfstand 7"
    cards = write_workspace(work, seeds=(0, 1))
    return build_report(work), cards


@pytest.fixture(scope="module")
def page(finished: tuple[ReportResult, list[ScoreCard]]) -> Page:
    return Page(finished[0].path.read_text(encoding="utf-8"))


def test_the_page_names_no_outside_address(finished: tuple[ReportResult, list[ScoreCard]], page: Page) -> None:
    text = finished[0].path.read_text(encoding="utf-8")
    for namespace in NAMESPACES:
        text = text.replace(namespace, "")
    assert not re.findall(r"https?://|//cdn|@import|url\((?!#)", text)
    for tag, attributes in page.tags:
        assert tag not in ("script", "link", "iframe", "object", "base", "form")
        for name in ("src", "href", "xlink:href", "action", "srcset", "poster"):
            value = attributes.get(name)
            assert value is None or value.startswith(("data:image/", "#")), (tag, name, str(value)[:60])


def test_the_verdict_is_the_heading_and_the_first_thing_said(
    finished: tuple[ReportResult, list[ScoreCard]], page: Page
) -> None:
    result, _ = finished
    text = result.path.read_text(encoding="utf-8")
    assert re.search(r"<h1>(.*?)</h1>", text).group(1) == result.verdict  # type: ignore[union-attr]
    places = [text.index(f'id="{name}"') for name in ("scores", "sheets", "worst", "training", "audit", "settings")]
    assert text.index("<h1>") < places[0] and places == sorted(places)
    assert result.verdict.startswith("In each of these 2 runs dcgan is better than began; whether")
    for line in result.judgement.why:
        assert line.split("`")[0] in "".join(page.texts)


def test_held_out_stands_before_training_and_the_two_never_mix(
    finished: tuple[ReportResult, list[ScoreCard]],
) -> None:
    result, _ = finished
    assert [table.protocol for table in result.tables] == ["heldout-v1", "training-v1"]
    text = result.path.read_text(encoding="utf-8")
    assert text.index("<h3>heldout-v1</h3>") < text.index("<h3>training-v1</h3>")
    for table in result.tables:
        assert table.protocol_fingerprint[:12] in text and table.network in text
        assert [row.name for row in table.rows] == ["began", "dcgan", "classic", "copies"]
        assert [row.anchor for row in table.rows] == [False, False, True, True]


def test_every_number_of_every_run_is_the_cards(finished: tuple[ReportResult, list[ScoreCard]], page: Page) -> None:
    result, cards = finished
    score_pages = [
        table for table in page.tables if table and table[0][0].startswith("generator") and "kid" in table[0][1]
    ]
    assert len(score_pages) == 4  # for each protocol: generators, and runs
    for table, (_, runs) in zip(result.tables, (score_pages[:2], score_pages[2:]), strict=True):
        assert len(runs) == 1 + 8
        for cells in runs[1:]:
            name, seed = re.match(r"(\w+) seed (\d+), fold 0", cells[0]).groups()  # type: ignore[union-attr]
            card = next(
                one for one in cards
                if (one.generator, one.seed, one.protocol) == (name, int(seed), table.protocol)
            )  # fmt: skip
            scores = {score.name: score for score in card.scores}
            for column, cell in zip(table.columns, cells[1:], strict=False):
                score = scores[column]
                wanted = number(score.value)
                if score.low is not None and score.high is not None:
                    wanted += f" [{number(score.low)}, {number(score.high)}]"
                assert cell.strip() == wanted
            assert cells[-2].strip() == str(scores["kid"].n_reference)
            assert cells[-1].strip() == str(scores["kid"].m_samples)
    exact = {float(value) for value in page.values}
    assert {score.value for card in cards for score in card.scores} <= exact


def test_every_comparison_of_the_verdict_stands_under_the_held_out_table(
    finished: tuple[ReportResult, list[ScoreCard]], page: Page
) -> None:
    result, _ = finished
    duels = [[cell.strip() for cell in row] for table in page.tables if "against" in table[0][1] for row in table[1:]]
    judged = result.judgement.comparisons + result.judgement.anchors
    assert [row[:3] for row in duels] == [[one.generator, one.other, str(one.cells)] for one in judged]
    assert duels[0] == [
        "began", "dcgan", "2", number(0.094 - 0.031), "–", "–",
        "cannot be decided with this n seen in every run: worse",
    ]  # fmt: skip


def test_a_comparison_shows_its_interval_over_photos_and_runs(tmp_path: Path) -> None:
    write_photos(tmp_path)
    for generator, kid in (("dcgan", 0.02), ("began", 0.08)):
        for seed in range(3):
            one = score_card(generator, kid + 0.001 * seed**2, seed=seed)
            one.write(tmp_path / "5_scores" / one.run_id)
    result = build_report(tmp_path)
    duel = result.judgement.comparisons[0]
    assert duel.low is not None and duel.high is not None and duel.low < 0.06 < duel.high
    assert f"[{number(duel.low)}, {number(duel.high)}]" in result.path.read_text(encoding="utf-8")


def test_rows_over_runs_show_mean_least_and_greatest(finished: tuple[ReportResult, list[ScoreCard]]) -> None:
    result, cards = finished
    values = [
        score.value
        for card in cards
        if card.generator == "dcgan" and card.protocol == "heldout-v1"
        for score in card.scores
        if score.name == "kid"
    ]
    cell = next(row for row in result.tables[0].rows if row.name == "dcgan").cells["kid"]
    assert (cell.value, cell.low, cell.high, cell.runs) == (np.mean(values), min(values), max(values), 2)


def test_csv_and_json_hold_every_digit_of_the_cards(finished: tuple[ReportResult, list[ScoreCard]]) -> None:
    result, cards = finished
    with (result.path.parent / "scores.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == sum(len(card.scores) for card in cards)
    found = {(row["run_id"], row["protocol"], row["score"]): row for row in rows}
    for card in cards:
        for score in card.scores:
            row = found[card.run_id, card.protocol, score.name]
            assert float(row["value"]) == score.value
            assert row["low"] == ("" if score.low is None else str(score.low))
            assert (row["n_reference"], row["m_samples"]) == (str(score.n_reference), str(score.m_samples))
            assert row["protocol_fingerprint"] == card.protocol_fingerprint
    document = json.loads((result.path.parent / "report.json").read_text(encoding="utf-8"))
    kept = [ScoreCard.model_validate(card) for card in document["cards"]]
    assert sorted(kept, key=repr) == sorted(cards, key=repr)
    assert document["verdict"]["sentence"] == result.verdict


def test_hostile_file_names_arrive_as_text(finished: tuple[ReportResult, list[ScoreCard]], page: Page) -> None:
    text = finished[0].path.read_text(encoding="utf-8")
    assert HOSTILE not in text
    assert "&lt;b&gt;ü&amp;.png" in text
    assert HOSTILE in page.texts  # as a reader sees it
    assert "kaputt & cut.tif" in page.texts and "<alike>" in "".join(page.texts)


def test_photos_samples_worst_and_nearest_are_shown_with_their_marks(
    finished: tuple[ReportResult, list[ScoreCard]], page: Page
) -> None:
    pictures = [attributes for tag, attributes in page.tags if tag == "img"]
    photos, generators = 10, 4
    assert len(pictures) == photos + generators * (6 + 2 + 2 * 2)  # samples, worst, nearest pairs
    assert page.texts.count("held out") == 3
    assert sum("heldout" in (attributes.get("class") or "") for tag, attributes in page.tags if tag == "figure") == 3
    assert "1.23" in page.texts and page.values.count("1.2345") == 4
    assert {attributes["width"] for attributes in pictures} == {"32"}


def test_training_is_told_with_curves_alarms_and_forecast(page: Page) -> None:
    text = "".join(page.texts)
    assert "collapse at step 40: samples of different seeds look <alike>" in text
    assert "No losses: classic, copies." in text
    drawn = [attributes.get("aria-label") for tag, attributes in page.tags if tag == "svg"]
    assert "Losses of dcgan" in drawn and "Losses of began" in drawn
    rows = next(table for table in page.tables if table and "forecast" in " ".join(table[0]))
    assert [cell.strip() for cell in rows[1]] == [
        "began",
        "0",
        "0",
        "7",
        "50",
        "400",
        "1 min 20 s",
        "1 min 24 s",
        "stopped",
    ]


def test_losses_over_decades_get_a_readable_log_axis_and_names_are_no_formula() -> None:
    curve = [(step, 10.0 ** (-step / 10)) for step in range(1, 41)]
    drawn = loss_plot("my $x$", [{"a_$b$_c": curve, "broken": [(1, float("nan")), (2, float("inf"))]}])
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", drawn)
    assert {"0.001", "0.01", "0.1", "a_$b$_c"} <= set(texts) and "mathdefault" not in drawn
    assert "<style" not in drawn and "<metadata" not in drawn


def test_long_curves_are_thinned_to_their_means() -> None:
    short, long = ([{"loss": [(step, float(step)) for step in range(count)]}] for count in (100, 100_000))
    assert len(loss_plot("dcgan", long)) < 6 * len(loss_plot("dcgan", short))


def test_the_audit_names_files_left_out_duplicates_and_warnings(page: Page) -> None:
    text = " ".join("".join(page.texts).split())
    assert "10 readable photos in" in text and "1 unreadable file; 1 exact duplicate" in text
    assert "kaputt & cut.tif: the file ends in the middle of a strip" in text
    assert f"Bild 9 (Kopie).JPG has the same pixels as {HOSTILE}" in text
    assert "Brightness drifts by 12 %" in text


def test_settings_and_fingerprints_are_complete(page: Page) -> None:
    for words in ("learning_rate", "0.0002", "flip, color", "estimators.kid", "d" * 64, "e" * 64, "f" * 64, "torch"):
        assert words in page.texts, words


def test_the_same_workspace_gives_the_same_files(finished: tuple[ReportResult, list[ScoreCard]]) -> None:
    result, _ = finished
    before = {path.name: path.read_bytes() for path in result.path.parent.iterdir()}
    build_report(result.path.parent.parent)
    assert {path.name: path.read_bytes() for path in result.path.parent.iterdir()} == before
    assert set(before) == {"index.html", "report.json", "scores.csv"}


def test_cards_of_other_fingerprints_stand_in_a_table_of_their_own(tmp_path: Path) -> None:
    write_card(tmp_path, "dcgan")
    other = write_card(tmp_path, "began").model_copy(
        update={"protocol_fingerprint": "9" * 64, "protocol_plan": {"network": "efficientnet-lite0"}}
    )
    other.write(Workspace(tmp_path).scores / other.run_id)
    tables = build_report(tmp_path).tables
    assert [(table.network, [row.name for row in table.rows]) for table in tables] == [
        ("inception-2015", ["dcgan"]),
        ("efficientnet-lite0", ["began"]),
    ]


def test_a_report_needs_only_one_stage_and_says_what_is_missing(tmp_path: Path) -> None:
    write_photos(tmp_path)
    result = build_report(tmp_path)
    assert result.verdict == "There is nothing to judge yet: no samples have been scored."
    assert result.missing == (
        "No training run: `handful train` makes it.",
        "No samples: `handful sample` makes it.",
        "No score card: `handful score` makes it.",
    )
    text = result.path.read_text(encoding="utf-8")
    assert "No training run: <code>handful train</code> makes it." in text
    assert (result.path.parent / "scores.csv").read_text().count("\n") == 1

    run_id = write_run(tmp_path, "dcgan")
    write_run(tmp_path, "began")
    write_card(tmp_path, "dcgan")
    assert build_report(tmp_path).missing == (
        f"{run_id.replace('dcgan', 'began')} has no score card: `handful score` makes it.",
    )


@pytest.mark.parametrize("stage", ["1_photos", "2_dataset", "3_train", "4_samples"])
def test_any_one_stage_may_be_absent(stage: str, tmp_path: Path) -> None:
    write_workspace(tmp_path, generators=("dcgan",), protocols=("heldout-v1",))
    (tmp_path / stage).rename(tmp_path / "away")
    result = build_report(tmp_path)
    assert result.verdict.startswith("dcgan was judged alone")
    assert len(result.missing) == 1


def test_a_missing_sample_file_is_said_in_its_place(tmp_path: Path) -> None:
    write_workspace(tmp_path, generators=("dcgan",), protocols=("heldout-v1",))
    for path in (tmp_path / "4_samples").glob("*/000001.png"):
        path.unlink()
    text = build_report(tmp_path).path.read_text(encoding="utf-8")
    assert text.count("file missing") == 2  # in the sheet, and among the worst


def compared(work: Path, *run_ids: str) -> None:
    ComparePlan(settings={"budget": "50steps"}, run_ids=run_ids, protocols=("heldout-v1",)).write(work)


def test_the_verdict_rests_on_the_network_of_the_last_comparison(tmp_path: Path) -> None:
    """Cards of an earlier comparison with another network, though they are more, are neither judged nor shown."""
    earlier = write_workspace(tmp_path, generators=("dcgan", "began"), seeds=(0, 1), protocols=("heldout-v1",))
    for card in earlier:
        other = card.model_copy(update={"protocol": "heldout-v1+other-network", "protocol_fingerprint": "9" * 64})
        other.write(tmp_path / "5_scores" / card.run_id)
    (tmp_path / "5_scores" / earlier[1].run_id / "heldout-v1.json").unlink()  # the larger group is the wrong one
    compared(tmp_path, *(card.run_id for card in earlier))
    result = build_report(tmp_path)
    assert result.judgement.protocol == "heldout-v1"
    assert [table.protocol for table in result.tables] == ["heldout-v1"]
    assert "4 score cards of other protocols or networks are not part" in result.path.read_text(encoding="utf-8")


def test_images_of_ones_own_stay_beside_the_comparison(tmp_path: Path) -> None:
    card = write_workspace(tmp_path, generators=("dcgan",), protocols=("heldout-v1",))[0]
    own = card.model_copy(update={"run_id": "from-elsewhere", "generator": "from-elsewhere", "seed": None})
    own.write(tmp_path / "5_scores/from-elsewhere")
    own.model_copy(update={"protocol": "training-v1"}).write(tmp_path / "5_scores/from-elsewhere")
    compared(tmp_path, card.run_id)
    result = build_report(tmp_path)
    assert [(table.protocol, [row.name for row in table.rows]) for table in result.tables] == [
        ("heldout-v1", ["dcgan", "from-elsewhere"])
    ]


def test_only_the_runs_of_the_last_comparison_are_shown(tmp_path: Path) -> None:
    write_workspace(tmp_path, generators=("dcgan", "began"), protocols=("heldout-v1",))
    compared(tmp_path, "dcgan-s0-f0-0a1b2c3d", "never-s0-f0-0a1b2c3d")
    result = build_report(tmp_path)
    assert [row.name for row in result.tables[0].rows] == ["dcgan"]
    assert "never-s0-f0-0a1b2c3d of the comparison was not trained." in result.missing
    assert "1 run in this workspace is not part of its last comparison" in result.path.read_text(encoding="utf-8")


def test_a_folder_that_is_no_workspace_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not a workspace") as caught:
        build_report(tmp_path)
    assert "1_photos" in caught.value.what and "handful compare" in caught.value.do
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_card_is_a_user_error_that_names_it(tmp_path: Path) -> None:
    write_card(tmp_path, "dcgan")
    path = next((tmp_path / "5_scores").glob("*/heldout-v1.json"))
    path.write_text(path.read_text()[:100])
    with pytest.raises(UserError, match=r"heldout-v1\.json is damaged") as caught:
        build_report(tmp_path)
    assert "handful score" in caught.value.do
    assert not (tmp_path / "6_report").exists()


def test_a_damaged_list_of_samples_is_a_user_error_that_names_it(tmp_path: Path) -> None:
    run_id = write_run(tmp_path, "dcgan")
    (tmp_path / "4_samples" / run_id / "samples.jsonl").write_text("{}\n")
    with pytest.raises(UserError, match=r"samples\.jsonl cannot be read") as caught:
        build_report(tmp_path)
    assert "handful sample" in caught.value.do


def test_pictures_shrink_together_until_they_fit(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for number_ in range(4):
        pixels = random.integers(0, 2**12, (300, 400)).astype(np.uint16)
        (tmp_path / f"{number_}.png").write_bytes(png_bytes(pixels, 12))
    files = [(path, 12) for path in sorted(tmp_path.iterdir())]
    free = encode_pictures(files)
    assert {(picture.width, picture.height) for picture in free.values()} == {(384, 288)}
    tight = encode_pictures(files, limit_bytes=40_000)
    assert {(picture.width, picture.height) for picture in tight.values()} == {(128, 96)}
    assert sum(len(picture.address) for picture in tight.values()) < 40_000 * 4 / 3 + 200
    assert all(picture.address.startswith("data:image/jpeg;base64,") for picture in tight.values())
    assert encode_pictures([(tmp_path / "none.png", 8)]) == {}


def test_numbers_and_times_in_words() -> None:
    assert [number(value) for value in (0, 0.01234, 12.345, 1234.5, -0.00412, 0.000012)] == [
        "0", "0.0123", "12.3", "1234", "−0.00412", "1.20e-05",
    ]  # fmt: skip
    assert [seconds_words(value) for value in (0.24, 59.7, 200, 7500)] == [
        "0.2 s",
        "1 min 0 s",
        "3 min 20 s",
        "2 h 5 min",
    ]


def test_the_report_imports_no_torch(tmp_path: Path) -> None:
    write_card(tmp_path, "dcgan")
    script = (
        "import sys; from pathlib import Path; from handful.report.build import build_report; "
        f"build_report(Path({str(tmp_path)!r})); "
        "sys.exit(', '.join(name for name in ('torch', 'kornia', 'torchvision') if name in sys.modules) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
