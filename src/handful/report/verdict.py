"""The honest judgement: which generator is better, as far as the score cards can tell.

Held-out KID decides, and a second feature space may veto; anchors and generators that copy are never ranked.
docs/report.md states every rule. Inputs are score cards, nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from handful.core.artifacts import Score, ScoreCard
from handful.core.config import Settings
from handful.report import sentences
from handful.report.comparison import Cell, Comparison, compare_pairs
from handful.report.copying import Copying, copying_sentence, copying_words, judge_copying
from handful.report.single import is_single, single
from handful.report.spaces import Agreement, compare_spaces, space_scores
from handful.report.words import find, name_contestants

PRIMARY = "kid"


class Verdict(Settings):
    """One sentence, why, and everything it rests on."""

    sentence: str
    why: tuple[str, ...]
    ranked: tuple[str, ...]
    """Generators that were compared; alphabetical, the order says nothing."""
    copying: tuple[str, ...]
    """Generators that fail the copy gate (anchors among them); never ranked."""
    copy_gate: tuple[Copying, ...] = ()
    """What is known of the copies of each, anchors among them."""
    comparisons: tuple[Comparison, ...]
    """Every pair of ranked generators, by held-out KID."""
    anchors: tuple[Comparison, ...]
    """Every ranked generator against `classic` and `copies`, by held-out KID."""
    agreement: tuple[Agreement, ...]
    """How every other feature space ranks the same generators."""
    protocol: str | None
    protocol_fingerprint: str | None


def judge(cards: Sequence[ScoreCard], protocols: Sequence[str] = ()) -> Verdict:
    """The verdict that these score cards allow.

    Args:
        cards: of one data set or several; those that cannot be compared stand apart.
        protocols: names of cards, first the one that decides: it was chosen before anything was seen. Without them the
            usual network decides where it looked at as many runs as another.
    """
    cards = [card for card in cards if not card.of_photos]  # they fix the scale of tables and take no part
    names = name_contestants(cards)
    gate = judge_copying(cards)
    copying = {name for name, found in gate.items() if found.fails}
    failing = [gate[name] for name in sorted(copying) if not gate[name].anchor]
    judged = [card for card in cards if card.protocol.startswith("heldout")]
    heldout = deciding_group([card for card in judged if find(card, PRIMARY)], protocols)
    ranked: dict[str, dict[Cell, Score]] = {}
    anchors: dict[str, dict[Cell, Score]] = {}
    for card in heldout:
        name, score = names[card.run_id], find(card, PRIMARY)
        if score is not None and (card.anchor or name not in copying):
            (anchors if card.anchor else ranked).setdefault(name, {})[card.seed or 0, card.fold] = score
    order = sorted(ranked)
    against = [(name, anchor) for name in order for anchor in sentences.ANCHORS if anchor in anchors]
    everybody = {**ranked, **anchors}
    pairs, standing = compare_pairs(list(combinations(order, 2)), everybody), compare_pairs(against, everybody)
    others = other_spaces(judged, heldout)
    agreements = [
        found
        for group in others
        if (found := compare_spaces(
            (heldout[0].protocol, everybody),
            (group[0].protocol, *space_scores(group, names)),
            order,
            (*pairs, *standing),
        ))
    ]  # fmt: skip
    field = sentences.Field(ranked, anchors, _withhold(pairs, agreements), _withhold(standing, agreements))
    if order:
        sentence = sentences.contest(field) if len(order) > 1 else sentences.alone(order[0], field)
        against_ranking = [found for found in agreements if not found.agree and len(found.generators) > 1]
        if against_ranking and any(pair.seen for pair in pairs):
            sentence = sentences.disagreement(against_ranking[0])
        if failing:
            sentence = f"{sentence.removesuffix('.')}; {copying_sentence(failing)}."
        why = [sentences.numbers(field), sentences.decision(field), sentences.against_anchors(field)]
        why += [sentences.agreement(found) for found in agreements]
        why += [sentences.one_space(heldout[0].protocol)] if not agreements and len(order) > 1 else []
    elif cards and all(map(is_single, cards)):
        sentence, why = single(cards, names)
    else:
        sentence, reason = sentences.nobody_to_rank(cards, heldout, copying_sentence(failing))
        why = [reason]
    used = [card for group in (heldout, *others) for card in group]
    generators = [gate[name] for name in sorted(gate) if not gate[name].anchor]
    why += copying_words(generators) if heldout else copying_words(failing)
    why += [_training_words(cards), _apart_words(judged, used, heldout)]
    return Verdict(
        sentence=sentence,
        why=tuple(line for line in why if line),
        ranked=tuple(order),
        copying=tuple(sorted(copying)),
        copy_gate=tuple(gate[name] for name in sorted(gate)),
        comparisons=field.pairs,
        anchors=field.standing,
        agreement=tuple(agreements),
        protocol=heldout[0].protocol if heldout else None,
        protocol_fingerprint=heldout[0].protocol_fingerprint if heldout else None,
    )


def deciding_group(cards: Sequence[ScoreCard], protocols: Sequence[str] = ()) -> list[ScoreCard]:
    """The cards of one protocol fingerprint and one data set, never a mixture: of the first of these protocols that has
    any, and of its groups the one with most runs of generators."""

    def rank(group: Sequence[ScoreCard]) -> tuple[int, int, bool, str]:
        name = group[0].protocol
        place = protocols.index(name) if name in protocols else len(protocols)
        return place, -_runs(group), "+" in name, name  # the usual network's cards have no network in their name

    return min(_groups(cards), key=rank, default=[])


def other_spaces(cards: Sequence[ScoreCard], chosen: Sequence[ScoreCard]) -> list[list[ScoreCard]]:
    """Of every other protocol name on the same data set, the largest group: the same samples seen otherwise."""
    found: dict[str, list[ScoreCard]] = {}
    for group in _groups(cards):
        protocol = group[0].protocol
        if (
            not chosen
            or protocol == chosen[0].protocol
            or group[0].dataset_fingerprint != chosen[0].dataset_fingerprint
        ):
            continue
        if _runs(group) > _runs(found.get(protocol, [])):
            found[protocol] = group
    return list(found.values())


def _groups(cards: Sequence[ScoreCard]) -> list[list[ScoreCard]]:
    groups: dict[tuple[str, str, str], list[ScoreCard]] = {}
    for card in cards:
        groups.setdefault((card.protocol, card.protocol_fingerprint, card.dataset_fingerprint), []).append(card)
    return list(groups.values())


def _runs(group: Sequence[ScoreCard]) -> int:
    return sum(not card.anchor for card in group)


def _withhold(comparisons: Sequence[Comparison], agreements: Sequence[Agreement]) -> tuple[Comparison, ...]:
    """The comparisons, with nothing claimed that another space contradicts."""
    vetoes = {pair: found.second for found in agreements for pair in found.contradicted}
    kept = []
    for one in comparisons:
        if (space := vetoes.get((one.generator, one.other))) is not None:
            word = one.word if one.p is None else "undecided"
            one = one.model_copy(update={"contradicted_by": space, "word": word})
        kept.append(one)
    return tuple(kept)


def _training_words(cards: Sequence[ScoreCard]) -> str:
    """What the best place of `copies` on a training protocol means."""
    group = deciding_group([card for card in cards if card.protocol.startswith("training")])
    scored = [(score.value, card) for card in group if (score := find(card, PRIMARY))]
    if not scored:
        return ""
    value, best = min(scored, key=lambda pair: pair[0])
    return sentences.copies_best(best.protocol, value) if best.generator == "copies" else ""


def _apart_words(judged: Sequence[ScoreCard], used: Sequence[ScoreCard], heldout: Sequence[ScoreCard]) -> str:
    known = {id(card) for card in used}
    apart = [card for card in judged if id(card) not in known]
    return sentences.left_apart(apart, heldout[0]) if apart and heldout else ""
