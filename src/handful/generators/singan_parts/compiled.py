"""A scale's updates, compiled. The numbers are those of the networks as they stand, but for rounding."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from handful.core.errors import UserError
from handful.generators.singan_parts.penalty import penalty_written_out
from handful.generators.singan_parts.scale import Engine, run

_MOST_VARIANTS = 128
"""Of sizes, widths and networks; beyond torch's limit, which is 8, compiling would end in an error."""


def compiled_engine() -> Engine:
    """Compiles at its first use, once for each scale, in about a minute each; photo and fake pass the critic as one.

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
    return Engine(_compiled(run), _compiled(critic_terms_written_out))


def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    # sizes are fixed: torch 2.13 fails on this gradient with sizes left open
    compiled = torch.compile(function, fullgraph=True, dynamic=False)

    def call(*inputs: Any) -> Any:
        with torch._dynamo.config.patch(recompile_limit=_MOST_VARIANTS):
            return compiled(*inputs)

    return call


def critic_terms_written_out(
    critic: nn.Module, real: Tensor, fake: Tensor, mix: Tensor | None
) -> tuple[Tensor, Tensor]:
    """As `critic_terms`, differentiable once; what augmentation does to the images is not compiled."""
    of_fake, of_real = critic(torch.cat([fake, real])).mean((1, 2, 3))
    difference = of_fake - of_real
    if mix is None:
        return difference, torch.zeros_like(difference)
    layers: Any = critic.layers
    return difference, penalty_written_out(list(layers), real, fake, mix)
