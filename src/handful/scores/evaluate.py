"""Scores a set of samples under one frozen protocol: reads, extracts features, asks every score, writes one card."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.spatial.distance import cdist

from handful.core.artifacts import DatasetManifest, ScoreCard
from handful.core.config import fingerprint
from handful.core.decode import keep_out_of_photos
from handful.core.device import start_runtime
from handful.core.errors import UserError
from handful.core.progress import Listener, ignore
from handful.core.workspace import Workspace
from handful.features.image_set import ImageSet
from handful.features.networks import NETWORKS, find_network
from handful.features.weights import find_weights, list_weights
from handful.scores.base import FeatureSets
from handful.scores.bench import Bench
from handful.scores.image_sets import Photos, Samples, read_photos, read_samples
from handful.scores.protocol import DEFAULT_NETWORK, PIXELS, Protocol, card_name, find_protocol, plan, score_names

_SHOWN = 8
"""How many of the worst, and of the nearest, samples a card names."""


def score_samples(
    samples: Path,
    photos: Path,
    out: Path | None = None,
    protocol: str = "heldout-v1",
    network: str = "inception-2015",
    fold: int = 0,
    listener: Listener = ignore,
    device: str = "auto",
    threads: int | None = None,
    count: int | None = None,
) -> ScoreCard:
    """Judges samples against photos.

    Args:
        samples: a folder that `handful sample` made, or a plain folder of images of the photos' size.
        photos: a dataset folder, or a plain folder of photos of one size: held-out photos for heldout-v1
            (nearest_photo is then left out, as the training photos are unknown), training photos for training-v1.
        out: folder for the card; None writes nothing. Features, and scores on images, are kept in `cache` within it,
            or, in a workspace, in 5_scores/cache for all runs.
        protocol: heldout-v1, training-v1 or single-v1.
        network: a feature network, one with '+bf16' appended, or `pixels` for the scores that look at the images
            themselves.
        fold: the fold that the samples' run held out.
        listener: hears the progress.
        device: auto, cpu, cuda or mps.
        threads: CPU threads; None leaves torch's choice.
        count: judge the first `count` samples in order of seed; None judges all. Only cards with the same number of
            samples can be compared.

    Raises:
        UserError: an unknown name, missing weights, too few images, a folder of samples that holds photos, a run that
            saw the photos it would be judged with, or no score of a feature network that can be given. One that
            cannot be given beside others is named on the card, with the reason.
    """
    start = time.perf_counter()
    chosen = find_protocol(protocol)
    check_comparison([protocol], [network])
    if not score_names(network, chosen):
        raise UserError(
            f"{protocol} has no score in the space {network}.",
            f"It asks only what is defined from one photo: {', '.join(score_names(None, chosen))}.",
            f"Give --features {PIXELS}.",
        )
    kept = None
    if out is not None:
        kept = (out.parent if out.resolve().parent == Workspace(out.resolve().parent.parent).scores else out) / "cache"
        if not (photos / DatasetManifest.file_name).exists():
            keep_out_of_photos(out, photos)
            keep_out_of_photos(kept, photos)
    known = read_photos(photos, fold, chosen.reference)
    reference = known.heldout if chosen.reference == "heldout" else known.training
    _check_reference(chosen, len(np.unique(reference.photo_numbers())), fold)
    drawn = read_samples(samples, known, count)
    _check_run(drawn, known, fold)
    if chosen.reference == "heldout":
        _check_unseen(drawn, known.heldout)
    bench = Bench(
        chosen, network, known, start_runtime(device, precision="fp32", threads=threads).device, kept, listener
    )
    sets = bench.sets(drawn)
    names, left_out = bench.usable(sets)
    scores, refused = bench.ask(names, sets)
    left_out |= refused
    if left_out and not scores and network != PIXELS:  # images too small for every score on pixels are no mistake
        raise next(iter(left_out.values()))
    stated = plan(chosen, network, known.canvas, known.bit_depth, len(drawn.images), names)
    card = ScoreCard(
        protocol=card_name(chosen, network),
        protocol_fingerprint=fingerprint(stated),
        protocol_plan=stated,
        run_id=drawn.run_id,
        generator=drawn.generator,
        anchor=drawn.anchor,
        seed=drawn.seed,
        fold=fold,
        dataset_fingerprint=known.fingerprint,
        scores=tuple(scores),
        left_out={name: f"{error.what} {error.allowed}" for name, error in left_out.items()},
        notes=_group_notes(reference, "held-out" if chosen.reference == "heldout" else "training"),
        worst=_worst(sets, drawn.images) if isinstance(sets, FeatureSets) else (),
        nearest=_nearest(sets, drawn.images, known.training) if isinstance(sets, FeatureSets) else (),
        seconds=time.perf_counter() - start,
    )
    if out is not None:
        card.write(out)
    return card


def choose_spaces(stated: Sequence[str] | None, listener: Listener = ignore) -> tuple[str, ...]:
    """The feature spaces of a comparison: those stated, else `pixels` and every network whose weights are here.

    Raises:
        UserError: none is stated, and no network's weights are here.
    """
    if stated is not None:
        return tuple(stated)
    missing = [status.network for status in list_weights() if status.state != "found"]
    here = [name for name in NETWORKS if name not in missing]
    if not here:
        find_weights(NETWORKS[DEFAULT_NETWORK])  # says how to get them
    if missing:
        words = f"{', '.join(missing)}: left out, as the weights are not here (`handful weights` says how to add them)"
        listener({"event": "spaces", "words": words})
    return (*here, PIXELS)


def check_comparison(protocols: Sequence[str], spaces: Sequence[str]) -> None:
    """Makes sure, before hours of training, that scoring will be possible.

    Raises:
        UserError: an unknown protocol or space, or weights that are missing or wrong.
    """
    for protocol in protocols:
        find_protocol(protocol)
    for space in spaces:
        if space != PIXELS:
            find_weights(find_network(space)[0])


def check_split(dataset: DatasetManifest, protocols: Sequence[str]) -> None:
    """Makes sure, before hours of training, that every fold has enough photos to be judged with.

    Raises:
        UserError: a fold with fewer photos than a protocol needs.
    """
    for protocol in map(find_protocol, protocols):
        for fold in range(dataset.folds):
            images = dataset.heldout(fold) if protocol.reference == "heldout" else dataset.training(fold)
            _check_reference(protocol, len({image.photo for image in images}), fold)


def _check_reference(protocol: Protocol, photos: int, fold: int) -> None:
    if photos < protocol.least_reference:
        kind = "held-out" if protocol.reference == "heldout" else "training"
        raise UserError(
            f"Fold {fold} has {photos} {kind} photo(s).",
            f"{protocol.name} compares samples with {kind} photos and needs at least {protocol.least_reference}.",
            "Add photos, build the data set again with more of them held out (`handful dataset --heldout`), or give "
            "--protocol single-v1, which needs none held out and ranks nothing."
            if protocol.reference == "heldout"
            else "Add photos, or give --protocol single-v1, which is for one photo and ranks nothing.",
        )


def _group_notes(photos: ImageSet, kind: str) -> tuple[str, ...]:
    """What near-duplicates among the photos mean for every score of the card."""
    known = len(set(photos.photos or photos.names))
    groups = len(set(photos.groups)) if photos.groups is not None else known
    if photos.all_alike:
        return (
            f"The {known} {kind} photos are all near-duplicates of one another: no interval can be given, and nothing "
            "can be said of other photos.",
        )
    if groups == known:
        return ()
    return (f"The {known} {kind} photos form {groups} groups of near-duplicates; each group counts as one photo.",)


def _check_run(samples: Samples, photos: Photos, fold: int) -> None:
    """Refuses a run whose training photos are not among the training photos of this fold, where both are known."""
    seen, folds = samples.training_fingerprint, photos.training_fingerprints
    if seen is None or not folds or folds[fold] == seen:
        return
    if samples.training_pixels and set(samples.training_pixels) <= set(photos.training.hashes):
        return  # `most_photos` took some of them
    raise UserError(
        f"The run {samples.run_id} was not trained on the training photos of fold {fold}.",
        f"Only a run that never saw the held-out photos of fold {fold} may be judged with them.",
        f"Score it with --fold {folds.index(seen)}." if seen in folds else "Give the data set that it was trained on.",
    )


def _check_unseen(samples: Samples, heldout: ImageSet) -> None:
    """Refuses photos of which the run saw any, told by their pixels."""
    known = set(samples.training_pixels)
    seen = [name for name, pixels in zip(heldout.names, heldout.hashes, strict=True) if pixels in known]
    if seen:
        raise UserError(
            f"The run {samples.run_id} was trained on {len(seen)} of these {len(heldout)} photos, "
            f"for example {seen[0]}.",
            "heldout-v1 needs photos that the run never saw.",
            "Give other photos, or use --protocol training-v1.",
        )


def _worst(sets: FeatureSets, samples: ImageSet) -> tuple[str, ...]:
    """The samples farthest from their nearest reference photo."""
    distances = cdist(sets.samples, sets.reference).min(1)
    return tuple(samples.names[row] for row in np.argsort(-distances, kind="stable")[:_SHOWN])


def _nearest(sets: FeatureSets, samples: ImageSet, training: ImageSet) -> tuple[tuple[str, str, float], ...]:
    """The samples nearest to a training photo, with that photo and the distance."""
    if not len(training):
        return ()
    distances = cdist(sets.samples, sets.training)
    rows = np.argsort(distances.min(1), kind="stable")[:_SHOWN]
    photos = distances.argmin(1)
    return tuple((samples.names[row], training.names[photos[row]], float(distances[row, photos[row]])) for row in rows)
