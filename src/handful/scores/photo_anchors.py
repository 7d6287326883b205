"""Anchors from photos alone: what scores give real photos, blurred photos and noisy photos.

A score that compares with held-out photos is given the training photos as samples; one that compares with training
photos is given the held-out photos: so what it sees is new to it. Blur and noise are faults of closeness: scores of
variety and of copying are asked about real photos alone. There are as many samples as photos, fewer than are drawn.
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
from scipy import ndimage

from handful.core import registry
from handful.core.artifacts import Score, ScoreCard
from handful.core.config import fingerprint
from handful.core.device import start_runtime
from handful.core.images import Floats, integers_to_unit, pixels_sha256, unit_to_integers
from handful.core.progress import Listener, ignore
from handful.core.seeds import numpy_stream
from handful.features.image_set import ImageSet
from handful.scores.base import ScoreFacts
from handful.scores.bench import Bench
from handful.scores.image_sets import Samples, read_photos
from handful.scores.protocol import Protocol, card_name, find_protocol, plan

BLUR_SHARE = 1 / 64
"""Standard deviation of the blur, of the short side: 2 px at 128."""
NOISE_SHARE = 0.1
"""Standard deviation of the noise, of the range: 25 levels of 255."""
REAL, BLURRED, NOISY = "real photos", "blurred photos", "noisy photos"

Side = Literal["training", "heldout"]


def score_photo_anchors(
    photos: Path,
    out: Path | None = None,
    protocol: str = "heldout-v1",
    network: str = "inception-2015",
    fold: int = 0,
    listener: Listener = ignore,
    device: str = "auto",
    threads: int | None = None,
) -> tuple[ScoreCard, ...]:
    """Judges the photos of a data set, and the same blurred and noisy, as if they were samples.

    Args:
        photos: a dataset folder.
        out: 5_scores of a workspace, or any folder: each card gets a folder in it. None writes nothing.
        protocol: as of the generators' cards.
        network: as of the generators' cards.
        fold: whose photos are held out.
        listener: hears the progress.
        device: auto, cpu, cuda or mps.
        threads: CPU threads; None leaves torch's choice.

    Returns:
        A card for each anchor; none where no photo is held out, for then no photo is new.

    Raises:
        UserError: an unknown name, missing weights, or a data set that is not what it should be.
    """
    chosen = find_protocol(protocol)
    known = read_photos(photos, fold, chosen.reference)
    if not len(known.heldout) or not len(known.training):
        return ()
    runtime = start_runtime(device, precision="fp32", threads=threads)
    bench = Bench(chosen, network, known, runtime.device, out / "cache" if out is not None else None, listener)
    cards = tuple(_card(bench, anchor, fold) for anchor in (REAL, BLURRED, NOISY))
    if out is not None:
        for card in cards:
            card.write(out / card.run_id)
    return cards


def new_to(facts: ScoreFacts, protocol: Protocol) -> Side:
    """Which photos are new to what a score compares with."""
    if facts.compares_with == "reference":
        return "training" if protocol.reference == "heldout" else "heldout"
    return "training" if facts.compares_with in ("both", "nothing") else "heldout"


def _card(bench: Bench, anchor: str, fold: int) -> ScoreCard:
    start = time.perf_counter()
    known = bench.photos
    run_id = f"{anchor.replace(' ', '-')}-f{fold}"
    samples = {
        side: Samples(_changed(images, anchor), run_id, anchor, anchor=True, seed=None, training_fingerprint=None)
        for side, images in (("training", known.training), ("heldout", known.heldout))
    }
    sets = {side: bench.sets(drawn) for side, drawn in samples.items()}
    names, left_out = bench.usable(sets["training"])
    scores: list[Score] = []
    for name in names:
        facts: ScoreFacts = registry.load("scores", name).FACTS
        if anchor == REAL or facts.sees == "closeness":
            found, refused = bench.ask([name], sets[new_to(facts, bench.protocol)])
            scores += found
            left_out |= refused
    stated = plan(bench.protocol, bench.space, known.canvas, known.bit_depth, len(known.training), names)
    return ScoreCard(
        protocol=card_name(bench.protocol, bench.space),
        protocol_fingerprint=fingerprint(stated),
        protocol_plan=stated,
        run_id=run_id,
        generator=anchor,
        anchor=True,
        of_photos=True,
        seed=None,
        fold=fold,
        dataset_fingerprint=known.fingerprint,
        scores=tuple(scores),
        left_out={name: f"{error.what} {error.allowed}" for name, error in left_out.items()},
        worst=(),
        nearest=(),
        seconds=time.perf_counter() - start,
    )


def _changed(images: ImageSet, anchor: str) -> ImageSet:
    """The same photos under the same names; near-duplicates stay what they are."""
    if anchor == REAL:
        return images
    units = (integers_to_unit(images.read(row), images.bit_depth) for row in range(len(images)))
    changed = map(_blur, units) if anchor == BLURRED else map(_add_noise, units, images.hashes)
    pixels = [unit_to_integers(unit, images.bit_depth) for unit in changed]
    return replace(images, hashes=tuple(map(pixels_sha256, pixels)), read=pixels.__getitem__)


def _blur(image: Floats) -> Floats:
    """(c, h, w)"""
    sigma = min(image.shape[1:]) * BLUR_SHARE
    blurred: Floats = ndimage.gaussian_filter(image, (0, sigma, sigma), mode="nearest")
    return blurred


def _add_noise(image: Floats, pixels: str) -> Floats:
    """The same noise for a photo in every fold: what networks make of it is computed once."""
    noise = numpy_stream(0, f"noisy photo {pixels}").normal(0, 2 * NOISE_SHARE, image.shape)  # the range is 2
    return image + noise.astype(np.float32)
