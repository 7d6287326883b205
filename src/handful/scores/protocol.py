"""Protocols: what exactly was compared with what. Scores of different protocols are never joined.

heldout-v1 compares samples with photos that no training saw: how good is the generator?
training-v1 compares them with the training photos, as most few-shot papers do. Copying wins there, so nearest_photo
stands beside it and is read first.
"""

from __future__ import annotations

from typing import Any, Literal

from handful.core import registry
from handful.core.artifacts import Size, library_versions
from handful.core.config import Settings
from handful.core.errors import unknown_name
from handful.scores.networks import find_network

DEFAULT_NETWORK = "inception-2015"


class Protocol(Settings):
    """A frozen way to judge samples. A change gets a new name with a higher version."""

    name: str
    version: int
    reference: Literal["heldout", "training"]
    """Which photos samples are compared with."""
    least_reference: int = 2
    """Fewest reference photos; FID and KID are defined from 2."""


PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        Protocol(name="heldout-v1", version=1, reference="heldout"),
        Protocol(name="training-v1", version=1, reference="training"),
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


def card_name(protocol: Protocol, network: str) -> str:
    """What a card of this protocol is called: other networks than the usual one are part of the name."""
    return protocol.name if network == DEFAULT_NETWORK else f"{protocol.name}+{network}"


def plan(protocol: Protocol, network: str, canvas: Size, bit_depth: int, samples: int) -> dict[str, Any]:
    """Everything that decides a card's numbers apart from the images; its fingerprint goes on the card."""
    found, precision = find_network(network)
    return {
        **protocol.model_dump(),
        "network": network,
        "network_tensors_sha256": found.tensors_sha256,
        "network_precision": precision,
        "preprocessing": found.preprocessing,
        "side_px": found.side_px,
        "estimators": {name: registry.describe("scores", name).facts.get("version", 1) for name in score_names()},
        "canvas": str(canvas),
        "bit_depth": bit_depth,
        "samples": samples,
        "versions": library_versions(),
    }


def score_names() -> tuple[str, ...]:
    """The scores of every protocol: all there are."""
    return registry.names("scores")
