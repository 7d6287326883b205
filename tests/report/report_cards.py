"""Score cards with known numbers."""

from __future__ import annotations

from collections.abc import Mapping

from handful.core.artifacts import Score, ScoreCard

CODE = "0a1b2c3d"


def score(name: str, value: float, half: float | None = 0.01, n: int = 8, m: int = 100, **more: object) -> Score:
    """A score with a symmetric interval of half-width `half`; None gives none."""
    low, high = (None, None) if half is None else (value - half, value + half)
    return Score(name=name, value=value, low=low, high=high, n_reference=n, m_samples=m, **more)  # type: ignore[arg-type]


def card(
    generator: str,
    kid: float,
    half: float | None = 0.01,
    seed: int = 0,
    fold: int = 0,
    protocol: str = "heldout-v1",
    nearest: float = 0.9,
    n: int = 8,
    **more: object,
) -> ScoreCard:
    """A card with a held-out KID of kid +- half and a nearest_photo of nearest +- 0.1."""
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
        "scores": (score("kid", kid, half, n), score("nearest_photo", nearest, 0.1, n)),
        "worst": (),
        "nearest": (),
        "seconds": 1.0,
    } | more
    return ScoreCard.model_validate(values)
