"""The rule by which a scale ends before its share of the budget is used.

Iterations are cut into windows of `window`. A scale has levelled once, from one window to the next, the mean
reconstruction error fell by less than 2 % and the mean critic difference moved by less than 5 % of its size. From
then on the learning rate is a tenth, for a quarter of the iterations done: the authors' 80 to 20. Then the scale ends.
"""

from __future__ import annotations

from torch import Tensor

from handful.generators.base import Clock
from handful.generators.singan_parts.fleet import Position, scale_shares

_LEAST_FALL, _LEAST_MOVE = 0.02, 0.05
_TAIL = 0.25
_ROUNDING = 1e-9


def note_losses(position: Position, error: Tensor, difference: Tensor, window: int) -> None:
    """Takes the losses of an iteration, of which `position.iteration` are done with it."""
    position.sums = (position.sums[0] + float(error), position.sums[1] + abs(float(difference)))
    if position.iteration % window:
        return
    if position.iteration > window and not position.levelled_at:
        (error_now, difference_now), (error_then, difference_then) = position.sums, position.sums_before
        fell = error_then - error_now >= _LEAST_FALL * error_then
        moved = abs(difference_now - difference_then) >= _LEAST_MOVE * difference_then
        if not fell and not moved:
            position.levelled_at = position.iteration
    position.sums, position.sums_before = (0.0, 0.0), position.sums


def has_levelled_out(position: Position) -> bool:
    """Whether the present stage has levelled and done its tail."""
    return position.levelled_at > 0 and position.iteration >= (1 + _TAIL) * position.levelled_at


def share_used(position: Position, clock: Clock, members: int, costs: list[int]) -> float:
    """Of the stage's share of the budget, counted from when it began."""
    share = scale_shares(clock, costs)[position.stage % len(costs)] / members
    return (clock.progress - position.began + _ROUNDING / members) / share
