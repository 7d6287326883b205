"""A workspace as the stages leave it, written through the manifests: every stage, small pictures, known numbers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from report_cards import CODE, score

from handful.core.artifacts import (
    Alarm,
    DatasetImage,
    DatasetManifest,
    Photo,
    PhotoAudit,
    RunManifest,
    SampleManifest,
    SampleRow,
    Score,
    ScoreCard,
    Size,
    Unreadable,
)
from handful.core.images import Integers, pixels_sha256, png_bytes
from handful.core.seeds import numpy_stream
from handful.core.workspace import Workspace, write_atomically

HOSTILE = "<b>ü&.png"
"""A photo name that must reach the page as text."""
WIDTH, HEIGHT = 32, 24
KID = {"dcgan": 0.031, "began": 0.094, "copies": 0.012, "classic": 0.058}


def picture(
    random: np.random.Generator, bend: float, noise: float, width: int = WIDTH, height: int = HEIGHT
) -> Integers:
    """A grey bead on a darker sheet, 8 bit."""
    y, x = np.mgrid[:height, :width]
    centre = height * (0.5 + bend * np.sin(x / width * 3))
    bead = 150 * np.exp(-(((y - centre) / (0.12 * height)) ** 2))
    return np.clip(70 + bead + random.normal(0, noise, (height, width)), 0, 255).astype(np.uint8)


def write_photos(work: Path, count: int = 10, heldout: int = 3) -> None:
    """1_photos and 2_dataset: `heldout` photos in fold 0, one unreadable file, one duplicate."""
    place = Workspace(work)
    names = [HOSTILE, *(f"Bild {number} (Kopie).JPG" for number in range(1, count))]
    images, photos = [], []
    for number, name in enumerate(names):
        pixels = picture(numpy_stream(0, "photo", number), 0.1 * (number % 3), 5)
        file = f"images/{number:03d}.png"
        write_atomically(place.dataset / file, png_bytes(pixels, 8))
        photos.append(
            Photo(
                name=name,
                file_sha256=f"{number:064x}",
                pixels_sha256=pixels_sha256(pixels),
                size=Size(width=658, height=490),
                channels=1,
                bit_depth=8,
                format="PNG L",
                sharpness=12.0,
                mean=0.4,
                dark_share=0.0,
                bright_share=0.01,
                duplicate_of=HOSTILE if number == count - 1 else None,
                group=number,
            )
        )
        fold = 0 if number < heldout else None
        images.append(DatasetImage(file=file, photo=name, pixels_sha256=pixels_sha256(pixels), group=number, fold=fold))
    broken = Unreadable(name="kaputt & cut.tif", reason="the file ends in the middle of a strip")
    PhotoAudit(
        folder=str(work / "Fotos Sommer"), photos=tuple(photos), unreadable=(broken,),
        warnings=("Brightness drifts by 12 % from the first photo to the last.",), fingerprint="a" * 64,
    ).write(place.photos)  # fmt: skip
    DatasetManifest(
        canvas=Size(width=WIDTH, height=HEIGHT), channels=1, bit_depth=8, fit="crop", filter="lanczos",
        split="random, 30 % held out, seed 0", folds=1, photo_size=Size(width=658, height=490),
        photo_folder=str(work / "Fotos Sommer"), images=tuple(images), left_out=(broken,), warnings=(),
        fingerprint="d" * 64,
    ).write(place.dataset)  # fmt: skip


def write_run(work: Path, generator: str, seed: int = 0, samples: int = 6, alarm: bool = False) -> str:
    """3_train and 4_samples of one run; returns its id."""
    place = Workspace(work)
    run_id = f"{generator}-s{seed}-f0-{CODE}"
    anchor = generator in ("copies", "classic")
    source = "algorithmicallyEnhanced" if anchor else "trainedAlgorithmicMedia"
    alarms = (Alarm(kind="collapse", step=40, words="samples of different seeds look <alike>"),) if alarm else ()
    RunManifest(
        run_id=run_id, generator=generator, generator_settings={} if anchor else {"width": 64, "learning_rate": 0.0002},
        train_settings={"budget": "50steps", "batch": 8, "augment": ["flip", "color"], "device": "cpu"}, seed=seed,
        fold=0, dataset_folder=str(place.dataset), dataset_fingerprint="d" * 64, training_fingerprint="e" * 64,
        canvas=Size(width=WIDTH, height=HEIGHT), channels=1, bit_depth=8, training_images=7, source_type=source,
        anchor=anchor, status="stopped" if alarm else "finished", alarms=alarms, steps=0 if anchor else 50,
        images_seen=0 if anchor else 400, seconds=0.2 if anchor else 84.0, checkpoint=None, weights_sha256="f" * 64,
        device="cpu", versions={"torch": "2.4"},
    ).write(place.train / run_id)  # fmt: skip
    if not anchor:
        random = numpy_stream(seed, "losses")
        events = [{"event": "start", "step": 0}, {"event": "forecast", "seconds": 80.0, "step": 0}]
        for step in range(1, 51):
            losses = {"discriminator": 1.4 - 0.01 * step + 0.1 * random.normal(), "generator": 0.7 + 0.02 * step}
            events.append({"event": "step", "step": step, "losses": losses, "progress": step / 50})
        lines = "".join(json.dumps(event) + "\n" for event in events)
        write_atomically(place.train / run_id / "events.jsonl", (lines + '{"event": "st').encode())  # cut by a kill
    folder = place.samples / run_id
    rows = []
    for number in range(samples):
        pixels = picture(numpy_stream(seed, generator, number), 0.1 * (number % 3), 20)
        write_atomically(folder / f"{number:06d}.png", png_bytes(pixels, 8))
        rows.append(
            SampleRow(
                file=f"{number:06d}.png",
                seed=number,
                run_id=run_id,
                photos_fingerprint="e" * 64,
                weights_sha256="f" * 64,
                pixels_sha256=pixels_sha256(pixels),
            )
        )
    write_atomically(folder / "samples.jsonl", "".join(row.model_dump_json() + "\n" for row in rows).encode())
    SampleManifest(
        run_id=run_id, generator=generator, anchor=anchor, source_type=source, seed=seed, count=samples,
        canvas=Size(width=WIDTH, height=HEIGHT), channels=1, bit_depth=8, training_fingerprint="e" * 64,
        weights_sha256="f" * 64, seconds=0.4,
    ).write(folder)  # fmt: skip
    return run_id


def write_card(
    work: Path, generator: str, seed: int = 0, protocol: str = "heldout-v1", shift: float = 0.0
) -> ScoreCard:
    """5_scores of one run: kid, fid and nearest_photo."""
    run_id = f"{generator}-s{seed}-f0-{CODE}"
    kid = KID.get(generator, 0.05) + 0.0013 * seed + shift
    n = 3 if protocol == "heldout-v1" else 7
    nearest = 0.0 if generator == "copies" else 0.93
    scores: tuple[Score, ...] = (
        score("fid", 41.237 + 100 * kid, None, n, 6),
        score("kid", kid, 0.0123, n, 6, notes=("With 3 photos the interval is rough.",)),
        score("nearest_photo", nearest, 0.05, 7, 6),
    )
    card = ScoreCard(
        protocol=protocol, protocol_fingerprint=("1" if protocol == "heldout-v1" else "2") * 64,
        protocol_plan={
            "name": protocol, "reference": protocol.split("-")[0], "network": "inception-2015",
            "estimators": {"kid": 1}, "samples": 6,
        },
        run_id=run_id, generator=generator, anchor=generator in ("copies", "classic"), seed=seed, fold=0,
        dataset_fingerprint="d" * 64, scores=scores, worst=("000003.png", "000001.png"),
        nearest=(("000002.png", "images/004.png", 1.2345), ("000000.png", "images/005.png", 2.5)), seconds=0.7,
    )  # fmt: skip
    card.write(Workspace(work).scores / run_id)
    return card


def write_workspace(
    work: Path,
    generators: Sequence[str] = ("dcgan", "began", "copies", "classic"),
    seeds: Sequence[int] = (0,),
    protocols: Sequence[str] = ("heldout-v1", "training-v1"),
) -> list[ScoreCard]:
    """A finished workspace; returns its cards."""
    write_photos(work)
    cards = []
    for generator in generators:
        for seed in seeds:
            write_run(work, generator, seed, alarm=generator == "began" and seed == 0)
            cards += [write_card(work, generator, seed, protocol) for protocol in protocols]
    return cards
