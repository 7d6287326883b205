"""Protocols: what exactly was compared with what. Scores of different protocols are never joined.

heldout-v1 compares samples with photos that no training saw: how good is the generator?
training-v1 compares them with the training photos, as most few-shot papers do. Copying wins there, so nearest_photo
stands beside it and is read first.
single-v1 is for one photo, or very few: the same, with those scores alone that are defined from a single photo. It
ranks nothing: there is no photo left to judge by, and a copy scores best.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from handful.core import registry
from handful.core.artifacts import Size, library_versions
from handful.core.config import Settings
from handful.core.errors import unknown_name
from handful.features.networks import MAP_NETWORKS, find_network

DEFAULT_NETWORK = "inception-2015"
PIXELS = "pixels"
"""The space of the scores that look at the images themselves; the other spaces are the feature networks."""


class Protocol(Settings):
    """A frozen way to judge samples. A change gets a new name with a higher version."""

    name: str
    version: int
    reference: Literal["heldout", "training"]
    """Which photos samples are compared with."""
    least_reference: int = 2
    """Fewest reference photos; FID and KID are defined from 2."""
    scores: Literal["all", "defined from one photo"] = "all"
    """Which scores are asked."""
    independent: Literal["groups"] = "groups"
    """What counts as one photo: near-duplicates together."""


PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        Protocol(name="heldout-v1", version=1, reference="heldout"),
        Protocol(name="training-v1", version=1, reference="training"),
        Protocol(name="single-v1", version=1, reference="training", least_reference=1, scores="defined from one photo"),
    )
}


def find_protocol(name: str) -> Protocol:
    """The protocol of that name.

    Raises:
        UserError: there is none; the nearest name is offered.
    """
    if name not in PROTOCOLS:
        raise unknown_name("protocol", name, PROTOCOLS, "handful score --help")
    return PROTOCOLS[name]


def card_name(protocol: Protocol, space: str) -> str:
    """What a card of this protocol is called: other spaces than the usual network are part of the name."""
    return protocol.name if space == DEFAULT_NETWORK else f"{protocol.name}+{space}"


def plan(
    protocol: Protocol, space: str, canvas: Size, bit_depth: int, samples: int, names: Sequence[str] | None = None
) -> dict[str, Any]:
    """Everything that decides a card's numbers apart from the images; its fingerprint goes on the card.

    Args:
        protocol: which photos samples are compared with.
        space: a feature network, or `pixels`.
        canvas: of all images.
        bit_depth: of all images.
        samples: how many are judged.
        names: the scores on the card; None: all of this space.
    """
    names = score_names(space, protocol) if names is None else names
    facts = {name: registry.describe("scores", name).facts for name in names}
    return {
        **protocol.model_dump(),
        "network": space,
        **(
            _networks(sorted({str(f["network"]) for f in facts.values() if f.get("network")}))
            if space == PIXELS
            else _feature_network(space)
        ),
        "estimators": {name: fact.get("version", 1) for name, fact in facts.items()},
        "canvas": str(canvas),
        "bit_depth": bit_depth,
        "samples": samples,
        "versions": library_versions(),
    }


def _feature_network(name: str) -> dict[str, Any]:
    found, precision = find_network(name)
    return {
        "network_tensors_sha256": found.tensors_sha256,
        "network_precision": precision,
        "preprocessing": found.preprocessing,
        "side_px": found.side_px,
    }


def _networks(names: Sequence[str]) -> dict[str, Any]:
    """The networks that scores on images ask for, with all that decides what they give."""
    maps = {name: MAP_NETWORKS[name] for name in names if name in MAP_NETWORKS}
    whole = {name: find_network(name)[0] for name in names if name not in maps}
    return {
        "networks": {name: network.tensors_sha256 for name, network in (maps | whole).items()},
        "classifiers": {name: network.classifier_sha256 for name, network in whole.items()},
        "preprocessing": {name: network.preprocessing for name, network in whole.items()},
    }


def score_names(space: str | None = None, protocol: Protocol | None = None) -> tuple[str, ...]:
    """The scores that stand on the card of a space under a protocol; None: of all spaces, or of any protocol."""
    needs = "images" if space == PIXELS else "features"
    facts = {name: registry.describe("scores", name).facts for name in registry.names("scores")}
    return tuple(
        name
        for name, fact in facts.items()
        if (space is None or fact.get("needs", "features") == needs)
        and (protocol is None or protocol.scores == "all" or fact["least_reference"] <= 1)
    )


def judged_spaces(protocols: Sequence[str], spaces: Sequence[str]) -> list[tuple[str, str]]:
    """Every (protocol, space) with a score to ask: few are defined from one photo, and none of them in some spaces."""
    return [(name, space) for name in protocols for space in spaces if score_names(space, find_protocol(name))]
