"""The verdict says better only when the cards can carry it, and names n when they cannot."""

from __future__ import annotations

import numpy as np
import pytest
from report_cards import card, score

from handful.core.artifacts import Score, ScoreCard
from handful.report.comparison import compare_pairs
from handful.report.verdict import judge
from handful.statistics.binomial import share_limits

PIXELS = "heldout-v1+pixels"
CANNOT = "cannot be decided with this n"


def runs(
    generator: str, kid: float, seeds: int, wiggle: float = 0.001, half: float = 0.01, **more: object
) -> list[ScoreCard]:
    """One card a seed, whose KID wanders a little round `kid`."""
    return [card(generator, kid + wiggle * np.sin(seed), half, seed, **more) for seed in range(seeds)]  # type: ignore[arg-type]


def test_no_cards_is_said() -> None:
    verdict = judge([])
    assert verdict.sentence == "There is nothing to judge yet: no samples have been scored."
    assert verdict.protocol is None and verdict.ranked == ()


def test_no_heldout_photos_allows_no_verdict_and_says_how_to_get_one() -> None:
    verdict = judge([card("dcgan", 0.1, protocol="training-v1"), card("began", 0.2, protocol="training-v1")])
    assert "Nothing was scored against held-out photos" in verdict.sentence
    assert "--heldout" in verdict.why[0]
    assert verdict.ranked == () and verdict.comparisons == ()


def test_only_anchors_leave_nothing_to_judge() -> None:
    verdict = judge([card("copies", 0.1, nearest=0.0), card("classic", 0.2)])
    assert verdict.sentence == "Only anchors were scored against held-out photos: there is no generator to judge yet."


def test_copies_best_on_training_is_named_as_copying_and_not_ranked() -> None:
    cards = [
        card("copies", -0.01, protocol="training-v1", nearest=0.0),
        card("dcgan", 0.2, protocol="training-v1"),
        card("copies", 0.05, nearest=0.0),
        card("dcgan", 0.2),
        card("began", 0.3),
    ]
    verdict = judge(cards)
    assert verdict.ranked == ("began", "dcgan")
    assert verdict.copying == ("copies",)
    assert "dcgan is better than began" in verdict.sentence and "copies" not in verdict.sentence
    told = [line for line in verdict.why if "training-v1" in line]
    assert told == [
        "On training-v1, copies scores best (KID −0.0100): that is copying, not generating, and is not ranked."
    ]


def test_copies_that_is_not_best_on_training_is_not_mentioned() -> None:
    verdict = judge([card("copies", 0.3, protocol="training-v1"), card("dcgan", 0.2, protocol="training-v1")])
    assert not any("copies scores best" in line for line in verdict.why)


def test_one_run_each_with_disjoint_intervals_speaks_of_this_one_run_only() -> None:
    verdict = judge([card("dcgan", 0.02), card("began", 0.08)])
    assert verdict.sentence == (
        "In this one run dcgan is better than began; whether it is better in general cannot be decided with this n "
        "(8 held-out photos, 1 seed; it takes 10 paired runs)."
    )
    assert verdict.comparisons[0].word == CANNOT and verdict.comparisons[0].p is None
    assert "needs 10 paired runs" in verdict.why[1] and "there is 1" in verdict.why[1]
    assert "--seeds 0,1,2,3,4,5,6,7,8,9" in verdict.why[1]


def test_one_run_each_with_overlapping_intervals_cannot_be_decided() -> None:
    verdict = judge([card("dcgan", 0.02, half=0.02), card("began", 0.03, half=0.02)])
    assert verdict.sentence == (
        "Which of began and dcgan is better cannot be decided with this n (8 held-out photos, 1 seed; it takes 10 "
        "paired runs)."
    )
    assert "dcgan 0.0200 [0, 0.0400]" in verdict.why[0]


def test_a_missing_interval_is_never_taken_for_a_narrow_one() -> None:
    verdict = judge([card("dcgan", 0.02, half=None), card("began", 0.9, half=None)])
    assert verdict.sentence.startswith("Which of began and dcgan is better cannot be decided")


def test_many_folds_of_one_seed_are_still_one_seed() -> None:
    cards = [card(name, kid, fold=fold) for fold in range(12) for name, kid in (("dcgan", 0.02), ("began", 0.08))]
    verdict = judge(cards)
    assert verdict.comparisons[0].word == CANNOT
    assert verdict.sentence.startswith("With this one seed, on each of 12 folds, dcgan is better than began; whether")
    assert "12 folds, 1 seed" in verdict.sentence


def test_nine_pairs_all_one_way_are_no_claim_and_ten_are() -> None:
    nine = judge(runs("dcgan", 0.02, 9) + runs("began", 0.08, 9))
    assert nine.sentence.startswith("In each of these 9 runs dcgan is better than began; whether")
    assert CANNOT in nine.sentence
    ten = judge(runs("dcgan", 0.02, 10) + runs("began", 0.08, 10))
    assert ten.sentence == "dcgan is better than began."
    assert ten.comparisons[0].p == pytest.approx(2 / 2**10)
    assert ten.comparisons[0].word == "worse" and ten.comparisons[0].generator == "began"
    assert ten.why[1].startswith(
        "Sign-flip test of dcgan over 10 paired runs and crossed t-test over 8 held-out photos and runs, the larger p "
        "corrected by Holm for 1 comparison: against began −0.0600 [−0.06"
    )
    assert ten.why[1].endswith("SD, p = 0.00195.")
    assert not any("needs 10 paired runs" in line for line in ten.why)


def test_two_seeds_on_five_folds_make_ten_pairs() -> None:
    cards = [
        card(name, kid + 0.001 * fold, seed=seed, fold=fold)
        for seed in range(2)
        for fold in range(5)
        for name, kid in (("dcgan", 0.02), ("began", 0.08))
    ]
    assert judge(cards).sentence == "dcgan is better than began."
    few = judge([one for one in cards if one.fold < 2])
    assert "5 seeds on each of the 2 folds" in few.why[1] and "there are 4" in few.why[1]


def test_ten_pairs_without_a_direction_are_undecided() -> None:
    sway = [card("dcgan", 0.05 + 0.02 * (-1) ** seed, seed=seed) for seed in range(10)]
    verdict = judge(sway + runs("began", 0.05, 10, wiggle=0))
    assert verdict.sentence == "began and dcgan are undecided: 10 paired runs show no difference."
    assert verdict.comparisons[0].word == "undecided" and verdict.comparisons[0].p == pytest.approx(1)


def test_better_than_some_and_undecided_against_the_rest() -> None:
    close = [card("singan", 0.021 + 0.02 * (-1) ** seed, seed=seed) for seed in range(10)]
    verdict = judge(runs("dcgan", 0.02, 10) + runs("began", 0.08, 10) + close)
    assert verdict.sentence == "dcgan is better than began; whether it is better than singan is undecided."


def test_a_generator_with_too_few_runs_is_named_as_not_decidable() -> None:
    verdict = judge(runs("dcgan", 0.02, 10) + runs("began", 0.08, 10) + runs("singan", 0.03, 3))
    assert verdict.sentence.startswith(
        "dcgan is better than began; whether it is better than singan cannot be decided with this n (8 held-out photos"
    )


def test_a_generator_without_a_common_run_is_never_compared() -> None:
    verdict = judge([card("dcgan", 0.02, seed=0), card("began", 0.9, seed=1)])
    assert verdict.comparisons[0].cells == 0 and verdict.comparisons[0].mean_difference is None
    assert verdict.sentence.startswith("Which of began and dcgan is better cannot be decided")
    assert "there are 0" in verdict.why[1]


def gated(generator: str, copies: int, seed: int = 0, m: int = 100) -> ScoreCard:
    """The card of the space `pixels`, on which the gate found so many copies."""
    low, high = share_limits(copies, m)
    passes = float(low <= 0.01)
    details = {"passes": passes, "allowed_share": 0.01}
    gate = Score(name="gate", value=copies / m, low=low, high=high, n_reference=8, m_samples=m, details=details)
    return card(generator, 0, seed=seed, protocol=PIXELS, scores=(gate,))


def test_a_generator_that_fails_the_copy_gate_is_named_and_never_ranked_even_when_nearest() -> None:
    honest = [card("dcgan", 0.02), card("began", 0.08), gated("dcgan", 0), gated("began", 1)]
    verdict = judge([*honest, card("patch_nn", 0.001), gated("patch_nn", 23)])
    assert verdict.ranked == ("began", "dcgan") and verdict.copying == ("patch_nn",)
    assert verdict.sentence == judge(honest).sentence[:-1] + "; patch_nn fails the copy gate: not ranked."
    assert (
        "patch_nn fails the copy gate and is not ranked: 23 of 100 samples are copies or near-copies of training "
        "photos (at least 15 %, 1.0 % is allowed)."
    ) in verdict.why
    assert not any("did not judge" in line for line in verdict.why)


def test_samples_of_all_runs_together_decide_and_a_run_that_fails_by_itself_is_named() -> None:
    def ten(copies: int) -> list[ScoreCard]:
        clean = [one for seed in range(9) for one in (card("dcgan", 0.02, seed=seed), gated("dcgan", 0, seed))]
        return [*clean, card("dcgan", 0.02, seed=9), gated("dcgan", copies, 9)]

    chance = judge(ten(5))
    assert chance.copying == () and chance.ranked == ("dcgan",)
    assert any(
        line.startswith("1 of 10 runs of dcgan fail the copy gate by themselves; over all") for line in chance.why
    )
    wholesale = judge(ten(20))
    assert wholesale.copying == ("dcgan",) and wholesale.ranked == ()
    assert wholesale.sentence == "No generator is left to rank; dcgan fails the copy gate: not ranked."
    assert any("20 of 1000 samples are copies" in line and "at least 1.2 %" in line for line in wholesale.why)


def test_a_few_copies_in_every_run_add_up() -> None:
    few = [one for seed in range(10) for one in (card("dcgan", 0.02, seed=seed), gated("dcgan", 3, seed))]
    assert all(one.scores[0].details["passes"] for one in few if one.protocol == PIXELS), "no run fails by itself"
    assert judge(few).copying == ("dcgan",)


def test_the_gate_alone_decides_where_it_judged() -> None:
    """One rule: what nearest_photo says counts only where the gate is silent."""
    verdict = judge([card("dcgan", 0.02, nearest=0.2), gated("dcgan", 0), card("began", 0.08), gated("began", 0)])
    assert verdict.ranked == ("began", "dcgan") and verdict.copying == ()
    assert judge([card("dcgan", 0.02, nearest=0.9), gated("dcgan", 50)]).copying == ("dcgan",)


def test_anchors_stay_anchors_whatever_the_gate_says_of_them() -> None:
    cards = [card("dcgan", 0.02), gated("dcgan", 0), card("copies", 0.001, nearest=0.0), gated("copies", 100)]
    verdict = judge(cards)
    assert verdict.copying == ("copies",) and verdict.ranked == ("dcgan",)
    assert [one.other for one in verdict.anchors] == ["copies"] and "copy gate" not in verdict.sentence


def test_where_the_gate_could_not_judge_nearest_photo_stands_in_and_this_is_said() -> None:
    refused = gated("singan", 0).model_copy(
        update={"scores": (), "left_out": {"gate": "There are 2 training photos. gate needs at least 3."}}
    )
    verdict = judge([card("patch_nn", 0.001, nearest=0.3), card("dcgan", 0.05), card("singan", 0.1), refused])
    assert verdict.ranked == ("dcgan", "singan") and verdict.copying == ("patch_nn",)
    assert verdict.sentence.endswith("; patch_nn copies the training photos: not ranked.")
    assert (
        "patch_nn copies its training photos in 1 of 1 run (nearest_photo at most 0.400, below 0.500) and is not "
        "ranked."
    ) in verdict.why
    assert (
        "The copy gate did not judge dcgan and patch_nn: `pixels` was not scored. nearest_photo stands in, which sees "
        "whole copies only."
    ) in verdict.why
    assert any(
        "did not judge singan: There are 2 training photos. gate needs at least 3." in line for line in verdict.why
    )


def test_where_it_stands_in_the_upper_limit_of_nearest_photo_decides_not_the_value() -> None:
    assert judge([card("dcgan", 0.05, nearest=0.41)]).copying == ()  # upper limit 0.51
    assert judge([card("dcgan", 0.05, nearest=0.39)]).copying == ("dcgan",)  # upper limit 0.49
    no_interval = (score("kid", 0.05), score("nearest_photo", 0.1, None))
    assert judge([card("dcgan", 0.05, scores=no_interval)]).copying == ()


def test_only_copying_generators_leave_nobody_to_rank() -> None:
    verdict = judge([card("patch_nn", 0.001, nearest=0.1), card("singan", 0.002, nearest=0.1), card("classic", 0.1)])
    assert verdict.sentence == "No generator is left to rank; patch_nn and singan copy the training photos: not ranked."
    assert len([line for line in verdict.why if "copies its training photos" in line]) == 2


def test_one_generator_alone_is_compared_with_nothing() -> None:
    sentence = judge([card("dcgan", 0.05)]).sentence
    assert sentence.startswith("dcgan was judged alone") and "8 held-out photos, 1 seed" in sentence
    assert "better or worse" in sentence


def test_one_generator_is_held_against_classic_with_the_training_photos_as_floor() -> None:
    one_run = judge([card("dcgan", 0.05), card("classic", 0.2), card("copies", 0.001, nearest=0.0)])
    assert one_run.sentence == (
        "In this one run the samples of dcgan are nearer to the held-out photos than plain classic augmentation, "
        "though not as near as the training photos themselves; whether that holds in general cannot be decided with "
        "this n (8 held-out photos, 1 seed; it takes 10 paired runs)."
    )
    claim = judge(runs("dcgan", 0.02, 10) + runs("classic", 0.09, 10) + runs("copies", 0.2, 10))
    assert claim.sentence == "The samples of dcgan are nearer to the held-out photos than plain classic augmentation."


def test_without_classic_the_copies_are_the_measure() -> None:
    verdict = judge([card("dcgan", 0.05), card("copies", 0.001, nearest=0.0)])
    assert verdict.sentence == (
        "In this one run the samples of dcgan are not nearer to the held-out photos than copies of the training photos."
    )


def test_one_generator_not_nearer_than_classic_is_not_needed_yet() -> None:
    verdict = judge(runs("dcgan", 0.09, 10) + runs("classic", 0.02, 10) + runs("copies", 0.2, 10))
    assert verdict.sentence == (
        "The samples of dcgan are not nearer to the held-out photos than plain classic augmentation: you do not need "
        "it yet."
    )
    assert [one.word for one in verdict.anchors] == ["worse", "better"]


def test_one_generator_overlapping_an_anchor_cannot_be_decided() -> None:
    verdict = judge([card("dcgan", 0.05), card("classic", 0.055), card("copies", 0.5)])
    assert verdict.sentence == (
        "Whether the samples of dcgan are nearer to the held-out photos than plain classic augmentation cannot be "
        "decided with this n (8 held-out photos, 1 seed; it takes 10 paired runs)."
    )
    sway = [card("dcgan", 0.05 + 0.02 * (-1) ** seed, seed=seed) for seed in range(10)]
    assert judge(sway + runs("classic", 0.05, 10, 0)).sentence.endswith("is undecided after 10 paired runs.")


def test_the_best_generator_is_held_against_classic_and_copies() -> None:
    needless = judge([card("dcgan", 0.05), card("began", 0.1), card("classic", 0.01), card("copies", 0.5)])
    assert needless.sentence.endswith(
        ", and it is not nearer to the held-out photos than plain classic augmentation: you do not need it yet."
    )
    assert any("Against copies of the training photos: began and dcgan nearer" in line for line in needless.why)
    useful = judge([card("dcgan", 0.05), card("began", 0.1), card("classic", 0.2)])
    assert "do not need" not in useful.sentence
    assert any("Not scored for comparison: copies." in line for line in useful.why)


def test_cards_of_another_fingerprint_take_no_part_and_this_is_said() -> None:
    foreign = card("singan", 0.0001, protocol_fingerprint="another network")
    verdict = judge([card("dcgan", 0.02), card("began", 0.08), foreign])
    assert verdict.ranked == ("began", "dcgan")
    assert any(line.startswith("1 held-out score card with another protocol fingerprint") for line in verdict.why)


def test_two_settings_of_one_generator_are_two_contestants() -> None:
    verdict = judge([card("dcgan", 0.02), card("dcgan", 0.08, run_id="dcgan-s0-f0-ffffffff")])
    assert verdict.ranked == ("dcgan (0a1b2c3d)", "dcgan (ffffffff)")


def test_generators_whose_files_share_a_name_are_never_merged() -> None:
    cards = [
        card(generator, kid, run_id=f"dcgan-s0-f0-{number}")
        for number, (generator, kid) in enumerate(
            [("dcgan", 0.02), ("/lab/old/dcgan.py", 0.05), ("/lab/new/dcgan.py", 0.08), ("/lab/mine.py", 0.1)]
        )
    ]
    assert judge(cards).ranked == ("dcgan", "mine", "new/dcgan.py", "old/dcgan.py")


def test_a_folder_of_own_images_is_not_merged_with_a_generator_of_its_name() -> None:
    own = card("dcgan", 0.08, seed=None, run_id="dcgan")  # type: ignore[arg-type]
    assert judge([card("dcgan", 0.02), own]).ranked == ("dcgan", "dcgan (own images)")


def test_folds_of_different_size_name_both_counts() -> None:
    cards = [card(name, kid, fold=fold, n=8 + fold) for fold in (0, 1) for name, kid in (("a", 0.1), ("b", 0.11))]
    assert "8 to 9 held-out photos in each of 2 folds, 1 seed" in judge(cards).sentence


def test_fifteen_pairs_of_six_generators_can_be_decided_with_ten_runs() -> None:
    scores = {
        f"g{rank}": {(seed, 0): score("kid", 0.1 * rank + 0.001 * seed) for seed in range(10)} for rank in range(6)
    }
    pairs = [(f"g{a}", f"g{b}") for a in range(6) for b in range(a + 1, 6)]
    assert {one.word for one in compare_pairs(pairs, scores)} == {"better"}


def test_ten_seeds_all_one_way_on_the_same_few_photos_are_no_claim_where_the_photos_differ() -> None:
    """Two generators with different faults: which looks better depends on which photos happen to be held out."""
    pattern = np.array([0.3, -0.28, 0.31, -0.3, 0.33, -0.29, 0.3, -0.29])

    def with_pattern(one: ScoreCard, added: np.ndarray) -> ScoreCard:
        kid = one.scores[0]
        photos = tuple(float(value) for value in kid.value + added - added.mean())
        return one.model_copy(update={"scores": (kid.model_copy(update={"per_photo": photos}), *one.scores[1:])})

    cards = [with_pattern(one, pattern) for one in runs("dcgan", 0.02, 10, resolution=0.05)]
    cards += [with_pattern(one, -pattern) for one in runs("began", 0.08, 10, resolution=0.05)]
    verdict = judge(cards)
    duel = verdict.comparisons[0]
    assert duel.p_runs == pytest.approx(2 / 2**10) and duel.p_photos is not None and duel.p_photos > 0.5
    assert duel.p == duel.p_photos and duel.word == CANNOT
    assert duel.low is not None and duel.high is not None and duel.low < 0 < duel.high
    assert duel.needed_photos is not None and duel.needed_photos > 1000 and duel.needed_runs == 10
    assert verdict.sentence.startswith("Which of began and dcgan is better cannot be decided with this n (8 held-out")
    assert f"it takes {duel.needed_photos} held-out photos)" in verdict.sentence


def test_a_difference_surely_below_the_resolution_is_equivalent() -> None:
    sway = [card("dcgan", 0.05 + 0.001 * (-1) ** seed, seed=seed, resolution=0.02) for seed in range(10)]
    level = runs("began", 0.05, 10, wiggle=0, resolution=0.02)
    verdict = judge(sway + level)
    assert verdict.comparisons[0].word == "equivalent" and verdict.comparisons[0].margin == pytest.approx(0.02)
    assert verdict.sentence == (
        "began is equivalent to dcgan: they differ by less than KID can resolve with these photos (0.0200)."
    )
    third = judge(sway + level + runs("singan", 0.2, 10, resolution=0.02))
    assert third.sentence == "began is better than singan; it is equivalent to dcgan."


def test_runs_too_few_for_a_difference_of_the_resolution_say_how_many_it_takes() -> None:
    sway = [card("dcgan", 0.05 + 0.04 * (-1) ** seed, seed=seed, resolution=0.02) for seed in range(10)]
    verdict = judge(sway + runs("began", 0.05, 10, wiggle=0, resolution=0.02))
    duel = verdict.comparisons[0]
    assert duel.word == CANNOT and duel.needed_runs is not None and 20 < duel.needed_runs < 80
    assert f"it takes {duel.needed_runs} paired runs)" in verdict.sentence


def test_cards_that_do_not_say_what_each_photo_adds_carry_a_claim_about_these_photos_only() -> None:
    verdict = judge(runs("dcgan", 0.02, 10, uneven=None) + runs("began", 0.08, 10, uneven=None))
    assert verdict.sentence == "On these held-out photos dcgan is better than began."
    assert "do not say what each photo adds" in verdict.why[1]


def seen_by_pixels(generator: str, swd: float, seeds: int) -> list[ScoreCard]:
    return [
        card(generator, 0, seed=seed, protocol=PIXELS, scores=(score("swd", swd + 0.001 * seed),))
        for seed in range(seeds)
    ]


def test_no_ranking_is_given_where_a_second_space_shows_the_reverse() -> None:
    cards = runs("dcgan", 0.02, 10) + runs("began", 0.08, 10)
    verdict = judge(cards + seen_by_pixels("dcgan", 0.5, 10) + seen_by_pixels("began", 0.1, 10))
    assert verdict.sentence == (
        "No ranking is given: heldout-v1 and heldout-v1+pixels point opposite ways on began against dcgan."
    )
    assert verdict.comparisons[0].word == "undecided" and verdict.comparisons[0].contradicted_by == PIXELS
    assert verdict.agreement[0].contradicted == (("began", "dcgan"),)
    assert any("(by swd) disagree" in line for line in verdict.why)
    assert not any("took no part" in line for line in verdict.why)


def test_a_second_space_that_agrees_is_named_with_its_tau() -> None:
    cards = runs("dcgan", 0.02, 10) + runs("began", 0.08, 10)
    verdict = judge(cards + seen_by_pixels("dcgan", 0.1, 10) + seen_by_pixels("began", 0.5, 10))
    assert verdict.sentence == "dcgan is better than began."
    assert "heldout-v1 and heldout-v1+pixels (by swd) agree: Kendall's tau 1.00 [1.00, 1.00]." in verdict.why
    alone = judge(cards)
    assert any("no second feature space confirms its order" in line for line in alone.why)


def test_a_claim_against_classic_that_a_second_space_contradicts_is_withdrawn() -> None:
    cards = runs("dcgan", 0.02, 10) + runs("classic", 0.08, 10)
    assert judge(cards).anchors[0].word == "better"
    verdict = judge(cards + seen_by_pixels("dcgan", 0.5, 10) + seen_by_pixels("classic", 0.1, 10))
    assert verdict.anchors[0].word == "undecided" and verdict.sentence.endswith("is undecided after 10 paired runs.")
    assert any("they differ on dcgan against classic" in line for line in verdict.why)


def test_a_contradicted_claim_against_an_anchor_leaves_the_ranking_as_it_is() -> None:
    cards = runs("dcgan", 0.02, 10) + runs("began", 0.3, 10) + runs("classic", 0.08, 10)
    levels = {"dcgan": 0.1, "began": 0.4, "classic": 0.5}
    verdict = judge(cards + [one for name, swd in levels.items() for one in seen_by_pixels(name, swd, 10)])
    assert verdict.sentence == "dcgan is better than began."
    stands = {one.generator: one.word for one in verdict.anchors}
    assert stands == {"dcgan": "better", "began": "undecided"}
    assert any("agree" in line and "they differ on began against classic" in line for line in verdict.why)


LITE = "heldout-v1+efficientnet-lite0"


def test_the_network_named_first_decides_whatever_its_cards_are_called() -> None:
    usual = [card("dcgan", 0.02), card("began", 0.08)]
    other = [card("dcgan", 0.02, protocol=LITE), card("began", 0.08, protocol=LITE), card("singan", 0.1, protocol=LITE)]
    assert judge(usual + other, (LITE, "heldout-v1")).protocol == LITE
    assert judge(usual + other, ("heldout-v1", LITE)).protocol == "heldout-v1", "fewer runs do not change who decides"
    assert judge(other, ("heldout-v1", LITE)).protocol == LITE, "nothing of the first could be scored"


def test_without_a_plan_the_usual_network_decides_where_both_saw_as_much() -> None:
    short = "heldout-v1+a"
    cards = [card(name, kid, protocol=one) for one in (short, "heldout-v1") for name, kid in (("a", 0.1), ("b", 0.2))]
    assert judge(cards).protocol == "heldout-v1"
    long = [one.model_copy(update={"protocol": LITE, "protocol_fingerprint": LITE}) for one in cards[2:]]
    assert judge([*cards[:2], *long]).protocol == short, "by name, not by length"


def test_one_photo_ranks_nothing_and_nearness_is_never_told_without_copying() -> None:
    def single(generator: str, *scores: Score) -> ScoreCard:
        return card(generator, 0.1, protocol="single-v1+pixels", scores=scores)

    near = [score("sifid", 0.2, n=1), score("inception_score (x)", 1.1, n=0)]
    verdict = judge([single("singan", *near), single("copies", score("sifid", 0.0, n=1))])
    assert verdict.sentence.startswith("Nothing is ranked: with 1 photo") and verdict.ranked == ()
    assert verdict.why[0] == (
        "singan: nearness by sifid 0.200; copying was not measured, so nearness may be nothing but that."
    )
    assert verdict.why[1].startswith("copies: nearness by sifid 0;")
    both = judge([single("singan", *near, score("nearest_photo", 0.4, n=1), score("ct", 0.3, n=1))])
    assert both.why[0].endswith("nearness by sifid 0.200 and nearest_photo 0.400; copying by ct 0.300.")
    mixed = judge([single("singan", *near), card("dcgan", 0.1), card("began", 0.2)])
    assert mixed.ranked == ("began", "dcgan"), "held-out photos decide where there are any"


def test_cards_that_are_not_joined_are_named_on_both_sides() -> None:
    def judged_with(samples: int) -> dict[str, object]:
        return {
            "reference": "heldout",
            "network": "inception-2015",
            "samples": samples,
            "versions": {"a": str(samples)},
        }

    cards = [card(name, kid, protocol_plan=judged_with(100)) for name, kid in (("dcgan", 0.02), ("began", 0.08))]
    foreign = card("singan", 0.1, protocol_fingerprint="other", protocol_plan=judged_with(50))
    (line,) = [line for line in judge([*cards, foreign]).why if "took no part" in line]
    assert line.endswith("heldout-v1 of singan with samples 50 is not heldout-v1 with samples 100.")
    elsewhere = card("singan", 0.1, dataset_fingerprint="another")
    (line,) = [line for line in judge([card("dcgan", 0.02), card("began", 0.08), elsewhere]).why if "no part" in line]
    assert line.endswith("heldout-v1 of singan has another data set than heldout-v1 of dcgan.")
