"""The manifests that stages exchange. Each is one JSON file; a stage reads the one before it and writes its own.

| file | written by | read by |
|---|---|---|
| 1_photos/photos.json | photos | dataset, report |
| 2_dataset/dataset.json | dataset | train, scores, report |
| 3_train/RUN/run.json | train | samples, report |
| 4_samples/RUN/samples.json, samples.jsonl | samples | scores, report |
| 5_scores/RUN/PROTOCOL.json | scores | report |
| 7_inspection/inspection.json | inspection | whoever asks |
"""

from __future__ import annotations

import platform
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, ValidationError

from handful.core.config import Settings, fingerprint
from handful.core.errors import UserError
from handful.core.provenance import SourceType
from handful.core.workspace import write_atomically

SAMPLE_ROWS = "samples.jsonl"
PASSPORTS = "passports"
MASKS = "masks"
"""Folders below a set of samples."""


class Artifact(Settings):
    """A manifest on disk. Paths in it are relative to the folder it lies in, with forward slashes."""

    file_name: ClassVar[str]
    stage: ClassVar[str]

    def write(self, folder: Path) -> None:
        write_atomically(folder / self.file_name, (self.model_dump_json(indent=2) + "\n").encode())

    @classmethod
    def read(cls, folder: Path, file_name: str | None = None) -> Self:
        """Reads the manifest in `folder`.

        Raises:
            UserError: it is missing or damaged.
        """
        path = folder / (file_name or cls.file_name)
        try:
            return cls.model_validate_json(path.read_bytes())
        except (FileNotFoundError, NotADirectoryError):
            raise UserError(
                f"{folder} holds no {path.name}.",
                f"A folder made by `handful {cls.stage}` has one.",
                f"Run `handful {cls.stage}` first, or check the path.",
            ) from None
        except ValidationError as error:
            first = error.errors()[0]
            raise UserError(
                f"{path} is damaged or of another version: {'.'.join(map(str, first['loc']))}: {first['msg']}.",
                f"It must be as `handful {cls.stage}` of this version wrote it.",
                f"Move it away and run `handful {cls.stage}` again.",
            ) from None


class Size(Settings):
    """Width and height in pixels."""

    width: int
    height: int

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"


class Photo(Settings):
    """One readable photo and what the audit found."""

    name: str
    """Path relative to the photo folder, forward slashes."""
    file_sha256: str
    pixels_sha256: str
    """Of the decoded, upright pixels: equal for two files with the same picture."""
    size: Size
    """Upright: after the EXIF rotation."""
    channels: Literal[1, 3]
    """1 also where a colour file holds three equal channels."""
    bit_depth: int
    """Stated depth: pixel values lie in 0 ... 2**bit_depth - 1."""
    format: str
    """File format and pixel format, for example 'PNG I;16'."""
    sharpness: float
    """Standard deviation of the Laplacian at 256 px long side, in grey levels of 255."""
    mean: float
    """Mean grey value, 0 to 1."""
    dark_share: float
    """Share of pixels at or below 1/255 of the range: underexposed."""
    bright_share: float
    """Share of pixels at the top of the range: overexposed."""
    duplicate_of: str | None = None
    """Name of the first photo with exactly the same pixels."""
    group: int
    """Photos with the same number are near-duplicates of each other."""
    notes: tuple[str, ...] = ()


class Unreadable(Settings):
    """A file that looks like a photo but cannot be read, and why."""

    name: str
    reason: str


class PhotoAudit(Artifact):
    """What a folder of photos holds."""

    file_name: ClassVar[str] = "photos.json"
    stage: ClassVar[str] = "photos"

    folder: str
    """The photo folder, absolute."""
    stated_bit_depth: int | None = None
    """What the user stated for all photos; None went by the files."""
    photos: tuple[Photo, ...]
    unreadable: tuple[Unreadable, ...]
    warnings: tuple[str, ...]
    """Findings about the set as a whole, each one sentence."""
    fingerprint: str
    """Over the names and file hashes and the stated depth: changes when any photo changes."""


class DatasetImage(Settings):
    """One image of the data set: a photo (or a tile of one) on the canvas."""

    file: str
    """PNG below the dataset folder, for example 'images/Good001.png'."""
    photo: str
    """Name of the photo it was made from."""
    pixels_sha256: str
    """Of the canvas-sized pixels."""
    group: int
    """Groups are never split between training and held-out."""
    fold: int | None
    """The fold in which this image is held out; None: always trained on."""
    label: str = ""
    """'good' or a kind of defect; '' where the photos have no labels."""
    mask: str | None = None
    """Index map below the dataset folder: 0 good, k `DatasetManifest.kinds[k - 1]`; None where nothing is outlined."""


class DatasetManifest(Artifact):
    """A frozen data set: canvas, split and fingerprints."""

    file_name: ClassVar[str] = "dataset.json"
    stage: ClassVar[str] = "dataset"

    canvas: Size
    channels: Literal[1, 3]
    bit_depth: int
    fit: Literal["keep", "crop", "tile"]
    filter: str
    split: str
    """How photos were held out, in words and settings."""
    folds: int
    """Number of folds; fold 0 is the default split."""
    photo_size: Size
    photo_folder: str
    images: tuple[DatasetImage, ...]
    left_out: tuple[Unreadable, ...]
    """Unreadable files and exact duplicates that were left out, with the reason."""
    kinds: tuple[str, ...] = ()
    """Kinds of defect, in the order of their numbers in masks."""
    warnings: tuple[str, ...]
    fingerprint: str
    """Over canvas, filter, split and every image's pixels."""

    def training(self, fold: int) -> tuple[DatasetImage, ...]:
        """The images that a generator may see in this fold."""
        self._check(fold)
        return tuple(image for image in self.images if image.fold != fold)

    def heldout(self, fold: int) -> tuple[DatasetImage, ...]:
        """The images that no generator sees in this fold."""
        self._check(fold)
        return tuple(image for image in self.images if image.fold == fold)

    def _check(self, fold: int) -> None:
        if not 0 <= fold < self.folds:
            raise UserError(
                f"Fold {fold} does not exist.",
                f"This data set has {self.folds} fold(s), numbered from 0.",
                "Choose one of them with --fold, or build the data set again with --folds.",
            )


class Alarm(Settings):
    """Something went wrong in training, said in words."""

    kind: Literal["divergence", "collapse"]
    step: int
    words: str


class RunManifest(Artifact):
    """One training of one generator."""

    file_name: ClassVar[str] = "run.json"
    stage: ClassVar[str] = "train"

    run_id: str
    generator: str
    """Name, or path of a generator file of the user's own."""
    generator_settings: dict[str, Any]
    train_settings: dict[str, Any]
    """Budget, batch, EMA, augmentation, precision and the like, as resolved at the first start."""
    seed: int
    fold: int
    dataset_folder: str
    """Absolute path of the dataset folder the run read."""
    dataset_fingerprint: str
    training_fingerprint: str
    """Over the pixel hashes of exactly the images trained on."""
    training_pixels: tuple[str, ...] = ()
    """Those hashes themselves (`DatasetImage.pixels_sha256`), sorted; the judge refuses to hold one of them out."""
    training_order: tuple[str, ...] = ()
    """The same hashes in the order in which the generator was given the images."""
    canvas: Size
    channels: Literal[1, 3]
    bit_depth: int
    training_images: int
    kinds: tuple[str, ...] = ()
    """Kinds of defect, in the order of their numbers in the masks of the training images."""
    label: str = ""
    """The label that all training images have; '' where they differ or have none."""
    source_type: SourceType
    anchor: bool
    """True for methods that only anchor a comparison (copies, classic)."""
    status: Literal["running", "finished", "stopped"]
    """'stopped': an alarm ended it at the last good checkpoint."""
    alarms: tuple[Alarm, ...] = ()
    steps: int = 0
    images_seen: int = 0
    seconds: float = 0.0
    """Training time over all sessions, without pauses."""
    checkpoint: str | None = None
    """The final checkpoint, below the run folder."""
    weights_sha256: str | None = None
    """Of the tensors that samples are drawn from."""
    notes: tuple[str, ...] = ()
    """What the generator found about its photos and how it will draw, each one sentence."""
    device: str = ""
    versions: dict[str, str] = {}


class SamplePassport(Settings):
    """Which photos a sample was made from, where its generator can say."""

    file: str
    """Picture of the sources, below the folder of the set."""
    drew_on: tuple[int, ...]
    """Photos that it drew on, by their number in the set's legend."""
    novelty: float
    """Distance to the nearest training photo over that of a photo to its nearest other; 0 is a copy."""
    largest_region: float
    """Share of the largest connected region from one photo at one place."""
    most_used_photo: int
    most_used_share: float


class PassportLegend(Artifact):
    """The photos that the passports of a set count."""

    file_name: ClassVar[str] = "legend.json"
    stage: ClassVar[str] = "sample"

    photos: tuple[str, ...]
    """`DatasetImage.pixels_sha256` of photo 0, 1, ..."""
    names: tuple[str, ...] = ()
    """Their names; empty where the data set of the run has them."""


class Placement(Settings):
    """A defect, or a flawless piece, that was put into a photo."""

    kind: str
    """Of the defect; 'good' for a flawless piece."""
    defect: str
    """Name in the library; of a drawn one the way it was drawn; or 'flawless'."""
    photo: str = ""
    """Name of the photo that it was cut from; '' where it was drawn."""
    photo_pixels_sha256: str = ""
    x: int
    """Left edge of its mask in the sample, px."""
    y: int
    """Upper edge."""
    width: int
    height: int
    size: float = 1.0
    """Over that in its own photo."""
    turn_deg: float = 0.0
    """Counterclockwise."""
    flipped: tuple[bool, bool] = (False, False)
    """Left for right, up for down; before it was turned."""
    seam: float
    """Jump of the gradient at the joint, over the usual at such a place."""


class SampleRow(Settings):
    """One line of samples.jsonl."""

    file: str
    seed: int
    run_id: str
    photos_fingerprint: str
    """The run's training_fingerprint: which photos the sample can have learned from."""
    weights_sha256: str
    pixels_sha256: str
    source: str | None = None
    """Pixel hash of the one training image that the sample was made from; None where it was made from all of them, or
    where that is not known."""
    controls: dict[str, Any] = {}
    """As in the set's manifest."""
    passport: SamplePassport | None = None
    label: str = ""
    """'good' or a kind of defect; '' where nothing is known."""
    mask: str | None = None
    """Index map below the folder of the set: 0 good, k `SampleManifest.kinds[k - 1]`."""
    placements: tuple[Placement, ...] = ()
    """What was put into the photo `source`, where the sample is a photo with defects placed on it."""


class SampleManifest(Artifact):
    """A finished set of samples; samples.jsonl beside it has a SampleRow for each file."""

    file_name: ClassVar[str] = "samples.json"
    stage: ClassVar[str] = "sample"

    run_id: str
    generator: str
    anchor: bool
    source_type: SourceType
    seed: int
    """The training seed of the run."""
    first_seed: int = 0
    """The lowest seed of a sample in the set."""
    count: int
    canvas: Size
    channels: Literal[1, 3]
    bit_depth: int
    training_fingerprint: str
    training_pixels: tuple[str, ...] = ()
    """As in the run's manifest: pixel hashes of exactly the images that the samples can have learned from."""
    weights_sha256: str
    controls: dict[str, Any] = {}
    """What drawing was told, as far as it differs from the defaults; of a file its SHA-256."""
    draw: str = ""
    """Name of this way of drawing, where a run is drawn from in several."""
    kinds: tuple[str, ...] = ()
    """Kinds of defect, in the order of their numbers in masks."""
    seconds: float

    @property
    def set_id(self) -> str:
        """The run, and which of its sets."""
        return set_id(self.run_id, self.draw)

    @property
    def contestant(self) -> str:
        """Under what name the set is judged: another way of drawing is another contestant."""
        return f"{self.generator} {self.draw}" if self.draw else self.generator


def set_id(run_id: str, draw: str = "") -> str:
    """Name of a set of samples, and of its folder: the run, and which of its sets."""
    return f"{run_id}@{draw}" if draw else run_id


def training_fingerprint(images: Iterable[DatasetImage]) -> str:
    """Over the sorted pixel hashes of training images: which photos a run can have learned from."""
    return fingerprint(sorted(image.pixels_sha256 for image in images))


def read_sample_rows(folder: Path) -> dict[int, SampleRow]:
    """The rows of samples.jsonl by seed, in order of seed; of two rows with one seed the last counts.

    Raises:
        UserError: the file is missing or damaged.
    """
    path = folder / SAMPLE_ROWS
    try:
        rows = [SampleRow.model_validate_json(line) for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError, ValidationError):
        raise UserError(
            f"{path} is missing or damaged.",
            "It must have one line for each sample, as `handful sample` wrote it.",
            "Draw the samples again with `handful sample`.",
        ) from None
    return {row.seed: row for row in sorted(rows, key=lambda row: row.seed)}


class Score(Settings):
    """One number with its interval."""

    name: str
    value: float
    low: float | None = None
    """Lower end of the 95 % interval over images; None where none can be given."""
    high: float | None = None
    n_reference: int
    m_samples: int
    notes: tuple[str, ...] = ()
    """When not to trust the number, each one sentence."""
    details: dict[str, float] = {}
    per_photo: tuple[float, ...] = ()
    """What each reference photo adds (near-duplicates together count as one), in the same order whatever the score and
    the feature space; their mean is the value. Two cards on the same photos can so be compared photo by photo. Empty
    where a score is no mean over photos."""


class ScoreCard(Artifact):
    """All scores of one set of samples under one protocol. Cards of different protocols are never joined."""

    file_name: ClassVar[str] = "{protocol}.json"
    stage: ClassVar[str] = "score"

    protocol: str
    protocol_fingerprint: str
    protocol_plan: dict[str, Any]
    """The whole protocol: reference, networks by content hash, resize, sample count, versions."""
    run_id: str
    """`set_id` of the samples."""
    generator: str
    """`contestant` of the samples."""
    anchor: bool
    of_photos: bool = False
    """Its 'samples' are photos, as they are, blurred or noisy: they fix the scale, and no generator made them."""
    seed: int | None
    fold: int
    dataset_fingerprint: str
    scores: tuple[Score, ...]
    left_out: dict[str, str] = {}
    """Score that could not be given -> why: too few images, images too small, a network that is not here."""
    notes: tuple[str, ...] = ()
    """What holds for all its scores, each one sentence."""
    worst: tuple[str, ...]
    """Sample files farthest from the reference photos, worst first; empty on a card without features."""
    nearest: tuple[tuple[str, str, float], ...]
    """(sample file, training image file, distance): the samples nearest to a training photo, nearest first; empty on a
    card without features."""
    seconds: float

    def write(self, folder: Path) -> None:
        path = folder / f"{self.protocol}.json"
        write_atomically(path, (self.model_dump_json(indent=2) + "\n").encode())


class ComparePlan(Artifact):
    """What `handful compare` was asked, and what answers it. The report shows these runs and cards alone."""

    file_name: ClassVar[str] = "compare.json"
    stage: ClassVar[str] = "compare"

    settings: dict[str, Any]
    run_ids: tuple[str, ...]
    protocols: tuple[str, ...]
    """`protocol` of the score cards: protocol and network."""
    failed: tuple[str, ...] = ()
    """Cells that did not end, each one sentence with the reason."""


class PublishedFigure(Settings):
    """A number that somebody published, shown beside ours and never compared with it."""

    contestant: str
    """The generator, as it stands in our tables."""
    score: str
    value: float
    conditions: str
    """Under what conditions it was got, as far as that was said."""


class StudyTable(Settings):
    """One table of a study's page."""

    heading: str
    caption: str = ""
    parts: tuple[str, ...] = Field(min_length=1)
    columns: tuple[str, ...] = Field(min_length=1)
    """PROTOCOL:SCORE of the cards: 'heldout-v1:kid', 'training-v1+pixels:sifid'."""
    published: str = ""
    """Score whose published figures stand beside it."""


class StudyManifest(Artifact):
    """What the page of a study shows: several comparisons, each a workspace in a folder of its own."""

    file_name: ClassVar[str] = "study.json"
    stage: ClassVar[str] = "compare"

    title: str
    introduction: tuple[str, ...] = ()
    parts: tuple[str, ...]
    """Folders of the comparisons, in order."""
    tables: tuple[StudyTable, ...] = ()
    quality: str = ""
    """PROTOCOL:SCORE that is drawn upwards beside diversity; '' for no figure."""
    diversity: str = ""
    """PROTOCOL:SCORE that is drawn across."""
    published: tuple[PublishedFigure, ...] = ()
    remarks: tuple[str, ...] = ()
    """What must be said about the published figures."""


def library_versions() -> dict[str, str]:
    """Versions of whatever can change a number."""
    names = ("handful", "torch", "numpy", "scipy", "pillow", "kornia")
    return {"python": platform.python_version()} | {name: metadata.version(name) for name in names}
