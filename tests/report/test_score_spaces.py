"""Cards of several feature spaces in one report: a table each, never mixed, and the usual network decides."""

from __future__ import annotations

from pathlib import Path

import pytest
from report_cards import score
from workspace_fixture import write_card

from handful.core.artifacts import ComparePlan, Score, ScoreCard
from handful.core.errors import UserError
from handful.core.workspace import Workspace
from handful.report.build import build_report
from handful.report.tables import better_word

SPACES = ("heldout-v1+efficientnet-lite0", "heldout-v1", "heldout-v1+pixels")


def write_space(work: Path, generator: str, protocol: str) -> ScoreCard:
    own = write_card(work, generator)
    space = protocol.partition("+")[2] or "inception-2015"
    pixels: dict[str, object] = {
        "scores": (score("sifid", 0.3), score("inception_score (efficientnet-lite0)", 1.1, n=0)),
        "left_out": {"patch_score": "Images of 16x16 px are too small."},
        "worst": (),
        "nearest": (),
    }
    card = own.model_copy(
        update={
            "protocol": protocol,
            "protocol_fingerprint": str(SPACES.index(protocol)) * 64,
            "protocol_plan": {**own.protocol_plan, "network": space},
            **(pixels if space == "pixels" else {}),
        }
    )
    card.write(Workspace(work).scores / own.run_id)
    return card


def test_each_space_has_its_table_and_the_one_named_first_decides(tmp_path: Path) -> None:
    cards = [write_space(tmp_path, generator, protocol) for generator in ("dcgan", "began") for protocol in SPACES]
    run_ids = tuple({card.run_id for card in cards})
    ComparePlan(settings={}, run_ids=run_ids, protocols=SPACES).write(tmp_path)
    result = build_report(tmp_path)
    assert {table.protocol: set(table.columns) for table in result.tables} == {
        SPACES[0]: {"fid", "kid", "nearest_photo"},
        SPACES[1]: {"fid", "kid", "nearest_photo"},
        SPACES[2]: {"sifid", "inception_score (efficientnet-lite0)"},
    }
    assert result.judgement.protocol == SPACES[0], "not the usual network, which comes second here"
    pixels = next(table for table in result.tables if table.protocol.endswith("pixels"))
    assert "patch_score is left out. Images of 16x16 px are too small." in pixels.notes
    assert "On the images themselves" in result.path.read_text(encoding="utf-8")


def test_a_card_with_nothing_but_reasons_still_makes_a_page(tmp_path: Path) -> None:
    card = write_space(tmp_path, "dcgan", SPACES[2])
    no_scores: tuple[Score, ...] = ()
    card.model_copy(update={"scores": no_scores}).write(Workspace(tmp_path).scores / card.run_id)
    assert "patch_score is left out" in build_report(tmp_path).path.read_text(encoding="utf-8")


def test_a_column_is_read_by_its_score_whatever_network_stands_in_brackets() -> None:
    assert better_word("sifid") == better_word("sifid (another-network)") == "lower is better"
    assert better_word("inception_score (efficientnet-lite0)") == ""  # it says nothing of how good samples are
    assert better_word("a score of your own") == ""


def test_a_card_under_the_name_of_another_protocol_is_refused_with_both_names(tmp_path: Path) -> None:
    for protocol in SPACES[:2]:
        card = write_space(tmp_path, "dcgan", protocol)
    folder = Workspace(tmp_path).scores / card.run_id
    (folder / f"{SPACES[0]}.json").replace(folder / "heldout-v1.json")
    with pytest.raises(UserError) as caught:
        build_report(tmp_path)
    assert f"is a score card of {SPACES[0]}, under the name of heldout-v1." in caught.value.what
    assert "never joined" in caught.value.allowed and f"{SPACES[0]}.json" in caught.value.do
