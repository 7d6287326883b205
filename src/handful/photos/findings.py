"""What is odd about a set of photos as a whole, one sentence each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from statistics import median

from handful.core.artifacts import Photo, Unreadable

DARK_SHARE = 0.5
"""A photo with more dark pixels than this counts as underexposed."""
BRIGHT_SHARE = 0.05
"""A photo with more clipped pixels than this counts as overexposed: metal may glint, it may not vanish."""
MANY_SHARE = 0.25
"""Exposure is a finding about the set when at least this share of its photos has it."""
BLUR_RATIO = 0.5
"""A photo less sharp than this share of the set's median counts as blurred (about a 2 px blur at 640 px)."""
_NAMES_SHOWN = 5


def set_warnings(
    photos: Sequence[Photo],
    unreadable: Sequence[Unreadable],
    likely_depths: Sequence[int | None],
    generated: Sequence[str],
) -> Iterator[str]:
    """Findings about a set of at least one photo.

    Args:
        photos: with their groups.
        unreadable: files that could not be read.
        likely_depths: `DecodedPhoto.likely_bit_depth` of each photo.
        generated: names of files that say of themselves that they were generated.
    """
    if generated:
        yield (
            f"{len(generated)} of {len(photos)} photos say of themselves that they were generated: "
            f"{_names(generated)}; held out, they would pass for real ones. Take them out of the folder."
        )
    if unreadable:
        files = _names(entry.name for entry in unreadable)
        yield f"{len(unreadable)} of {len(photos) + len(unreadable)} files cannot be read: {files}."
    yield from _mixtures(photos)
    deep = [likely for photo, likely in zip(photos, likely_depths, strict=True) if photo.bit_depth == 16 or likely]
    if deep and None not in deep:
        likely = max(depth for depth in deep if depth is not None)
        yield (
            f"No value is above {2**likely - 1} in the 16-bit files: if the camera has {likely} bits, state "
            f"--bit-depth {likely}, else everything looks almost black."
        )
    yield from _exposure(photos)
    yield from _copies(photos)


def _mixtures(photos: Sequence[Photo]) -> Iterator[str]:
    sizes = Counter(str(photo.size) for photo in photos)
    if len(sizes) > 1:
        yield f"The photos have {len(sizes)} sizes: {_counts(sizes)}; a data set needs one, or --fit crop."
    colours = Counter("grey" if photo.channels == 1 else "colour" for photo in photos)
    if len(colours) > 1:
        yield f"The photos are mixed: {_counts(colours)}; a data set needs --channels grey or --channels rgb."
    depths = Counter(f"{photo.bit_depth} bit" for photo in photos)
    if len(depths) > 1:
        yield f"The photos have {len(depths)} bit depths: {_counts(depths)}; a data set needs one."


def _exposure(photos: Sequence[Photo]) -> Iterator[str]:
    kinds = (
        ("underexposed", "dark", DARK_SHARE, [photo.name for photo in photos if photo.dark_share > DARK_SHARE]),
        ("overexposed", "clipped", BRIGHT_SHARE, [photo.name for photo in photos if photo.bright_share > BRIGHT_SHARE]),
    )
    for kind, pixels, share, found in kinds:
        if found and len(found) >= MANY_SHARE * len(photos):
            yield (
                f"{len(found)} of {len(photos)} photos are {kind} (more than {share:.0%} of their pixels "
                f"are {pixels}): {_names(found)}."
            )
    middle = median(photo.sharpness for photo in photos)
    blurred = [photo.name for photo in photos if photo.sharpness < BLUR_RATIO * middle]
    if blurred:
        yield (
            f"{len(blurred)} of {len(photos)} photos look blurred (less than {BLUR_RATIO:.0%} of the median "
            f"sharpness): {_names(blurred)}."
        )


def _copies(photos: Sequence[Photo]) -> Iterator[str]:
    copies = [f"{photo.name} = {photo.duplicate_of}" for photo in photos if photo.duplicate_of is not None]
    if copies:
        yield f"{len(copies)} of {len(photos)} photos are exact copies of others: {_names(copies)}."
    members: dict[int, list[str]] = {}
    for photo in photos:
        if photo.duplicate_of is None:
            members.setdefault(photo.group, []).append(photo.name)
    different = sum(map(len, members.values()))
    near = sorted((names for names in members.values() if len(names) > 1), key=len, reverse=True)
    if not near:
        return
    if different > 2 and len(near[0]) > different / 2:
        yield (
            f"{len(near[0])} of {different} photos are near-duplicates of one another, as from a fixed camera: "
            f"hold photos out with --split blocks, or say with --group-by which belong together."
        )
    else:
        yield (
            f"{sum(map(len, near))} of {different} photos form {len(near)} group(s) of near-duplicates, kept "
            f"together when photos are held out; the largest: {_names(near[0])}."
        )


def _names(names: Iterable[str]) -> str:
    listed = list(names)
    more = f" and {len(listed) - _NAMES_SHOWN} more" if len(listed) > _NAMES_SHOWN else ""
    return ", ".join(listed[:_NAMES_SHOWN]) + more


def _counts(counter: Counter[str]) -> str:
    return ", ".join(f"{value} ({count} photo{'s' if count > 1 else ''})" for value, count in counter.most_common())
