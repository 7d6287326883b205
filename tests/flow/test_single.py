"""One photo: the number of photos decides what is asked, and the report says what one photo cannot say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

import handful
from handful.cli import app
from handful.core.artifacts import DatasetManifest, ScoreCard
from handful.core.errors import UserError
from handful.photos.audit import audit_photos
from handful.scores.protocol import find_protocol, judged_spaces, score_names
from handful.study.frozen import FrozenPlan
from handful.study.plan import arrange_settings
from handful.study.power import page_lines, plan_power, settle_generators, settle_protocols

VALUES = {
    "generators": ["classic", "copies"],
    "canvas": "32",
    "samples": 6,
    "features": ["efficientnet-lite0", "pixels"],
    "threads": 1,
}
USUAL = ("heldout-v1", "training-v1")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("one") / "p"
    handful.render_station(folder, 1, seed=3, width=96, height=72)
    return folder


@pytest.fixture(scope="module")
def work(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("judged")
    handful.compare(photos, out, arrange_settings(VALUES, "the test"))
    return out


def test_one_photo_is_compared_with_itself_and_nothing_is_ranked(work: Path) -> None:
    assert DatasetManifest.read(work / "2_dataset").heldout(0) == ()
    document = json.loads((work / "6_report/report.json").read_text(encoding="utf-8"))
    verdict = document["verdict"]
    assert verdict["sentence"].startswith("Nothing is ranked: with 1 photo it can be told how near samples come")
    assert verdict["ranked"] == [] and verdict["comparisons"] == []
    assert any("1 photo cannot say which generator is better" in line for line in verdict["why"])
    assert verdict["sentence"] in (work / "6_report/index.html").read_text(encoding="utf-8")
    told = [line for line in verdict["why"] if line.startswith(("classic: ", "copies: "))]
    assert len(told) == 2 and all("nearness by" in line and "copying" in line for line in told)


def test_only_scores_of_one_photo_stand_on_its_cards(work: Path) -> None:
    files = [path for path in sorted((work / "5_scores").glob("*/*.json")) if path.parent.name != "cache"]
    cards = [ScoreCard.read(path.parent, path.name) for path in files]
    assert {card.protocol for card in cards} == {"single-v1+pixels"}, "no network has a score of one photo"
    for card in cards:
        found = {score.name.partition(" ")[0]: score for score in card.scores}
        assert "swd" in found and set(found) <= set(score_names("pixels", find_protocol("single-v1")))
        assert found["swd"].n_reference == 1 and "says nothing of other photos" in found["swd"].notes[0]
    values = {card.generator: {score.name: score.value for score in card.scores} for card in cards}
    assert values["copies"]["swd"] < values["classic"]["swd"], "a copy is best, which is why nothing is ranked"


def test_its_plan_says_that_it_decides_nothing(photos: Path, work: Path) -> None:
    plan = FrozenPlan.read(work)
    assert plan.pilot and plan.primary_score == "none: nothing is ranked"
    settings, protocols = settle_protocols(arrange_settings(VALUES, "the test"), audit_photos(photos))
    page = plan_power(audit_photos(photos), settings.generators, range(10), settings.dataset, protocols)
    assert not page.decides and page.protocols == ("single-v1",)
    uses = {one.score: (one.use, one.one_photo) for one in page.scores}
    assert uses["kid"] == ("no", False) and uses["sifid"] == uses["swd"] == ("rough", True)
    lines = page_lines(page)
    assert "judged by single-v1" in lines[0] and "heldout-v1 needs 4" in lines[0]
    assert sum(line.startswith("Cannot be said: ") for line in lines) == 3


def test_usual_generators_that_need_more_photos_are_left_out_and_those_asked_for_are_not(photos: Path) -> None:
    audit = audit_photos(photos)
    settings, left_out = settle_generators(arrange_settings({}, "the test"), audit)
    assert settings.generators == ("patch_diffusion", "classic", "copies")
    assert left_out == ["dcgan is left out: it needs at least 2 photos, and there is 1."]
    for stated in ({"generators": ["dcgan", "copies"]}, {"training": {"dcgan": {"budget": "1steps"}}}):
        settings, left_out = settle_generators(arrange_settings(stated, "the test"), audit)
        assert "dcgan" in settings.generators and left_out == []


def test_one_photo_is_compared_without_naming_generators(photos: Path, tmp_path: Path) -> None:
    values = {name: value for name, value in VALUES.items() if name != "generators"}
    said: list[str] = []
    settings = arrange_settings(values | {"canvas": "32", "samples": 2}, "the test")
    handful.compare(photos, tmp_path / "w", settings, lambda event: said.append(str(event.get("words"))))
    assert "dcgan is left out: it needs at least 2 photos, and there is 1." in said
    names = {folder.name.split("-s0")[0] for folder in (tmp_path / "w" / "4_samples").iterdir()}
    assert names == {"patch_diffusion", "classic", "copies"}


def test_the_plan_command_says_so_too(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert app.main(["plan", str(photos)]) == 0
    said = capsys.readouterr().out
    assert "judged by single-v1" in said and "dcgan is left out" in said


@pytest.mark.parametrize(
    ("count", "stated", "used"),
    [(1, None, ("single-v1",)), (3, None, ("single-v1",)), (4, None, USUAL), (4, ["single-v1"], ("single-v1",)),
     (2, ["training-v1"], ("training-v1",))],
)  # fmt: skip
def test_the_number_of_photos_decides_the_protocols(
    tmp_path: Path, count: int, stated: list[str] | None, used: tuple[str, ...]
) -> None:
    for number in range(count):
        Image.new("L", (32, 24), 40 * number).save(tmp_path / f"{number}.png")
    values = {} if stated is None else {"protocol": stated}
    settings, protocols = settle_protocols(arrange_settings(values, "the test"), audit_photos(tmp_path))
    assert protocols == used == settings.protocol
    assert settings.dataset.heldout == (0 if used == ("single-v1",) else 0.25)
    kept, _ = settle_protocols(arrange_settings(values | {"heldout": 0.5}, "the test"), audit_photos(tmp_path))
    assert kept.dataset.heldout == 0.5, "what was stated stands"


def test_a_stated_protocol_that_needs_more_photos_is_refused_in_three_lines(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert app.main(["compare", str(photos), "--out", str(tmp_path / "w"), "--protocol", "heldout-v1"]) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert said[-3:] == [
        "There is 1 photo, and --protocol names heldout-v1.",
        "heldout-v1 needs at least 4: 2 to learn from and 2 held out.",
        "Add photos, or give --protocol single-v1: it compares with what was learned from and ranks nothing.",
    ]
    assert not (tmp_path / "w").exists()


def test_a_space_without_a_score_of_one_photo_is_refused(photos: Path, work: Path, tmp_path: Path) -> None:
    assert judged_spaces(["single-v1", "training-v1"], ["inception-2015", "pixels"]) == [
        ("single-v1", "pixels"), ("training-v1", "inception-2015"), ("training-v1", "pixels"),
    ]  # fmt: skip
    with pytest.raises(UserError) as caught:
        handful.compare(photos, tmp_path / "w", arrange_settings(VALUES | {"features": "efficientnet-lite0"}, "it"))
    assert "single-v1 has no score in efficientnet-lite0" in caught.value.what and "pixels" in caught.value.do
    (run,) = (work / "4_samples").glob("copies*")
    with pytest.raises(UserError, match="no score in the space efficientnet-lite0"):
        handful.score_samples(run, work / "2_dataset", protocol="single-v1", network="efficientnet-lite0")
    with pytest.raises(UserError) as refused:
        handful.score_samples(run, work / "2_dataset", network="pixels")
    assert "0 held-out photo" in refused.value.what and "--protocol single-v1" in refused.value.do
