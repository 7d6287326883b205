"""Held-out photos: groups never straddle, folds partition, shares are kept, and impossible splits are refused."""

from __future__ import annotations

from collections import defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handful.core.artifacts import Photo, Size
from handful.core.errors import UserError
from handful.dataset.settings import DatasetSettings
from handful.dataset.split import Split, split_photos


def photo(name: str, group: int, duplicate_of: str | None = None) -> Photo:
    return Photo(
        name=name, file_sha256=name, pixels_sha256=name, size=Size(width=32, height=32), channels=1, bit_depth=8,
        format="PNG L", sharpness=9, mean=0.5, dark_share=0, bright_share=0, duplicate_of=duplicate_of, group=group,
    )  # fmt: skip


def photos(groups: list[int]) -> list[Photo]:
    return [photo(f"part{index // 3}_{index:03}.png", group) for index, group in enumerate(groups)]


def heldout_of(split: Split) -> list[int]:
    return [index for index, fold in enumerate(split.folds) if fold == 0]


def check_groups_are_whole(split: Split) -> None:
    folds = defaultdict(set)
    for group, fold in zip(split.groups, split.folds, strict=True):
        folds[group].add(fold)
    assert all(len(seen) == 1 for seen in folds.values())


GROUPS = st.lists(st.integers(0, 12), min_size=2, max_size=40)


@settings(max_examples=150, deadline=None)
@given(
    groups=GROUPS,
    folds=st.integers(1, 6),
    kind=st.sampled_from(["groups", "blocks"]),
    heldout=st.sampled_from([0.1, 0.25, 0.5, 0.9]),
    seed=st.integers(0, 5),
)
def test_every_split_holds_its_promises(groups: list[int], folds: int, kind: str, heldout: float, seed: int) -> None:
    asked = DatasetSettings.model_validate({"folds": folds, "split": kind, "heldout": heldout, "seed": seed})
    crowd = [group for group in groups if groups.count(group) > len(groups) / 2]
    units = len(set(groups)) if kind == "groups" or not crowd else len(set(groups)) - 1 + len(crowd)
    if units < max(2, folds):
        with pytest.raises(UserError, match="--heldout 0"):
            split_photos(photos(groups), asked)
        return
    split = split_photos(photos(groups), asked)
    check_groups_are_whole(split)
    if kind == "groups" or not crowd:  # near-duplicates are never on both sides
        assert len({*zip(groups, split.groups, strict=True)}) == len(set(groups))
    assert set(split.folds) == ({0, None} if folds == 1 else set(range(folds)))
    assert split == split_photos(photos(groups), asked)


@pytest.mark.parametrize("heldout", [0.1, 0.25, 0.5, 0.9])
@pytest.mark.parametrize("kind", ["groups", "blocks"])
def test_the_share_is_met_exactly_where_every_photo_is_its_own_group(heldout: float, kind: str) -> None:
    asked = DatasetSettings.model_validate({"heldout": heldout, "split": kind})
    for count in (2, 3, 10, 83):
        split = split_photos(photos(list(range(count))), asked)
        least = 1 if count < 4 else 2
        assert len(heldout_of(split)) == min(count - least, max(least, round(heldout * count)))
        assert split.warnings == ()


@pytest.mark.parametrize("kind", ["groups", "blocks"])
@pytest.mark.parametrize("groups", [[0, 1, 2, 3], [0, 1, 2, 3, 4], [0, 0, 0, 1, 1, 1, 2], [0, 0, 1, 1, 2]])
def test_two_photos_are_held_out_and_two_are_not_wherever_groups_allow(groups: list[int], kind: str) -> None:
    for seed in range(8):
        split = split_photos(photos(groups), DatasetSettings.model_validate({"split": kind, "seed": seed}))
        assert 2 <= len(heldout_of(split)) <= len(groups) - 2


def test_seeds_hold_out_different_photos_and_all_get_their_turn() -> None:
    turns: set[int] = set()
    for seed in range(20):
        turns |= set(heldout_of(split_photos(photos(list(range(12))), DatasetSettings(seed=seed))))
    assert turns == set(range(12))


def test_a_group_too_large_for_the_share_is_passed_over_and_a_deviation_is_told() -> None:
    split = split_photos(photos([0] * 9 + [1, 2, 3]), DatasetSettings(heldout=0.25))
    assert heldout_of(split) == [9, 10, 11] and split.warnings == ()
    split = split_photos(photos([0] * 6 + [1] * 5), DatasetSettings(heldout=0.25))
    assert heldout_of(split) == [6, 7, 8, 9, 10]  # the smaller of two groups that are both too large
    assert split.warnings == ("45% of the photos are held out instead of 25%, because groups are kept whole.",)
    assert split.words == "5 of 11 photos held out, groups of near-duplicates kept together, seed 0"


def test_folds_are_balanced() -> None:
    split = split_photos(photos(list(range(23))), DatasetSettings(folds=5))
    assert sorted(split.folds.count(fold) for fold in range(5)) == [4, 4, 5, 5, 5]
    for seed in range(5):  # one group of six and six photos of their own
        split = split_photos(photos([0] * 6 + [1, 2, 3, 4, 5, 6]), DatasetSettings(folds=2, seed=seed))
        assert split.folds.count(0) == split.folds.count(1) == 6


def test_blocks_are_runs_in_file_order() -> None:
    for seed in range(5):
        held = heldout_of(split_photos(photos(list(range(20))), DatasetSettings(split="blocks", seed=seed)))
        assert held == list(range(held[0], held[0] + 5))
    folds = split_photos(photos(list(range(20))), DatasetSettings(split="blocks", folds=4)).folds
    assert folds == tuple(index // 5 for index in range(20))


def test_a_block_border_moves_off_a_group_of_near_duplicates() -> None:
    groups = [0, 1, 2, 3, 3, 3, 4, 5, 6, 7]  # the middle, between photos 4 and 5, lies inside group 3
    folds = split_photos(photos(groups), DatasetSettings(split="blocks", folds=2)).folds
    assert folds in ((0,) * 6 + (1,) * 4, (0,) * 3 + (1,) * 7)


def test_blocks_cut_through_a_fixed_cameras_photos_and_say_so() -> None:
    split = split_photos(photos([0] * 12), DatasetSettings(split="blocks", folds=3))
    assert split.folds == tuple(index // 4 for index in range(12))
    assert len(split.warnings) == 1
    assert "12 of 12 photos are near-duplicates of one another and the split cuts through them" in split.warnings[0]


def test_group_by_merges_groups_that_share_near_duplicates_and_says_how_many() -> None:
    listed = photos([0, 1, 2, 0, 3, 4, 5, 6, 7, 8, 9, 10])  # part0_000 and part1_003 are alike
    for seed in range(8):
        split = split_photos(listed, DatasetSettings(group_by=r"part(\d+)", seed=seed))
        assert split.groups == (0,) * 6 + (1,) * 3 + (2,) * 3
        assert split.folds[0] == split.folds[3]
        assert split.warnings[0].startswith("2 of 4 groups (groups by 'part(\\d+)') share near-duplicate photos")
        assert "leaves 3" in split.warnings[0] and "merged where alike" in split.words


@pytest.mark.parametrize("asked", [{}, {"split": "blocks"}, {"folds": 3}, {"group_by": r"_(\d+)"}])
def test_photos_with_one_and_the_same_image_are_never_on_both_sides(asked: dict[str, object]) -> None:
    pixels = [{"a"}, {"b"}, {"c"}, {"d"}, {"e"}, {"a", "f"}]  # the first and the last share a tile
    for seed in range(8):
        settings = DatasetSettings.model_validate(asked | {"seed": seed})
        split = split_photos(photos(list(range(6))), settings, pixels)
        assert split.folds[0] == split.folds[5]
        assert "2 of 6 groups" in split.warnings[0]


def test_group_by_takes_the_first_capture_or_the_whole_match() -> None:
    names = photos(list(range(9)))  # part0, part1, part2, three of each
    for pattern in (r"part(\d+)_", r"^part\d", r"(part\d)_\d+"):
        split = split_photos(names, DatasetSettings(group_by=pattern, folds=3))
        assert split.groups == (0, 0, 0, 1, 1, 1, 2, 2, 2)
        check_groups_are_whole(split)
        assert pattern in split.words


def test_group_by_tells_a_fixed_cameras_photos_apart_and_warns() -> None:
    split = split_photos(photos([0] * 9), DatasetSettings(group_by=r"part(\d+)"))
    assert "9 of 9 photos are near-duplicates of one another and the split cuts through them" in split.warnings[0]
    assert len(heldout_of(split)) == 3 and len({split.groups[index] for index in heldout_of(split)}) == 1


def test_an_exact_copy_follows_its_original_whatever_the_rule() -> None:
    listed = [*photos([0, 1, 2, 3, 4, 5]), photo("part9_copy.png", 0, duplicate_of="part0_000.png")]
    for asked in (DatasetSettings(folds=3), DatasetSettings(folds=3, split="blocks"), DatasetSettings(group_by=r"\d")):
        split = split_photos(listed, asked)
        assert split.groups[-1] == split.groups[0] and split.folds[-1] == split.folds[0]
    crowd = [*photos([0] * 6), photo("part9_copy.png", 0, duplicate_of="part0_000.png")]
    split = split_photos(crowd, DatasetSettings(folds=3, split="blocks"))
    assert split.folds[-1] == split.folds[0]


def test_heldout_zero_trains_on_all_even_on_one_photo() -> None:
    for count in (1, 5):
        split = split_photos(photos(list(range(count))), DatasetSettings(heldout=0))
        assert split.folds == (None,) * count and "none held out" in split.words


@pytest.mark.parametrize(
    ("groups", "asked", "words"),
    [
        (
            [0],
            {},
            [
                "There is 1 photo, and heldout is 0.25.",
                "judging by it 4",
                "`handful dataset --heldout 0`, then `handful train`",
            ],
        ),
        ([0], {"heldout": 0.5, "folds": 2}, ["There is 1 photo, and heldout is 0.5."]),
        ([0, 0, 0], {}, ["The 3 photos form 1 group(s)", "at least 2", "--split blocks", "--group-by", "--heldout 0"]),
        ([0, 0, 1, 2], {"folds": 4}, ["The 4 photos form 3 group(s)", "4 folds need at least 4", "--folds 3, "]),
        ([0, 1], {"group_by": "part"}, ["The 2 photos form 1 group(s) (groups by 'part')"]),
        ([0, 1], {"group_by": "p(x)?"}, ["form 1 group(s)"]),
        ([0, 1], {"group_by": r"_(00[1-9])"}, ["does not match the photo 'part0_000.png'", "every photo"]),
        ([0, 1], {"group_by": "p", "split": "blocks"}, ["--split blocks and --group-by 'p'", "Leave out"]),
        ([0, 1, 2], {"heldout": 0, "folds": 3}, ["There are 3 folds, and heldout is 0.", "Leave out --folds"]),
    ],
)
def test_impossible_splits_are_refused_with_numbers_and_a_way_out(
    groups: list[int], asked: dict[str, object], words: list[str]
) -> None:
    with pytest.raises(UserError) as caught:
        split_photos(photos(groups), DatasetSettings.model_validate(asked))
    for word in words:
        assert word in str(caught.value)
