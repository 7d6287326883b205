"""The reviewer's word on samples: a contact sheet to look at, and a table to fill in.

`review.csv` has a line for each sample. Whoever rejects one writes 'no' and a reason. Rejected samples stay where they
are; `handful inspect` leaves them out.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from handful.core.artifacts import SampleManifest, SampleRow, read_sample_rows
from handful.core.errors import UserError
from handful.core.workspace import write_atomically
from handful.inspection.contact_sheet import write_sheets

TABLE = "review.csv"
_COLUMNS = ("number", "file", "label", "accepted", "reason", "pixels_sha256")


@dataclass(frozen=True)
class ReviewAnswer:
    """What the reviewer said of one sample."""

    file: str
    accepted: bool
    reason: str


@dataclass(frozen=True)
class Review:
    """The reviewer's word on a set."""

    answers: Mapping[str, ReviewAnswer]
    """By `pixels_sha256` of the sample: a sample drawn again is another one."""

    @property
    def accepted(self) -> int:
        return sum(one.accepted for one in self.answers.values())

    @property
    def rejected(self) -> int:
        return len(self.answers) - self.accepted


def start_review(samples: Path, out: Path) -> Review:
    """Writes the contact sheets and the table of a set, or reads what was filled in and adds samples drawn since.

    Args:
        samples: folder of the set.
        out: folder of its review.

    Raises:
        UserError: no such set, a table that cannot be understood, an answer that is neither yes nor no, a 'no' without
            a reason.
    """
    manifest = SampleManifest.read(samples)
    rows = list(read_sample_rows(samples).values())
    before = read_review(out)
    answers = {
        row.pixels_sha256: before.answers[row.pixels_sha256]
        if before is not None and row.pixels_sha256 in before.answers
        else ReviewAnswer(row.file, True, "")
        for row in rows
    }
    if before is not None:  # whoever drew a set anew may want to know what was said of the old one
        answers |= {key: value for key, value in before.answers.items() if key not in answers}
    write_sheets(samples, [row.file for row in rows], manifest.bit_depth, out, samples.name, TABLE)
    labels = {row.pixels_sha256: row.label for row in rows}
    write_atomically(out / TABLE, _table(answers, labels).encode("utf-8"))
    return Review(answers)


def read_review(out: Path) -> Review | None:
    """The review in a folder; None where there is none.

    Raises:
        UserError: as `start_review`.
    """
    path = out / TABLE
    if not path.exists():
        return None
    text = path.read_text(encoding="utf-8-sig")
    delimiter = ";" if ";" in text.partition("\n")[0] else ","  # spreadsheets write what their country writes
    reader = csv.DictReader(io.StringIO(text), delimiter=delimiter)
    if not set(_COLUMNS) <= set(reader.fieldnames or ()):
        raise UserError(
            f"{path} has the columns {', '.join(reader.fieldnames or ()) or 'none'}.",
            f"It needs these {len(_COLUMNS)}: {', '.join(_COLUMNS)}.",
            "Keep the first line as `handful review` wrote it, or move the file away and run it again.",
        )
    answers = {}
    for line in reader:
        word = (line["accepted"] or "").strip().lower()
        reason = (line["reason"] or "").strip()
        if word not in ("yes", "no") or (word == "no" and not reason):
            said = f"'{line['accepted']}'" if word not in ("yes", "no") else "'no' without a reason"
            raise UserError(
                f"{path} says {said} of the sample {line['file']}.",
                "Each sample is accepted with yes, or rejected with no and a reason.",
                f"Correct that line (number {line['number']}) and run the same command again.",
            )
        answers[line["pixels_sha256"]] = ReviewAnswer(line["file"], word == "yes", reason)
    return Review(answers)


def accepts(review: Review | None, row: SampleRow) -> bool:
    """Whether a sample may be used; all may where nobody reviewed the set.

    Raises:
        UserError: a sample that was drawn after the review.
    """
    if review is None:
        return True
    answer = review.answers.get(row.pixels_sha256)
    if answer is None:
        raise UserError(
            f"The sample {row.file} was drawn after its set was reviewed.",
            f"The review has {len(review.answers)} samples; every sample needs an answer.",
            "Run `handful review` on the set again: it adds what is new.",
        )
    return answer.accepted


def _table(answers: Mapping[str, ReviewAnswer], labels: Mapping[str, str]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for number, (key, one) in enumerate(answers.items(), start=1):
        writer.writerow([number, one.file, labels.get(key, ""), "yes" if one.accepted else "no", one.reason, key])
    return out.getvalue()
