"""The manifests that stages exchange. Each is one JSON file; a stage reads the one before it and writes its own.

| file | format in | written by | read by |
|---|---|---|---|
| 1_photos/photos.json | photos.py | photos | dataset, report |
| 2_dataset/dataset.json | dataset.py | dataset | train, scores, report |
| 3_train/RUN/run.json | train.py | train | samples, report |
| 4_samples/RUN/samples.json, samples.jsonl | samples.py | samples | scores, report |
| 5_scores/RUN/PROTOCOL.json | scores.py | scores | report |
| compare.json, study.json | compare.py | compare | report |
| 7_inspection/inspection.json | inspection/result.py | inspection | whoever asks |
"""

from handful.core.artifacts.compare import ComparePlan, PublishedFigure, StudyManifest, StudyTable
from handful.core.artifacts.dataset import DatasetImage, DatasetManifest, training_fingerprint
from handful.core.artifacts.manifest import Artifact, Size, library_versions
from handful.core.artifacts.photos import Photo, PhotoAudit, Unreadable
from handful.core.artifacts.samples import (
    MASKS,
    PASSPORTS,
    SAMPLE_ROWS,
    PassportLegend,
    Placement,
    SampleManifest,
    SamplePassport,
    SampleRow,
    read_sample_rows,
    set_id,
)
from handful.core.artifacts.scores import Score, ScoreCard
from handful.core.artifacts.train import Alarm, RunManifest

__all__ = [
    "MASKS", "PASSPORTS", "SAMPLE_ROWS", "Alarm", "Artifact", "ComparePlan", "DatasetImage", "DatasetManifest",
    "PassportLegend", "Photo", "PhotoAudit", "Placement", "PublishedFigure", "RunManifest", "SampleManifest",
    "SamplePassport", "SampleRow", "Score", "ScoreCard", "Size", "StudyManifest", "StudyTable", "Unreadable",
    "library_versions", "read_sample_rows", "set_id", "training_fingerprint",
]  # fmt: skip
