"""Builds a generator by name, and brings a trained one back from its run folder, ready to sample."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch.optim import Optimizer

from handful.core import registry
from handful.core.artifacts import RunManifest
from handful.core.checkpoint import States, read_checkpoint, tensors_sha256
from handful.core.config import parse_settings
from handful.core.errors import UserError
from handful.generators.base import Generator, ImageSpec, generator_class

AVERAGES = "ema/"
"""Checkpoints hold the average of module NAME under 'ema/NAME'."""


def build_generator(name: str, settings: dict[str, Any], spec: ImageSpec, seed: int) -> Generator:
    """A fresh generator on the CPU.

    Args:
        name: a registered name, or the path of a generator file.
        settings: setting name -> value; the others take their defaults.
        spec: the images to make.
        seed: decides the initial weights.

    Raises:
        UserError: no such generator or setting, or a value out of range.
    """
    chosen = generator_class(registry.load("generators", name))
    return chosen(parse_settings(chosen.settings_class, settings, f"generator {name}"), spec, seed)


def restore_run(run: Path) -> tuple[Generator, RunManifest]:
    """The generator of a finished run on the CPU, with its averaged weights where it has them, and its manifest.

    Raises:
        UserError: no such run, an unfinished one, or a checkpoint that is damaged or another's.
    """
    manifest = RunManifest.read(run)
    if manifest.checkpoint is None:
        raise UserError(
            f"The run {run} is not finished: its status is {manifest.status}.",
            "Samples are drawn from runs that are finished or stopped.",
            "Run the same `handful train` command again: it goes on from the last checkpoint.",
        )
    states, _ = read_checkpoint(run / manifest.checkpoint)
    spec = ImageSpec(manifest.canvas.width, manifest.canvas.height, manifest.channels)
    generator = build_generator(manifest.generator, manifest.generator_settings, spec, manifest.seed)
    if weights_sha256(generator, states) != manifest.weights_sha256:
        raise UserError(
            f"{run / manifest.checkpoint} is not the checkpoint that run.json describes.",
            f"Its weights must have the SHA-256 {manifest.weights_sha256}.",
            "Put the right file back, or run the same `handful train` command again: it trains what is missing.",
        )
    load_modules(generator, {**states, **_averages(generator, states)}, run)
    return generator, manifest


def load_modules(generator: Generator, states: States, run: Path) -> None:
    """Loads every module of a generator from a checkpoint's states.

    Raises:
        UserError: the states do not fit; the generator's file has changed since.
    """
    try:
        for name, module in generator.modules().items():
            module.load_state_dict(dict(states[name]))
    except (KeyError, RuntimeError, ValueError) as error:
        raise UserError(
            f"The checkpoints of {run} do not fit this generator: {error}.",
            "A checkpoint fits the version of the generator that wrote it.",
            "Use that version, or delete the run folder and train again.",
        ) from None


def weights_sha256(generator: Generator, states: States) -> str:
    """SHA-256 of the tensors that samples are drawn from: averages where there are any, optimisers left out."""
    drawn_from = {
        name: states[name] for name, module in generator.modules().items() if not isinstance(module, Optimizer)
    }
    return tensors_sha256({**drawn_from, **_averages(generator, states)})


def _averages(generator: Generator, states: States) -> States:
    return {name: states[AVERAGES + name] for name in generator.averaged if AVERAGES + name in states}
