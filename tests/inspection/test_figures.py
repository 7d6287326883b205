"""The inspection's figures tell sources apart, and are left out where there is nothing to draw."""

from __future__ import annotations

import re

import pytest

from handful.inspection.figures import dose_curve, learning_curve
from handful.inspection.result import ArmRow


def row(kind: str, source: str = "", dose: float = 0.0, photos: float = 40.0, auroc: float = 0.9) -> ArmRow:
    return ArmRow(
        inspector="linear",
        arm=f"{source or kind} {dose:g}x",
        kind=kind,
        source=source,
        dose=dose,
        photos=photos,
        samples=dose * photos,
        runs=10,
        auroc=auroc,
        low=auroc - 0.01,
        high=auroc + 0.01,
        measures={},
        false_rejects=None,
        slip_through=None,
        further_defects=None,
        strength=0.0,
        seconds=1.0,
    )


CURVE = [row("curve", photos=10, auroc=0.8), row("real"), row("more", photos=80, auroc=0.95)]


def marks(svg: str) -> int:
    """Shapes of marks that the drawing defines, ticks included."""
    return len({re.sub(r"\s+", " ", path) for path in re.findall(r'<path id="m[0-9a-f]+" d="([^"]+)"', svg)})


@pytest.mark.parametrize("figure", [dose_curve, learning_curve])
def test_each_source_of_samples_has_a_mark_of_its_own(figure: object) -> None:
    assert callable(figure)
    one = CURVE + [row("samples", "warp", dose) for dose in (1.0, 5.0)]
    two = one + [row("samples", "gpnn", dose, auroc=0.93) for dose in (1.0, 5.0)]
    assert marks(figure(two, "linear")) == marks(figure(one, "linear")) + 1


def test_there_is_no_figure_of_nothing() -> None:
    assert dose_curve(CURVE, "linear") is None
    assert learning_curve([row("real")], "linear") is None
    assert learning_curve(CURVE, "classifier") is None
