"""Gate: the share of samples that are copies of training photos, shifted, mirrored, brighter, darker or recompressed.

Paper: none; the need is that of Stein et al. (2023), "Exposing flaws of generative model evaluation metrics", arXiv
    2306.04675: no score on features finds copies reliably, so this one is calibrated on the photos at hand.
Read: 0 is what an honest generator scores. Each sample is compared with every training photo under every shift of up to
    an eighth of a side (16 px at 128) and mirrored. `near_limit` is the likeness above which a sample is a near-copy,
    a quarter of the way from the most alike pair of different photos to planted copies; at `copy_limit` it is as alike
    as planted copies are. `caught_KIND` is the share of planted copies of a kind that is caught, `false_alarms` that of
    honest photos that are called copies. Where these are bad the photos are too alike for the question: a note says so.
Few images: the limits come from the photos themselves; with 10 photos false alarms are known to about 0.3. Only what
    was planted is claimed: turned or rescaled copies, and collages of several photos, pass.
Oracle: planted copies, at 1, 5 and 20 % and of each kind; different photos.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import stats

from handful.core.artifacts import Score
from handful.core.images import unit_to_grey
from handful.features.image_set import ImageSet
from handful.scores.alike import Match, Photos
from handful.scores.base import ImageSets, ScoreFacts, check_counts, count_photos
from handful.scores.planted import KINDS, SHIFT_SHARE, plant
from handful.statistics.binomial import share_limits

FACTS = ScoreFacts(
    better="lower",
    perfect="0: no sample is a copy",
    best=0.0,
    least_reference=3,
    least_samples=1,
    compares_with="training",
    needs="images",
    sees="novelty",
    version=6,
)

ALLOWED_SHARE = 0.01
"""A set fails when its share of copies is above this beyond doubt: the lower limit of its interval."""
SHARES = (0.01, 0.05, 0.2)
"""Of copies in a set, for which the chance to fail is stated."""
_PLANTED_PHOTOS = 24
"""At most so many photos are planted in each kind."""
_QUANTILE = 0.01
_NEAR_SHARE = 0.25
"""Of the way from the most alike pair of photos to copies: farther off, copies changed in other ways are missed."""
_TAIL = 4
"""The largest likenesses of honest photos are the largest of so many."""
_TOP = 255.0
Likenesses = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Calibration:
    """What the photos say about the limits; likenesses as Fisher's z."""

    near_limit: float
    copy_limit: float
    caught: dict[str, float]
    """Kind -> share of planted copies of photos that the limits were not taken from."""
    false_alarms: float
    """Share of honest photos, each against limits taken without it."""
    beyond: float
    """Share of honest photos expected above the limit, by how their largest likenesses fall off."""
    honest: int
    """How many honest photos."""
    planted: int
    """Of each kind."""

    @property
    def allowed_share(self) -> float:
        """What a set may show: `ALLOWED_SHARE`, or what an honest generator is expected to show where that is more.

        That is as many honest photos as are called copies beyond doubt, or as are expected above the limit.
        """
        if not self.honest:
            return ALLOWED_SHARE
        alarms = round(self.false_alarms * self.honest)
        return max(ALLOWED_SHARE, share_limits(alarms, self.honest)[0], self.beyond)

    @property
    def near_likeness(self) -> float:
        """`near_limit` as a correlation."""
        return float(np.tanh(self.near_limit))

    @property
    def copy_likeness(self) -> float:
        """`copy_limit` as a correlation."""
        return float(np.tanh(self.copy_limit))


@dataclass(frozen=True)
class Judged:
    """One sample."""

    verdict: Literal["new", "near-copy", "copy"]
    likeness: float
    photo: str
    """The training image that it is most alike to."""
    down_px: int
    right_px: int
    mirrored: bool


def score(sets: ImageSets) -> Score:
    """The share of samples that are copies or near-copies.

    Raises:
        UserError: fewer than 3 training photos, or no sample.
    """
    check_counts("gate", FACTS, sets)
    calibration, judged = judge_copies(sets.samples, sets.training, sets.heldout)
    m = len(judged)
    found = sum(one.verdict != "new" for one in judged)
    low, high = share_limits(found, m)
    details = {
        "copies": float(sum(one.verdict == "copy" for one in judged)),
        "near_copies": float(sum(one.verdict == "near-copy" for one in judged)),
        "near_limit": calibration.near_likeness,
        "copy_limit": calibration.copy_likeness,
        "false_alarms": calibration.false_alarms,
        "honest_photos": float(calibration.honest),
        "allowed_share": calibration.allowed_share,
        "passes": float(low <= calibration.allowed_share),
    }
    details |= {f"caught_{kind.replace(' ', '_')}": share for kind, share in calibration.caught.items()}
    details |= {f"fails_at_{share:.0%}": chance_to_fail(share, m, calibration) for share in SHARES}
    return Score(
        name="gate",
        value=found / m,
        low=low,
        high=high,
        n_reference=count_photos(sets.training),
        m_samples=m,
        notes=tuple(warnings(calibration)),
        details=details,
    )


def judge_copies(samples: ImageSet, training: ImageSet, heldout: ImageSet) -> tuple[Calibration, list[Judged]]:
    """Calibrates on the photos, then judges every sample."""
    order = sorted(range(len(training)), key=training.hashes.__getitem__)  # what they hold decides
    known = _grey(training, order)
    owners = training.photo_numbers()[order]
    photos = Photos(known, SHIFT_SHARE)
    calibration = calibrate(photos, known, owners, _grey(heldout, range(len(heldout))))
    judged = []
    for start in range(0, len(samples), 64):
        rows = range(start, min(start + 64, len(samples)))
        judged += [
            Judged(
                _verdict(match, calibration),
                match.likeness,
                training.names[order[match.photo]],
                match.down_px,
                match.right_px,
                match.mirrored,
            )
            for match in photos.match(_grey(samples, rows))
        ]
    return calibration, judged


def calibrate(
    photos: Photos, training: npt.NDArray[np.float32], owners: npt.NDArray[np.intp], heldout: npt.NDArray[np.float32]
) -> Calibration:
    """Limits and rates from honest photos and planted copies.

    Args:
        photos: the training images, made ready.
        training: the same, (n, h, w) on the scale 0 to 255.
        owners: the photo, or group of near-duplicates, of each: its own are not compared.
        heldout: other photos, may be none.
    """
    own = owners[:, None] == owners
    alone = (~own).sum(1) < 2  # one to be compared with, and one more to say what all share
    honest = [*_likenesses(photos.match(training[~alone], own[~alone])), *_likenesses(photos.match(heldout))]
    rows = np.linspace(0, len(training) - 1, min(len(training), _PLANTED_PHOTOS)).round().astype(np.intp)
    planted = np.stack([_likenesses(photos.match(plant(training[rows], kind))) for kind in KINDS])  # (kinds, photos)
    negatives = np.array(honest)
    near, copy = _limits(negatives, planted)
    caught = np.zeros(planted.shape, np.bool_)
    for half in (0, 1):  # limits from one half of the photos judge the other
        limit = _limits(negatives, planted[:, half::2])[0]
        caught[:, 1 - half :: 2] = planted[:, 1 - half :: 2] > limit
    alarms = [one > _limits(np.delete(negatives, row), planted)[0] for row, one in enumerate(negatives)]
    return Calibration(
        near,
        copy,
        {kind: float(hits.mean()) for kind, hits in zip(KINDS, caught, strict=True)},
        float(np.mean(alarms)) if alarms else 0.0,
        _beyond(negatives, near),
        len(negatives),
        len(rows),
    )


def chance_to_fail(share: float, samples: int, calibration: Calibration) -> float:
    """The probability that a set with this share of copies, of all planted kinds equally, fails the gate."""
    copies = round(share * samples)
    hit = float(np.mean(list(calibration.caught.values())))
    flagged = np.convolve(
        stats.binom.pmf(np.arange(copies + 1), copies, hit),
        stats.binom.pmf(np.arange(samples - copies + 1), samples - copies, calibration.false_alarms),
    )
    allowed = calibration.allowed_share
    least = next((count for count in range(samples + 1) if share_limits(count, samples)[0] > allowed), samples + 1)
    return float(min(1.0, flagged[least:].sum()))


def warnings(calibration: Calibration) -> list[str]:
    """When not to trust the gate, each one sentence."""
    lines = []
    missed = [f"{kind} {share:.0%}" for kind, share in calibration.caught.items() if share < 0.99]
    if missed:
        lines.append(
            f"Of planted copies it catches less than 99 %: {', '.join(missed)}. Real photos are too alike for the rest."
        )
    if calibration.false_alarms > 0.01:
        lines.append(
            f"It calls {calibration.false_alarms:.0%} of {calibration.honest} honest photos copies, each against "
            "limits taken without it: some photos are near-duplicates, or they are few."
        )
    return lines


def _limits(honest: Likenesses, planted: Likenesses) -> tuple[float, float]:
    """(near-copy, copy) as Fisher's z."""
    copy = float(np.quantile(planted, _QUANTILE))
    most = float(honest.max()) if len(honest) else 0.0
    return most + _NEAR_SHARE * max(copy - most, 0.0), max(copy, most)


def _beyond(honest: Likenesses, limit: float) -> float:
    """Share of new honest photos expected above a limit that at most few of these reach.

    The largest quarter is taken to fall off exponentially (peaks over a threshold: Pickands, Ann. Statist. 3, 1975).
    At the most alike of n or below it is no less than the 1 in n + 1 that passes the largest of n.
    """
    above = len(honest) // _TAIL
    if not above:
        return 1 / (len(honest) + 1)
    largest = np.sort(honest)[-above - 1 :]
    fall = float((largest[1:] - largest[0]).mean())
    share = above / len(honest) * float(np.exp(-max(0.0, limit - largest[0]) / fall)) if fall > 0 else 0.0
    return max(share, 1 / (len(honest) + 1)) if limit <= largest[-1] else share


def _verdict(match: Match, calibration: Calibration) -> Literal["new", "near-copy", "copy"]:
    z = _likenesses([match])[0]
    if z <= calibration.near_limit:
        return "new"
    return "copy" if z >= calibration.copy_limit else "near-copy"


def _likenesses(matches: Sequence[Match]) -> Likenesses:
    """As Fisher's z, in which differences near 1 count as they should."""
    found: Likenesses = np.arctanh(np.clip([match.likeness for match in matches], -1 + 1e-9, 1 - 1e-9))
    return found


def _grey(images: ImageSet, rows: Sequence[int]) -> npt.NDArray[np.float32]:
    """(n, h, w) on the scale 0 to 255."""
    if not len(rows):
        return np.zeros((0, 1, 1), np.float32)
    return np.stack([(unit_to_grey(images.unit(row))[0] + 1) * np.float32(_TOP / 2) for row in rows])
