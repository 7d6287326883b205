"""What is to be done with the samples of each generator, from the planned comparisons and the controls.

'use' takes a planned comparison that claims better, and for the arm that gains most no veto:

- the path control: real photos in the samples' place; the arm must be better than it (p below 5 %);
- the trace control: it must not be worse than the path control of the same dose (p below 5 %, not corrected, because
  a veto errs on the safe side);
- classical augmentation: samples without it must at least do as well as it alone.

Without a claim, 'do not use' takes a planned comparison that claims worse, or a trace control that falls.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from handful.inspection.answers import Evidence, contrast
from handful.inspection.arms import Arm
from handful.inspection.result import Answer, Contrast, Decision
from handful.inspection.settings import InspectSettings
from handful.pages.words import number, plural
from handful.statistics.claims import LEAST_PAIRS, LEAST_SEEDS
from handful.statistics.power import LEVEL


def answer(
    source: str,
    evidence: Evidence,
    arms: Sequence[Arm],
    contrasts: Sequence[Contrast],
    settings: InspectSettings,
) -> Answer:
    """The answer for one generator."""
    own = {arm.name: arm for arm in arms if arm.source == source}
    planned = [one for one in contrasts if one.planned and one.arm in own]
    traces = [one for one in contrasts if _kind(own, one) == "trace"]
    fallen = next((one for one in traces if _is(one, "worse")), None)
    better = sorted((one for one in planned if one.word == "better"), key=lambda one: -(one.gain or 0.0))
    worse = sorted((one for one in planned if one.word == "worse"), key=lambda one: one.gain or 0.0)
    why = [f"{_measured(one)}." for one in planned]
    why += [f"Trace control: {_measured(one)}." for one in traces]
    for one in (one for one in contrasts if _kind(own, one) == "alone"):
        why.append(f"Samples in one class alone: {_measured(one)}.")
        path = _path_control(own, own[one.arm])
        if path is not None:
            against = contrast(evidence, one.inspector, one.arm, path.name, settings.margin, False)
            why.append(f"Samples in one class alone: {_measured(against)}.")
    if fallen is not None:
        return _say(
            source, "do not use",
            f"real photos with their trace alone make {_name(fallen)} worse, {_numbers(fallen)}: the trace would be "
            "learned in the place of the defect",
            why,
        )  # fmt: skip
    if better:
        decision, reason, more = _vetoed(better, own, arms, evidence, settings)
        return _say(source, decision, reason, [*why, *more])
    if worse:
        return _say(source, "do not use", f"{worse[0].arm} makes {_name(worse[0])} worse, {_numbers(worse[0])}", why)
    if not planned:
        return _say(source, "cannot be decided with this n", "no planned comparison has run yet", why)
    words = {one.word for one in planned}
    if words == {"equivalent"}:
        return _say(
            source, "equivalent", f"no difference larger than {settings.margin:g} AUROC in any planned arm", why
        )
    if "cannot be decided with this n" in words:
        return _say(source, "cannot be decided with this n", _needed(planned), why)
    return _say(source, "undecided", f"no planned arm differs surely; the largest gain is {_best(planned)}", why)


def sentence(answers: Sequence[Answer]) -> str:
    """The verdict over all generators."""
    return " ".join(one.sentence for one in answers) or "There were no samples to judge: this is the learning curve."


def _vetoed(
    better: Sequence[Contrast],
    own: dict[str, Arm],
    arms: Sequence[Arm],
    evidence: Evidence,
    settings: InspectSettings,
) -> tuple[Decision, str, list[str]]:
    """The first arm, of those that gain, that no control vetoes; else why the one that gains most may not be used."""
    vetoes: list[str] = []
    notes: list[str] = []
    for gained in better:
        arm = own[gained.arm]
        veto = ""
        path = _path_control(own, arm)
        if path is not None and arm.kind != "both":
            against = contrast(evidence, gained.inspector, arm.name, path.name, settings.margin, False)
            notes.append(f"Path control: {_measured(against)}.")
            if not _is(against, "better"):
                veto = (
                    f"{arm.name} helps {_name(gained)} no more than copies of the real photos do "
                    f"({_numbers(against)} against the path control)"
                )
        if not veto and arm.kind != "both" and any(one.kind == "classical" for one in arms):
            against = contrast(evidence, gained.inspector, arm.name, "classical", settings.margin, False)
            notes.append(f"{_measured(against)}.")
            if against.gain is not None and against.gain <= 0:
                veto = f"tuned classical augmentation alone does as well for {_name(gained)} ({_measured(against)})"
        if not veto and not {"path", "trace"} <= {one.kind for one in own.values()}:
            left = f"{gained.arm} makes {_name(gained)} better, {_numbers(gained)}, but its controls were left out"
            return "undecided", left, notes
        if not veto:
            return "use", f"{gained.arm} makes {_name(gained)} better, {_numbers(gained)}", notes
        vetoes.append(veto)
    return "do not use", vetoes[0], notes


def _say(source: str, decision: Decision, reason: str, why: Sequence[str]) -> Answer:
    opening = {
        "use": f"Use the samples of {source}",
        "do not use": f"Do not use the samples of {source}",
        "equivalent": f"The samples of {source} change nothing that matters",
        "undecided": f"Undecided about the samples of {source}",
        "cannot be decided with this n": f"The samples of {source} cannot be decided on with this n",
    }[decision]
    return Answer(source=source, decision=decision, sentence=f"{opening}: {reason}.", why=tuple(dict.fromkeys(why)))


def _kind(own: dict[str, Arm], one: Contrast) -> str:
    """Of the arm that is compared; '' where it is another generator's."""
    return own[one.arm].kind if one.arm in own else ""


def _path_control(own: dict[str, Arm], arm: Arm) -> Arm | None:
    """That of the same dose; None where it is left out."""
    return next((one for one in own.values() if one.kind == "path" and one.dose == arm.dose), None)


def _is(one: Contrast, word: str) -> bool:
    """Whether an uncorrected comparison shows it at 5 %, in whatever number of runs a claim takes."""
    return one.p is not None and one.p < LEVEL and one.gain is not None and (one.gain > 0) == (word == "better")


def _measured(one: Contrast) -> str:
    return f"{one.arm} against {one.against} ({_name(one)}): {_numbers(one)}"


def _name(one: Contrast) -> str:
    return Path(one.inspector).stem


def _numbers(one: Contrast) -> str:
    if one.gain is None:
        return "no paired run"
    between = f" [{number(one.low)}, {number(one.high)}]" if one.low is not None and one.high is not None else ""
    p = f", p = {number(one.p)}" if one.p is not None else ""
    sign = "+" if one.gain > 0 else ""
    return f"{sign}{number(one.gain)} AUROC{between}{p}, {plural(one.runs, 'paired run')}"


def _best(planned: Sequence[Contrast]) -> str:
    best = max(planned, key=lambda one: one.gain if one.gain is not None else -1.0)
    return f"{best.arm} for {_name(best)}, {_numbers(best)}"


def _needed(planned: Sequence[Contrast]) -> str:
    """What would decide it."""
    few = [one for one in planned if one.p is None]
    if few:
        return (
            f"{plural(few[0].runs, 'paired run')} from {plural(few[0].seeds, 'seed')}; a claim needs {LEAST_PAIRS} "
            f"from at least {LEAST_SEEDS} seeds"
        )
    runs, photos = max(one.needed_runs or 0 for one in planned), max(one.needed_photos or 0 for one in planned)
    have = planned[0]
    return (
        f"a difference that matters could have been missed with {plural(have.runs, 'paired run')} and "
        f"{plural(have.photos, 'held-out photo')}; {runs} and {photos} would find it"
    )
