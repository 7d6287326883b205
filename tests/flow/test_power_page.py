"""The power page says what so many photos can decide, and a plan that can decide does not change once it began."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from handful.cli import app
from handful.core.artifacts import DatasetImage, DatasetManifest, PhotoAudit, Size
from handful.core.errors import UserError
from handful.dataset.settings import DatasetSettings
from handful.photos.audit import audit_photos
from handful.study.frozen import FrozenPlan, freeze_plan
from handful.study.plan import arrange_settings
from handful.study.power import page_lines, plan_power, say_power

RANKED = ("dcgan", "began", "singan")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """20 photos, all different."""
    folder = tmp_path_factory.mktemp("photos")
    random = np.random.default_rng(0)
    for number in range(20):
        Image.fromarray(random.integers(0, 255, (24, 32), dtype=np.uint8)).save(folder / f"{number:02d}.png")
    return folder


@pytest.fixture(scope="module")
def audit(folder: Path) -> PhotoAudit:
    return audit_photos(folder)


def test_one_run_decides_nothing_and_the_page_says_what_would(audit: PhotoAudit) -> None:
    page = plan_power(audit, ("dcgan", "began", "classic"), (0,), DatasetSettings())
    assert (page.photos, page.heldout_total, page.cells, page.comparisons) == (20, 5, 1, 1)
    assert not page.decides and page.run_effect is None and page.least_cells == 10
    lines = page_lines(page)
    assert any("Cannot be decided: which generator is better. 1 paired run from 1 seed" in line for line in lines)
    assert lines[-1] == "Enough would be: `--folds 5 --seeds 0,1`."
    assert any("None in 5 held-out photos still allows 45.1%" in line for line in lines)


def test_what_it_advises_is_enough(audit: PhotoAudit) -> None:
    page = plan_power(audit, (*RANKED, "classic"), (0, 1), DatasetSettings(folds=5))
    assert page.decides and page.cells == 10 and page.comparisons == 3 and page.heldout_total == 20
    assert not any("which generator is better" in line for line in page.cannot)
    # noncentral t: at 5 % / 3 ten pairs find 1.21 SD, where at 5 % they would find 1.00
    assert page.run_effect == pytest.approx(1.22, abs=0.02)
    alone = plan_power(audit, ("dcgan", "classic"), (0, 1), DatasetSettings(folds=5))
    assert alone.comparisons == 1 and alone.run_effect == pytest.approx(1.00, abs=0.005)


def test_ten_runs_of_one_seed_are_no_claim(audit: PhotoAudit) -> None:
    assert not plan_power(audit, RANKED, (0,), DatasetSettings(folds=10)).decides


def test_scores_are_allowed_by_the_photos_that_they_compare_with(audit: PhotoAudit) -> None:
    uses = {one.score: one for one in plan_power(audit, RANKED, (0,), DatasetSettings(folds=20)).scores}
    assert uses["kid"].use == "no" and uses["kid"].has_photos == 1 and uses["kid"].remark == "needs 1 photo more"
    assert uses["nearest_photo"].use == "yes"
    few = {one.score: one for one in plan_power(audit, RANKED, (0,), DatasetSettings()).scores}
    assert few["kid"].use == "rough" and "10 photos" in few["kid"].remark


def test_a_listener_hears_the_page_before_anything_is_trained(audit: PhotoAudit) -> None:
    said: list[str] = []
    say_power(plan_power(audit, RANKED, (0,), DatasetSettings()), lambda event: said.append(event["words"]))
    assert said[0] == "20 photos in 20 groups; 5 held out." and "kid rough" in said[-1]


def test_the_command_prints_the_same_as_text_and_as_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert app.main(["plan", str(folder), "--seeds", "0,1", "--folds", "5"]) == 0
    shown = capsys.readouterr().out
    assert "2 seeds x 5 folds = 10 paired runs" in shown and "needs photos" in shown
    assert app.main(["plan", str(folder), "--seeds", "0,1", "--folds", "5", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["cells"] == 10
    assert app.main(["plan", str(folder), "--generators", "dcgna"]) == 2
    assert "Did you mean 'dcgan'?" in capsys.readouterr().err


@pytest.fixture
def freeze(tmp_path: Path) -> Callable[..., FrozenPlan]:
    images = tuple(
        DatasetImage(file=f"{n}.png", photo=f"{n}.png", pixels_sha256=str(n), group=n, fold=n % 5) for n in range(20)
    )
    dataset = DatasetManifest(
        canvas=Size(width=24, height=18), channels=1, bit_depth=8, fit="keep", filter="bicubic", split="5 folds",
        folds=5, photo_size=Size(width=32, height=24), photo_folder="photos", images=images, left_out=(), warnings=(),
        fingerprint="data",
    )  # fmt: skip

    def freeze(**values: object) -> FrozenPlan:
        spaces = values.pop("spaces", ("efficientnet-lite0", "pixels"))
        return freeze_plan(arrange_settings(values, "the test"), spaces, dataset, tmp_path)  # type: ignore[arg-type]

    return freeze


def begin(work: Path) -> None:
    """A first run has begun."""
    run = work / "3_train/dcgan-s0-f0-0a1b2c3d"
    run.mkdir(parents=True)
    (run / "run.json").write_text("{}")


def test_the_plan_is_written_whole_and_the_same_again_is_welcome(
    freeze: Callable[..., FrozenPlan], tmp_path: Path
) -> None:
    plan = freeze(generators=["dcgan", "classic"], seeds=[0, 1])
    assert FrozenPlan.read(tmp_path) == plan and not plan.pilot
    assert plan.primary_score == "kid in efficientnet-lite0, heldout-v1"
    assert plan.folds == 5 and plan.canvas == "24x18" and plan.seeds == (0, 1) and len(plan.plan_sha256) == 64
    assert len(plan.networks["efficientnet-lite0"]) == 64 and plan.networks["pixels"] == ""
    begin(tmp_path)
    assert freeze(generators=["classic", "dcgan"], seeds=[1, 0]) == plan
    assert freeze(generators=["dcgan", "classic"], seeds=[0, 1], jobs=2, samples=50) == plan


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"seeds": [0, 1, 2]}, "seeds was 0,1, is now 0,1,2"),
        ({"generators": ["dcgan", "began"]}, "generators was classic,dcgan, is now began,dcgan"),
        ({"budget": "5steps"}, "stop_rule was"),
        ({"spaces": ("pixels",)}, "networks was efficientnet-lite0"),
    ],
)
def test_a_plan_that_can_decide_is_not_changed_after_its_runs_began(
    freeze: Callable[..., FrozenPlan], tmp_path: Path, change: dict[str, object], told: str
) -> None:
    values: dict[str, object] = {"generators": ["dcgan", "classic"], "seeds": [0, 1]}
    freeze(**values)
    freeze(**(values | change))  # nothing has begun
    freeze(**values)
    begin(tmp_path)
    with pytest.raises(UserError) as caught:
        freeze(**(values | change))
    assert told in caught.value.what and str(tmp_path / "plan.json") in caught.value.what
    assert "fewer than 10 paired runs" in caught.value.allowed and "--out" in caught.value.do
    assert freeze(**values).seeds == (0, 1), "the refused plan replaced the frozen one"


def test_a_pilot_may_be_replaced_and_is_kept(freeze: Callable[..., FrozenPlan], tmp_path: Path) -> None:
    pilot = freeze(generators=["dcgan", "classic"], seeds=[0])
    begin(tmp_path)
    assert pilot.pilot and not freeze(generators=["dcgan", "classic"], seeds=[0, 1]).pilot
    assert FrozenPlan.read(tmp_path, f"plan-{pilot.plan_sha256[:8]}.json") == pilot


def test_a_plan_changed_by_hand_is_refused(freeze: Callable[..., FrozenPlan], tmp_path: Path) -> None:
    values: dict[str, object] = {"generators": ["dcgan", "classic"], "seeds": [0]}
    freeze(**values)
    begin(tmp_path)
    file = tmp_path / "plan.json"
    file.write_text(file.read_text().replace('"canvas": "24x18"', '"canvas": "32x24"'))
    with pytest.raises(UserError) as caught:
        freeze(**values)
    assert "changed by hand" in caught.value.what and "canvas was 32x24, is now 24x18" in caught.value.what
