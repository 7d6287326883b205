"""Kills trainings and fills disks for test_interruptions.py, in a process of its own; prints what it found as JSON.

Usage: python interruptions.py DATASET WORK

What is slow to import is imported once and trainings run in forked children, so that a kill costs no start-up.
"""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import sys
import time
from pathlib import Path

from handful.core.artifacts import RunManifest
from handful.core.checkpoint import read_checkpoint, tensors_sha256
from handful.core.device import start_runtime
from handful.core.errors import UserError
from handful.core.images import read_png
from handful.core.progress import Event, read_events
from handful.train.loop import TrainSettings, train_generator

TINY = str(Path(__file__).parent / "tiny_generator.py")
KILLS = 20
STEPS = 210
SETTINGS = TrainSettings(
    budget=f"{STEPS}steps",
    batch=4,
    checkpoint_every_s=0.02,
    preview_images=4,
    precision="fp32",
    augment=("color", "translation"),
    deterministic=True,
    threads=1,
)


def main() -> None:
    dataset, work = Path(sys.argv[1]), Path(sys.argv[2])
    start_runtime(precision="fp32", threads=1, deterministic=True)  # a second of imports, once and not in every child
    print(json.dumps({"kills": kill_often(dataset, work), "disk": fill_disk(dataset, work / "disk")}))


def start(dataset: Path, out: Path) -> int:
    """Trains in a forked child; its process id."""
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        train_generator(TINY, dataset, out, SETTINGS)
        status = 0
    finally:
        os._exit(status)


def kill_often(dataset: Path, work: Path) -> dict[str, object]:
    """One training that is left alone, one killed KILLS times; the final states of both."""
    _, status = os.waitpid(start(dataset, work / "whole"), 0)
    assert status == 0
    moments = random.Random(7)
    killed_at = []
    for kill in range(KILLS):
        child = start(dataset, work / "killed")
        # The first kills come at any moment from the start on, the others once some more steps are saved.
        wanted = 0 if kill < 4 else (kill - 3) * STEPS // (KILLS - 2)
        while wanted and newest_step(work / "killed") < wanted:
            time.sleep(0.002)
        time.sleep(moments.uniform(0, 0.15 if kill < 4 else 0.03))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status), "the training ended before it was killed"
        killed_at.append(newest_step(work / "killed"))
        read_everything(work / "killed")
    _, status = os.waitpid(start(dataset, work / "killed"), 0)
    assert status == 0
    return {
        "killed_at": killed_at,
        "whole": final_state(work / "whole"),
        "killed": final_state(work / "killed"),
        "leftovers": [path.name for path in (work / "killed").rglob("*.tmp")],
    }


def newest_step(out: Path) -> int:
    files = sorted(out.glob("*/checkpoints/step-*.safetensors"))
    return int(files[-1].stem.removeprefix("step-")) if files else -1


def read_everything(out: Path) -> None:
    """Raises where any file is half-written; checkpoints are checked against their checksum."""
    for path in out.rglob("*.safetensors"):
        read_checkpoint(path)
    for path in out.rglob("*.json"):
        json.loads(path.read_text())
    for path in out.rglob("*.png"):
        read_png(path)
    for path in out.rglob("events.jsonl"):
        list(read_events(path))


def final_state(out: Path) -> dict[str, object]:
    [folder] = [path.parent for path in out.glob("*/run.json")]
    run = RunManifest.read(folder)
    assert run.checkpoint is not None
    states, header = read_checkpoint(folder / run.checkpoint)
    del header["seconds"]
    steps = [event["step"] for event in read_events(folder / "events.jsonl") if event["event"] == "preview"]
    return {
        "run_id": run.run_id,
        "status": run.status,
        "weights": run.weights_sha256,
        "all_states": tensors_sha256(states),
        "header": header,
        "preview_steps": steps,
    }


def fill_disk(dataset: Path, out: Path) -> dict[str, object]:
    """The first checkpoint fits, the second, which holds optimiser states too, does not."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # so that writing fails with EFBIG, as it does with ENOSPC

    def limit_to_first_checkpoint(event: Event) -> None:
        if event["event"] == "checkpoint":
            [path] = out.glob("*/checkpoints/step-0000000.safetensors")
            resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size, hard))

    message = ""
    try:
        train_generator(TINY, dataset, out, SETTINGS, listener=limit_to_first_checkpoint)
    except UserError as error:
        message = str(error)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    read_everything(out)
    files = sorted(path.name for path in out.rglob("*") if path.suffix in (".safetensors", ".tmp"))
    again: list[Event] = []
    run = train_generator(TINY, dataset, out, SETTINGS, listener=again.append)
    return {"message": message, "files": files, "first_event": dict(again[0]), "weights": run.weights_sha256}


if __name__ == "__main__":
    main()
