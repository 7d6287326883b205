"""How one scale's networks are run: as they stand, or compiled. The numbers are the same but for rounding."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from handful.core.errors import UserError
from handful.generators.singan_parts.penalty import gradient_penalty, penalty_written_out
from handful.generators.singan_parts.scale import PatchNetwork, ScaleCritic


@dataclass(frozen=True)
class Engine:
    """What the updates of a scale are computed with."""

    run: Callable[..., Tensor]
    """(network, its inputs) -> its output."""
    critic_terms: Callable[[ScaleCritic, Tensor, Tensor, Tensor | None], tuple[Tensor, Tensor]]
    """(critic, real, fake, mix) -> mean D(fake) - mean D(real), and the gradient penalty; without a mix, no penalty
    is computed and the second is 0."""


def eager_engine() -> Engine:
    """Photo and fake pass the critic one after the other: batch norm's gradient is cheaper than group norm's."""
    return Engine(_run, _critic_terms)


def compiled_engine() -> Engine:
    """Compiles at its first use, once for each width, in about a minute each; photo and fake pass the critic as one.

    What cannot be compiled raises an error: nothing falls back to the slower way in silence.

    Raises:
        UserError: this machine has no C++ compiler, or none that torch knows.
    """
    compiler = os.environ.get("CXX", "g++")
    if shutil.which(compiler) is None and not torch.cuda.is_available():
        raise UserError(
            "compiled is true, and this machine has no C++ compiler.",
            f"torch.compile needs one; it looked for '{compiler}'.",
            "Install g++, set CXX to a compiler, or train with compiled=false: the result is the same, only later.",
        )
    compiled: Callable[[Any], Any] = partial(torch.compile, fullgraph=True, dynamic=True)
    return Engine(compiled(_run), compiled(_critic_terms_written_out))


def _run(network: PatchNetwork, *inputs: Tensor) -> Tensor:
    output: Tensor = network(*inputs)
    return output


def _critic_terms(critic: ScaleCritic, real: Tensor, fake: Tensor, mix: Tensor | None) -> tuple[Tensor, Tensor]:
    difference = critic(fake).mean() - critic(real).mean()
    if mix is None:
        return difference, torch.zeros_like(difference)
    return difference, gradient_penalty(partial(critic, twice=True), real, fake, mix)


def _critic_terms_written_out(
    critic: ScaleCritic, real: Tensor, fake: Tensor, mix: Tensor | None
) -> tuple[Tensor, Tensor]:
    of_fake, of_real = critic(torch.cat([fake, real])).mean((1, 2, 3))
    difference = of_fake - of_real
    if mix is None:
        return difference, torch.zeros_like(difference)
    return difference, penalty_written_out(list(critic.layers), real, fake, mix)
