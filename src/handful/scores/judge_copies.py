"""Gives every sample of a folder the gate's verdict, and writes gate.json."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal

from threadpoolctl import threadpool_limits

from handful.core.artifacts import Artifact, DatasetManifest
from handful.core.config import Settings
from handful.core.decode import keep_out_of_photos
from handful.core.errors import UserError
from handful.scores.gate import FACTS, SHARES, chance_to_fail, judge_copies, warnings
from handful.scores.image_sets import read_photos, read_samples
from handful.statistics.binomial import share_limits


class SampleVerdict(Settings):
    """One sample."""

    file: str
    verdict: Literal["new", "near-copy", "copy"]
    likeness: float
    """Correlation with that photo beyond what all photos share, -1 to 1."""
    photo: str
    """The training image that it is most alike to."""
    down_px: int
    """How much lower than the photo it lies."""
    right_px: int
    mirrored: bool


class GateReport(Artifact):
    """What the gate found, and how well it finds."""

    file_name: ClassVar[str] = "gate.json"
    stage: ClassVar[str] = "gate"

    run_id: str
    generator: str
    passes: bool
    copies: int
    near_copies: int
    share: float
    low: float
    """Lower end of the exact 95 % interval of the share; above `allowed_share` the set fails."""
    high: float
    allowed_share: float
    near_limit: float
    copy_limit: float
    caught: dict[str, float]
    """Kind of planted copy -> share caught."""
    planted: int
    """Of each kind."""
    false_alarms: float
    honest_photos: int
    chance_to_fail: dict[str, float]
    """Share of copies in a set of this size -> the chance that it fails."""
    notes: tuple[str, ...]
    samples: tuple[SampleVerdict, ...]


def gate_samples(
    samples: Path, photos: Path, out: Path | None = None, fold: int = 0, count: int | None = None
) -> GateReport:
    """Judges each sample against the training photos.

    Args:
        samples: a folder that `handful sample` made, or a plain folder of images of the photos' size.
        photos: a dataset folder, or a plain folder of the photos that the generator saw.
        out: folder for gate.json; None writes nothing.
        fold: the fold that the samples' run held out.
        count: judge the first so many samples; None judges all.

    Raises:
        UserError: folders that are not what they should be, or fewer than 3 training photos.
    """
    known = read_photos(photos, fold, "training")
    drawn = read_samples(samples, known, count)
    if len(known.training) < FACTS.least_reference:
        raise UserError(
            f"There are {len(known.training)} training photos.",
            f"The gate needs at least {FACTS.least_reference}: it must see how photos differ.",
            "Add photos, or compare the samples with the photo by eye.",
        )
    if out is not None and not (photos / DatasetManifest.file_name).exists():
        keep_out_of_photos(out, photos)
    with threadpool_limits(1, user_api="blas"):  # images are spread over the cores already
        calibration, judged = judge_copies(drawn.images, known.training, known.heldout)
    counts = {verdict: sum(one.verdict == verdict for one in judged) for verdict in ("copy", "near-copy")}
    m, found = len(judged), sum(counts.values())
    low, high = share_limits(found, m)
    report = GateReport(
        run_id=drawn.run_id,
        generator=drawn.generator,
        passes=low <= calibration.allowed_share,
        copies=counts["copy"],
        near_copies=counts["near-copy"],
        share=found / m,
        low=low,
        high=high,
        allowed_share=calibration.allowed_share,
        near_limit=calibration.near_likeness,
        copy_limit=calibration.copy_likeness,
        caught=calibration.caught,
        planted=calibration.planted,
        false_alarms=calibration.false_alarms,
        honest_photos=calibration.honest,
        chance_to_fail={f"{share:.0%}": chance_to_fail(share, m, calibration) for share in SHARES},
        notes=tuple(warnings(calibration)),
        samples=tuple(
            SampleVerdict(
                file=name,
                verdict=one.verdict,
                likeness=one.likeness,
                photo=one.photo,
                down_px=one.down_px,
                right_px=one.right_px,
                mirrored=one.mirrored,
            )
            for name, one in zip(drawn.images.names, judged, strict=True)
        ),
    )
    if out is not None:
        report.write(out)
    return report
