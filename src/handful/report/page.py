"""What the page shows, section by section, as plain values that the template only lays out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from handful.core.artifacts import DatasetImage, DatasetManifest, RunManifest, ScoreCard
from handful.pages.pictures import Picture
from handful.pages.words import number, plural, seconds_words
from handful.report.collect import Evidence, Run, SampleSet
from handful.report.plots import interval_plot, loss_plot
from handful.report.source_maps import source_maps
from handful.report.tables import Table
from handful.report.words import name_generators

SHEET_PHOTOS = 21
SHEET_SAMPLES = 14
SHOWN_WORST = 7
SHOWN_NEAREST = 6


@dataclass(frozen=True)
class Shown:
    """The one run of a generator whose samples the page shows."""

    name: str
    anchor: bool
    samples: SampleSet
    card: ScoreCard | None
    """Held-out before training, where there are both."""
    fold: int


def shown_runs(evidence: Evidence) -> list[Shown]:
    """For each generator the run with the lowest fold and seed that has samples; anchors last."""
    names = run_names(evidence)
    cards: dict[str, ScoreCard] = {}
    for card in sorted(evidence.cards, key=lambda card: (not card.protocol.startswith("heldout"), card.protocol)):
        cards.setdefault(card.run_id, card)
    folds = {run.manifest.run_id: run.manifest.fold for run in evidence.runs}
    folds |= {card.run_id: card.fold for card in evidence.cards}
    chosen: dict[str, SampleSet] = {}
    for one in sorted(
        evidence.samples.values(), key=lambda one: (folds.get(one.manifest.run_id, 0), one.manifest.seed)
    ):
        chosen.setdefault(names[one.manifest.set_id], one)
    shown = [
        Shown(name, one.manifest.anchor, one, cards.get(one.manifest.set_id), folds.get(one.manifest.run_id, 0))
        for name, one in chosen.items()
    ]
    return sorted(shown, key=lambda one: (one.anchor, one.name))


def run_names(evidence: Evidence) -> dict[str, str]:
    """Run id -> name in the report, over everything that has a run id."""
    return name_generators(
        [(card.run_id, card.generator, card.seed, card.fold) for card in evidence.cards]
        + [(run.manifest.run_id, run.manifest.generator, run.manifest.seed, run.manifest.fold) for run in evidence.runs]
        + [(one.manifest.set_id, one.manifest.contestant, one.manifest.seed, None) for one in evidence.samples.values()]
    )


def needed_pictures(evidence: Evidence, shown: Sequence[Shown]) -> Iterator[tuple[Path, int]]:
    """Every file that the page wants to show, with its bit depth."""
    dataset, folder = evidence.dataset, evidence.workspace.dataset
    if dataset is not None:
        for image in sheet_photos(evidence, shown):
            yield folder / image.file, dataset.bit_depth
    for one in shown:
        depth = one.samples.manifest.bit_depth
        for file in one.samples.files[:SHEET_SAMPLES]:
            yield one.samples.folder / file, depth
        if one.card is not None:
            for file in one.card.worst[:SHOWN_WORST]:
                yield one.samples.folder / file, depth
            for file, photo, _ in one.card.nearest[:SHOWN_NEAREST]:
                yield one.samples.folder / file, depth
                yield folder / photo, depth


def sheet_photos(evidence: Evidence, shown: Sequence[Shown]) -> list[DatasetImage]:
    """Held-out photos first (a third of the sheet at most, unless training photos are few), then training photos."""
    dataset = evidence.dataset
    if dataset is None:
        return []
    fold = sheet_fold(shown)
    heldout, training = dataset.heldout(fold), dataset.training(fold)
    most = max(SHEET_PHOTOS // 3, SHEET_PHOTOS - len(training))
    chosen = heldout[:most]
    return [*chosen, *training[: SHEET_PHOTOS - len(chosen)]]


def sheet_fold(shown: Sequence[Shown]) -> int:
    return min((one.fold for one in shown), default=0)


def sheets(evidence: Evidence, shown: Sequence[Shown], pictures: Mapping[Path, Picture]) -> dict[str, Any]:
    """Section 3: photos, and samples of each generator."""
    dataset, folder = evidence.dataset, evidence.workspace.dataset
    photos: list[dict[str, Any]] = []
    heading = ""
    if dataset is not None:
        fold = sheet_fold(shown)
        for image in sheet_photos(evidence, shown):
            photos.append(
                {"picture": pictures.get(folder / image.file), "name": image.photo, "heldout": image.fold == fold}
            )
        heading = (
            f"{len(photos)} of {plural(len(dataset.images), 'photo')}: {len(dataset.training(fold))} for training, "
            f"{len(dataset.heldout(fold))} held out"
            + (f" in fold {fold} of {dataset.folds}" if dataset.folds > 1 else "")
        )
    return {
        "photos": photos,
        "photos_heading": heading,
        "samples": [_sheet(one, dataset, pictures) for one in shown],
    }


def _sheet(one: Shown, dataset: DatasetManifest | None, pictures: Mapping[Path, Picture]) -> dict[str, Any]:
    """The samples of a generator, and where the first of them come from, if that is known."""
    folder, files = one.samples.folder, one.samples.files[:SHEET_SAMPLES]
    maps, legend = source_maps(folder, one.samples.passports, pictures, dataset)
    return {
        "name": one.name,
        "anchor": one.anchor,
        "heading": _set_words(one, len(files)),
        "pictures": [{"picture": pictures.get(folder / file), "name": file} for file in files],
        "maps": [{"sample": pictures[folder / own.file], "map": own} for own in maps],
        "legend": legend,
    }


def worst_and_nearest(
    evidence: Evidence, shown: Sequence[Shown], pictures: Mapping[Path, Picture]
) -> list[dict[str, Any]]:
    """Section 4: each generator's worst samples, and those nearest to a training photo."""
    photo_names = {image.file: image.photo for image in evidence.dataset.images} if evidence.dataset else {}
    return [
        {
            "name": one.name,
            "anchor": one.anchor,
            "protocol": one.card.protocol,
            "worst": [
                {"picture": pictures.get(one.samples.folder / file), "name": file}
                for file in one.card.worst[:SHOWN_WORST]
            ],
            "nearest": [
                {
                    "sample": pictures.get(one.samples.folder / file),
                    "photo": pictures.get(evidence.workspace.dataset / photo),
                    "name": file,
                    "photo_name": photo_names.get(photo, photo),
                    "distance": number(distance),
                    "exact": repr(distance),
                }
                for file, photo, distance in one.card.nearest[:SHOWN_NEAREST]
            ],
        }
        for one in shown
        if one.card is not None and (one.card.worst or one.card.nearest)
    ]


def score_tables(tables: Sequence[Table]) -> list[dict[str, Any]]:
    """Section 2: each table, with a figure of the deciding score."""
    return [
        {"table": table, "plot": interval_plot(table, "kid") if "kid" in table.columns else None} for table in tables
    ]


def trainings(evidence: Evidence) -> dict[str, Any]:
    """Section 5: loss curves, alarms, and what was foretold against what it took."""
    names = run_names(evidence)
    by_name: dict[str, list[Run]] = {}
    for run in evidence.runs:
        by_name.setdefault(names[run.manifest.run_id], []).append(run)
    curves = [
        {"name": name, "runs": len(own), "plot": loss_plot(name, [run.losses for run in own])}
        for name, own in sorted(by_name.items())
        if any(run.losses for run in own)
    ]
    untrained = sorted(name for name, own in by_name.items() if not any(run.losses for run in own))
    ordered = sorted(
        evidence.runs, key=lambda run: (run.manifest.anchor, names[run.manifest.run_id], _cell(run.manifest))
    )
    return {
        "curves": curves,
        "untrained": untrained,
        "alarms": [
            {"name": names[run.manifest.run_id], "run": run.manifest, "alarm": alarm}
            for run in ordered
            for alarm in run.manifest.alarms
        ],
        "runs": [
            {
                "name": names[run.manifest.run_id],
                "run": run.manifest,
                "took": seconds_words(run.manifest.seconds),
                "forecast": None if run.forecast_s is None else seconds_words(run.forecast_s),
            }
            for run in ordered
        ],
    }


def audit_summary(evidence: Evidence) -> dict[str, Any] | None:
    """Section 6: the photo audit in short."""
    audit = evidence.audit
    if audit is None:
        return None
    sizes: dict[str, int] = {}
    for photo in audit.photos:
        kind = f"{photo.size}, {'grey' if photo.channels == 1 else 'colour'}, {photo.bit_depth} bit"
        sizes[kind] = sizes.get(kind, 0) + 1
    duplicates = [photo for photo in audit.photos if photo.duplicate_of is not None]
    left_out = list(evidence.dataset.left_out if evidence.dataset else audit.unreadable)
    named = {one.name for one in left_out}
    return {
        "folder": audit.folder,
        "readable": len(audit.photos),
        "unreadable": len(audit.unreadable),
        "kinds": sorted(sizes.items(), key=lambda item: -item[1]),
        "groups": len({photo.group for photo in audit.photos}),
        "duplicates": duplicates,
        "left_out": left_out + [one for one in audit.unreadable if one.name not in named],
        "warnings": list(dict.fromkeys(audit.warnings + (evidence.dataset.warnings if evidence.dataset else ()))),
    }


def all_settings(evidence: Evidence) -> list[dict[str, Any]]:
    """Section 7: blocks of (name, value), each with a heading."""
    blocks: list[dict[str, Any]] = []
    if evidence.plan is not None:
        blocks.append({"heading": "Comparison", "rows": _rows(evidence.plan.settings)})
    if evidence.dataset is not None:
        d = evidence.dataset
        blocks.append(
            {
                "heading": "Data set",
                "rows": _rows(
                    {
                        "canvas": str(d.canvas),
                        "channels": d.channels,
                        "bit_depth": d.bit_depth,
                        "fit": d.fit,
                        "filter": d.filter,
                        "split": d.split,
                        "folds": d.folds,
                        "photo_size": str(d.photo_size),
                        "photo_folder": d.photo_folder,
                        "fingerprint": d.fingerprint,
                    }
                ),
            }
        )
    names = run_names(evidence)
    plans: dict[str, ScoreCard] = {card.protocol_fingerprint: card for card in evidence.cards}
    for card in sorted(plans.values(), key=lambda card: card.protocol):
        rows = _rows({**card.protocol_plan, "fingerprint": card.protocol_fingerprint})
        blocks.append({"heading": f"Protocol {card.protocol}", "rows": rows})
    seen: set[str] = set()
    for run in sorted(evidence.runs, key=lambda run: (names[run.manifest.run_id], _cell(run.manifest))):
        name = names[run.manifest.run_id]
        if name not in seen:
            seen.add(name)
            rows = _rows({**run.manifest.generator_settings, **run.manifest.train_settings})
            rows += _rows({"device": run.manifest.device, "versions": run.manifest.versions})
            blocks.append({"heading": f"Generator {name}", "rows": rows})
    return blocks


def run_fingerprints(evidence: Evidence) -> list[dict[str, Any]]:
    """Section 7: what ties every run to its photos and weights."""
    return [
        {
            "run_id": run.manifest.run_id,
            "training": run.manifest.training_fingerprint,
            "weights": run.manifest.weights_sha256 or "",
            "device": run.manifest.device,
        }
        for run in evidence.runs
    ]


def _set_words(one: Shown, count: int) -> str:
    manifest = one.samples.manifest
    return f"{count} of {plural(manifest.count, 'sample')}, seed {manifest.seed}, fold {one.fold}"


def _cell(run: RunManifest) -> tuple[int, int]:
    return run.seed, run.fold


def _rows(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Nested settings as flat (dotted name, value) rows."""
    rows: list[tuple[str, str]] = []
    for name, value in values.items():
        if isinstance(value, Mapping):
            rows += _rows(value, f"{prefix}{name}.")
        elif isinstance(value, list | tuple):
            rows.append((f"{prefix}{name}", ", ".join(str(part) for part in value) or "none"))
        else:
            rows.append((f"{prefix}{name}", "none" if value is None else str(value)))
    return rows
