"""Score cards with known numbers."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from handful.core.artifacts import Score, ScoreCard

CODE = "0a1b2c3d"


def score(name: str, value: float, half: float | None = 0.01, n: int = 8, m: int = 100, **more: object) -> Score:
    """A score with a symmetric interval of half-width `half`; None gives none."""
    low, high = (None, None) if half is None else (value - half, value + half)
    return Score(name=name, value=value, low=low, high=high, n_reference=n, m_samples=m, **more)  # type: ignore[arg-type]


def added_by_photos(value: float, n: int, generator: str, seed: int | None, uneven: float) -> tuple[float, ...]:
    """What n photos add: their mean is the value, some add more than others, most of it for every generator alike."""
    place = np.arange(n)
    shared, own = np.cos(3.0 * place), np.sin((2.0 + (seed or 0) + len(generator)) * (place + 1))
    added = 0.01 * (shared - shared.mean()) + uneven * (own - own.mean())
    return tuple(float(one) for one in value + added)


def card(
    generator: str,
    kid: float,
    half: float | None = 0.01,
    seed: int = 0,
    fold: int = 0,
    protocol: str = "heldout-v1",
    nearest: float = 0.9,
    n: int = 8,
    uneven: float | None = 0.002,
    resolution: float | None = None,
    **more: object,
) -> ScoreCard:
    """A card with a held-out KID of kid +- half and a nearest_photo of nearest +- 0.1.

    Args:
        generator: its name; classic and copies are anchors.
        kid: the value.
        half: half-width of the interval; None gives none.
        seed: of the training.
        fold: held out.
        protocol: name of the card.
        nearest: nearest_photo.
        n: photos.
        uneven: how much what a photo adds differs between generators; None leaves it unsaid.
        resolution: of the KID; None leaves it unsaid.
        more: fields of the card.
    """
    own: dict[str, object] = {} if resolution is None else {"details": {"resolution": resolution}}
    if uneven is not None:
        own["per_photo"] = added_by_photos(kid, n, generator, seed, uneven)
    values: Mapping[str, object] = {
        "protocol": protocol,
        "protocol_fingerprint": f"{protocol} fingerprint",
        "protocol_plan": {"reference": protocol.split("-")[0], "network": "inception-2015"},
        "run_id": f"{generator}-s{seed}-f{fold}-{CODE}",
        "generator": generator,
        "anchor": generator in ("copies", "classic"),
        "seed": seed,
        "fold": fold,
        "dataset_fingerprint": "data",
        "scores": (score("kid", kid, half, n, **own), score("nearest_photo", nearest, 0.1, n)),
        "worst": (),
        "nearest": (),
        "seconds": 1.0,
    } | more
    return ScoreCard.model_validate(values)
