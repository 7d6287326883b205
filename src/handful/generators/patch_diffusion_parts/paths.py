"""Which of its two ways patch_diffusion takes: aligned for one view, candidates for several views or one photo."""

from __future__ import annotations

from typing import Literal

from handful.core.errors import UserError
from handful.generators.patch_diffusion_parts.aligned import LEAST_TO_EXCLUDE
from handful.generators.patch_diffusion_parts.controls import PatchDiffusionControls
from handful.generators.patch_diffusion_parts.photo_store import PhotoStore
from handful.generators.patch_diffusion_parts.registration import ALIGNED

Path = Literal["aligned", "candidates"]
PathSetting = Literal["auto", "aligned", "candidates"]
_OF_BOTH = {"patch_px"}


def check_path(path: PathSetting, photos: int) -> None:
    """Raises:
    UserError: one photo is to be aligned.
    """
    if path == "aligned" and photos < 2:
        raise UserError(
            f"path is aligned, and there is {photos} training photo.",
            "Photos can be aligned from 2 on; path=candidates draws from 1.",
            "Add photos, or leave the setting path out.",
        )


def choose_path(path: PathSetting, store: PhotoStore) -> Path:
    """The path that is set, or the one that the photos' measured alignment asks for."""
    if path != "auto":
        return path
    return "aligned" if len(store.agreement) > 1 and float(store.agreement.median()) >= ALIGNED else "candidates"


def check_controls_of_path(controls: PatchDiffusionControls, path: Path) -> None:
    """Raises:
    UserError: a control that only the aligned path can follow.
    """
    unknown = sorted(set(controls.model_dump(exclude_defaults=True)) - _OF_BOTH)
    if path == "candidates" and unknown:
        raise UserError(
            f"{', '.join(unknown)} was given, and this run draws by candidates.",
            f"Drawing by candidates follows {len(_OF_BOTH)} control: {', '.join(_OF_BOTH)}.",
            f"Leave {', '.join(unknown)} out, or train on photos of one view with path=auto.",
        )


def describe_path(setting: PathSetting, store: PhotoStore) -> tuple[str, ...]:
    """What was found about the photos' views, which path that makes, and what is to be expected of it."""
    path, agreement, n = choose_path(setting, store), float(store.agreement.median()), len(store.agreement)
    chosen = f"path {path}" + ("" if setting == "auto" else " (as set)")
    measured = f"their structure agrees by {agreement:.2f}, {ALIGNED} is the least"
    if n == 1:
        view = "there is one photo"
    elif agreement < ALIGNED:
        view = f"the photos do not share a view ({measured})"
    else:
        view = f"the photos share a view ({measured})"
    notes = []
    if path == "candidates":
        others = "other places of it" if n == 1 else "the other photos"
        notes.append(
            f"{chosen}: {view}; the layout of a sample is that of one photo, turned and bent a little, and its detail "
            f"comes from {others} where they agree with it"
        )
    else:
        moved = store.poses.abs().sum(1) > 0
        farthest = float(store.poses[:, :2].norm(dim=1).max())
        notes.append(f"{chosen}: {view}; {int(moved.sum())} of {n} were moved, by up to {farthest:.1f} px")
        if agreement < ALIGNED:
            notes.append("samples will show broken and doubled edges; path candidates would not break them")
    if dropped := int((~store.kept).sum()):
        notes.append(f"{dropped} photo(s) whose light is unlike every other's are left out")
    if path == "aligned" and int(store.kept.sum()) < LEAST_TO_EXCLUDE:
        notes.append(f"with fewer than {LEAST_TO_EXCLUDE} photos, large parts of a sample are copies of one photo")
    return tuple(notes)
