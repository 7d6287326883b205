"""A protocol is frozen: its fingerprint covers whatever decides a number."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from handful.core import registry
from handful.core.artifacts import Size
from handful.core.config import fingerprint
from handful.core.errors import UserError
from handful.features.networks import NETWORKS
from handful.scores.protocol import card_name, find_protocol, plan, score_names

CANVAS = Size(width=64, height=48)


def stated(protocol: str = "heldout-v1", network: str = "inception-2015", samples: int = 100) -> dict[str, object]:
    return plan(find_protocol(protocol), network, CANVAS, 8, samples)


def test_a_protocol_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        find_protocol("heldout-v1").reference = "training"  # type: ignore[misc]


def test_the_plan_states_whatever_decides_a_number() -> None:
    found = stated()
    assert found["reference"] == "heldout" and found["version"] == 1
    assert found["network_tensors_sha256"] == NETWORKS["inception-2015"].tensors_sha256
    assert found["canvas"] == "64x48" and found["samples"] == 100
    assert set(found["estimators"]) == set(score_names("inception-2015"))  # type: ignore[call-overload]
    assert {"torch", "numpy", "scipy", "pillow"} <= set(found["versions"])  # type: ignore[call-overload]


def test_every_choice_changes_the_fingerprint() -> None:
    plans = [
        stated(),
        stated("training-v1"),
        stated(network="efficientnet-lite0"),
        stated(network="inception-2015+bf16"),
        stated(samples=101),
        plan(find_protocol("heldout-v1"), "inception-2015", Size(width=48, height=64), 8, 100),
        plan(find_protocol("heldout-v1"), "inception-2015", CANVAS, 12, 100),
    ]
    assert len({fingerprint(found) for found in plans}) == len(plans)


def test_one_photo_is_judged_for_nearness_variety_and_copying() -> None:
    names = score_names("pixels", find_protocol("single-v1"))
    sees = {registry.describe("scores", name).facts.get("sees", "closeness") for name in names}
    assert sees == {"closeness", "variety", "novelty"} and "verbatim" in names


def test_an_unknown_protocol_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(UserError) as error:
        find_protocol("heldout-v2")
    assert "heldout-v2" in error.value.what and "'heldout-v1'" in error.value.do


def test_another_network_is_part_of_the_cards_name() -> None:
    assert card_name(find_protocol("heldout-v1"), "inception-2015") == "heldout-v1"
    assert card_name(find_protocol("heldout-v1"), "efficientnet-lite0") == "heldout-v1+efficientnet-lite0"
