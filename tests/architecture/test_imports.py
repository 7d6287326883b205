"""What may be loaded when: rule 8 of the house, 'nothing happens at import'."""

import subprocess
import sys

import pytest

HEAVY = ("torch", "kornia", "scipy", "sklearn", "matplotlib")


def loaded_by(code: str) -> set[str]:
    """Top-level modules in a fresh process after running `code`."""
    script = f"import sys\n{code}\nprint('\\n'.join({{m.split('.')[0] for m in sys.modules}}), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stderr.split())


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["compare", "--help"],
        ["train", "--help"],
        ["generators", "--json"],
        ["generators", "dcgan"],
        ["scores", "--json"],
        ["inspectors", "--json"],
        ["inspectors", "linear"],
        ["weights", "--json"],
        ["apply", "edit"],
    ],
)
def test_help_and_listings_import_no_torch(words: list[str]) -> None:
    loaded = loaded_by(f"from handful.cli.app import main\ntry:\n    main({words!r})\nexcept SystemExit:\n    pass")
    assert "handful" in loaded
    assert "torch" not in loaded


def test_importing_handful_loads_nothing_heavy_and_offers_every_public_name() -> None:
    assert not loaded_by("import handful").intersection(HEAVY)
    import handful

    for name in handful.__all__:
        assert getattr(handful, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        _ = handful.trian


def test_the_torch_free_stages_import_no_torch() -> None:
    stages = ["photos.audit", "dataset.build", "report.build", "core.registry", "features.weights"]
    loaded = loaded_by("\n".join(f"import handful.{stage}" for stage in stages))
    assert "torch" not in loaded
