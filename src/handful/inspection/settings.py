"""What `handful inspect` is asked to do."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from pydantic import Field

from handful.core.config import Settings

ArmKind = Literal["real", "classical", "curve", "more", "samples", "both", "only", "pretrain", "path", "trace", "alone"]
KINDS: tuple[ArmKind, ...] = get_args(ArmKind)
_ON_REQUEST: tuple[ArmKind, ...] = ("alone",)


class InspectSettings(Settings):
    """Everything about the inspection that decides its outcome; part of the frozen plan."""

    inspectors: tuple[str, ...] = Field(("classifier",), min_length=1)
    """Names, or paths of inspector files of your own."""
    seeds: tuple[Annotated[int, Field(ge=0)], ...] = Field(tuple(range(10)), min_length=1)
    """One training of every inspector in every arm for each."""
    arms: tuple[ArmKind, ...] = Field(tuple(kind for kind in KINDS if kind not in _ON_REQUEST), min_length=1)
    """Which kinds of arms are run; real only is run always."""
    doses: tuple[Annotated[float, Field(gt=0)], ...] = Field((1.0, 5.0, 20.0), min_length=1)
    """Samples for each real training photo."""
    curve: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = (0.25, 0.5, 0.75)
    """Shares of the real training photos for the learning curve, beside all of them."""
    photos: int | None = Field(None, ge=2)
    """Real training photos of every arm. The others of the training split are set aside: no generator may have seen
    them, and they tell what more real photos are worth. None: all, and none is set aside."""
    more: tuple[Annotated[float, Field(gt=1)], ...] = (2.0, 4.0, 8.0)
    """Real photos for the learning curve beyond `photos`, as multiples of it; as far as the set aside ones go."""
    margin: float = Field(0.02, gt=0, lt=0.5)
    """Differences of AUROC within this do not matter here."""
    false_rejects: float = Field(0.05, ge=0, lt=1)
    """Share of good photos that the threshold may reject, set on training photos that the inspector did not see."""
    target: float = Field(0.05, gt=0, lt=1)
    """Share of slip-through that has to be proved."""
    settings: dict[str, dict[str, Any]] = {}
    """Inspector -> its settings."""
