"""The reviewer's own test: which of these images are photos, which are samples? Nothing in the files gives it away.

The key is written before the first answer, with its SHA-256 beside the answers, and is read only when every answer is
given: neither can the key follow the answers, nor is it seen by accident.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import secrets
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from handful.core.artifacts import DatasetManifest, SampleManifest, read_sample_rows
from handful.core.errors import UserError
from handful.core.images import Floats, png_bytes, read_unit_images, resize, unit_to_integers
from handful.core.workspace import write_atomically
from handful.inspection.contact_sheet import write_sheets
from handful.pages.words import percent
from handful.statistics.binomial import share_limits

ANSWERS = "answers.csv"
KEY = "key.sealed"
LEAST_IMAGES = 10
_WORDS = ("photo", "sample")


@dataclass(frozen=True)
class BlindResult:
    """How often the reviewer was right."""

    right: int
    trials: int
    low: float
    high: float

    @property
    def words(self) -> str:
        told = "tells samples from photos" if self.low > 0.5 else "was not shown to tell samples from photos"
        return (
            f"{self.right} of {self.trials} right ({percent(self.right / self.trials)}, exact 95 % limits "
            f"{percent(self.low)} to {percent(self.high)}; 50 % is guessing): the reviewer {told}."
        )


def start_blind_test(samples: Path, dataset: Path, count: int, out: Path) -> BlindResult | None:
    """Writes a blind test of `count` images, half photos and half samples; or, where one was begun, marks it.

    Returns:
        The result; None while answers are missing.

    Raises:
        UserError: too few images for the count, an answer that is neither photo nor sample, a key that was changed.
    """
    if (out / KEY).exists():
        return _mark(out)
    each = count // 2
    rows = list(read_sample_rows(samples).values())
    manifest, drawn = DatasetManifest.read(dataset), SampleManifest.read(samples)
    labels = {row.label for row in rows}
    photos = [image for image in manifest.images if image.label in labels] or list(manifest.images)
    if count < LEAST_IMAGES or count % 2 or min(len(rows), len(photos)) < each:
        raise UserError(
            f"A blind test of {count} images was asked for; there are {len(rows)} samples and {len(photos)} photos.",
            f"It takes an even number from {LEAST_IMAGES}, half of it photos.",
            f"Give --blind {max(LEAST_IMAGES, 2 * min(len(rows), len(photos)))}"
            + ("." if min(len(rows), len(photos)) >= LEAST_IMAGES // 2 else ", and draw more samples."),
        )
    chance = np.random.default_rng(secrets.randbits(128))  # nobody can compute the order from a seed
    chosen = [photos[row].file for row in chance.permutation(len(photos))[:each]]
    real = read_unit_images(dataset, chosen, manifest.bit_depth)
    fake = read_unit_images(samples, [rows[row].file for row in chance.permutation(len(rows))[:each]], drawn.bit_depth)
    images: list[Floats] = [*real, *(resize(one, real.shape[3], real.shape[2], "bicubic") for one in fake)]
    order = chance.permutation(count)
    for number, row in enumerate(order, start=1):  # written anew, without the texts that name its generator
        write_atomically(out / _file(number), png_bytes(unit_to_integers(images[row], 8), 8))
    key = json.dumps({"salt": secrets.token_hex(16), "truth": [_WORDS[int(row >= each)] for row in order]})
    write_atomically(out / KEY, base64.b64encode(key.encode()))
    write_sheets(out, [_file(number) for number in range(1, count + 1)], 8, out, "Photo or sample?", ANSWERS)
    lines = [f"number,answer,key_sha256={hashlib.sha256(key.encode()).hexdigest()}"]
    lines += [f"{number},," for number in range(1, count + 1)]
    write_atomically(out / ANSWERS, ("\n".join(lines) + "\n").encode())
    return None


def _mark(out: Path) -> BlindResult | None:
    text = (out / ANSWERS).read_text(encoding="utf-8-sig")
    header, *lines = csv.reader(io.StringIO(text), delimiter=";" if ";" in text.partition("\n")[0] else ",")
    answers = {int(line[0]): line[1].strip().lower() for line in lines if line and line[0].strip()}
    key = base64.b64decode((out / KEY).read_bytes())
    if header[-1].partition("=")[2].strip() != hashlib.sha256(key).hexdigest():
        raise UserError(
            f"{out / KEY} is not the key that the answers were sealed with.",
            "Its SHA-256 must be the one in the first line of the answers.",
            f"Move {out} away and begin a new blind test.",
        )
    truth = json.loads(key)["truth"]
    wrong = [(number, word) for number, word in answers.items() if word not in ("", *_WORDS) or number > len(truth)]
    if wrong:
        raise UserError(
            f"{out / ANSWERS} says '{wrong[0][1]}' of image {wrong[0][0]}.",
            f"The answer to each of the {len(truth)} images is photo or sample.",
            "Correct that line and run the same command again.",
        )
    if any(not answers.get(number) for number in range(1, len(truth) + 1)):
        return None
    right = sum(answers[number] == word for number, word in enumerate(truth, start=1))
    return BlindResult(right, len(truth), *share_limits(right, len(truth)))


def _file(number: int) -> str:
    return f"image-{number:03d}.png"
