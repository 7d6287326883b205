"""The main job from Python, stage by stage. Run it: `python examples/session.py` (about a minute on two cores)."""

import sys
from pathlib import Path

import handful


def main(folder: Path) -> None:
    photos, work = folder / "photos", folder / "work"
    handful.render_station(photos, count=12, width=160, height=120)

    audit = handful.audit_photos(photos)
    print(f"{len(audit.photos)} photos, {len(audit.warnings)} warnings")

    dataset = handful.build_dataset(audit, work / "2_dataset", handful.DatasetSettings(canvas="32"))
    print(f"{len(dataset.training(0))} to train on, {len(dataset.heldout(0))} held out")

    settings = handful.TrainSettings(budget="20steps", batch=8)
    run = handful.train_generator("dcgan", work / "2_dataset", work / "3_train", settings, {"noise": "uniform"}, seed=1)
    print(f"{run.run_id}: {run.status} after {run.steps} steps")

    samples = work / "4_samples" / run.run_id
    handful.draw_samples(work / "3_train" / run.run_id, samples, count=16)
    scores = work / "5_scores" / run.run_id
    card = handful.score_samples(samples, work / "2_dataset", scores, network="efficientnet-lite0")
    for score in card.scores:
        print(f"{score.name}: {score.value:.4g} ({score.low} to {score.high})")

    print(handful.build_report(work).path)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "handful-session"))
