"""Files are written whole or not at all, and a folder has one holder."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from handful.core.errors import UserError
from handful.core.progress import EventLog, read_events
from handful.core.workspace import Workspace, sweep_temporaries, write_atomically


@contextlib.contextmanager
def files_limited_to(size_bytes: int) -> Iterator[None]:
    """The system refuses larger files, as it does when a disk is full."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)


def test_a_file_is_written_with_the_folders_it_needs_and_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b.json"
    write_atomically(path, b"first")
    write_atomically(path, b"second")
    assert path.read_bytes() == b"second"
    assert [file.name for file in path.parent.iterdir()] == ["b.json"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no umask")
@pytest.mark.parametrize(("mask", "mode"), [(0o077, 0o600), (0o022, 0o644), (0o002, 0o664)])
def test_the_umask_decides_who_may_read_a_file(tmp_path: Path, mask: int, mode: int) -> None:
    before = os.umask(mask)
    try:
        write_atomically(tmp_path / "b.json", b"secret")
    finally:
        os.umask(before)
    assert (tmp_path / "b.json").stat().st_mode & 0o777 == mode


def test_a_full_disk_is_three_lines_and_what_stood_there_still_stands(tmp_path: Path) -> None:
    path = tmp_path / "b.json"
    write_atomically(path, b"before")
    with files_limited_to(1000), pytest.raises(UserError) as caught:
        write_atomically(path, b"x" * 5000)
    assert "disk filled up while writing b.json" in caught.value.what
    assert str(tmp_path) in caught.value.allowed and "untouched" in caught.value.allowed
    assert "run the same command again" in caught.value.do
    assert path.read_bytes() == b"before"
    assert [file.name for file in tmp_path.iterdir()] == ["b.json"]


def test_other_failures_of_the_system_keep_their_traceback(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(OSError):
        write_atomically(tmp_path / "taken", b"x")
    assert [file.name for file in tmp_path.iterdir()] == ["taken"]


@pytest.mark.parametrize("below", ["", "deeper", "deeper/still"])
def test_an_output_folder_that_is_a_file_is_three_lines(tmp_path: Path, below: str) -> None:
    (tmp_path / "afile").write_text("x")
    folder = tmp_path / "afile" / below
    with pytest.raises(UserError) as caught, Workspace(folder).hold():
        pass
    assert f"Nothing can be written into {folder}" in caught.value.what and "another folder" in caught.value.do
    with pytest.raises(UserError, match=r"Nothing can be written into"):
        write_atomically(folder / "b.json", b"x")
    assert (tmp_path / "afile").read_text() == "x"


@pytest.mark.parametrize("failure", [PermissionError, FileNotFoundError])
def test_a_folder_without_rights_is_three_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: type[OSError]
) -> None:
    def refuse(self: Path, **_: object) -> None:
        raise failure(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(UserError, match=r"Permission denied\.\n.*may write to.*\n.*rights"):
        write_atomically(tmp_path / "new" / "b.json", b"x")
    with pytest.raises(UserError, match=r"Permission denied\."), Workspace(tmp_path / "new").hold():
        pass


def test_a_damaged_log_gives_the_events_that_are_left(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b'{"event": "start"}\n{"event": \n\xff\xfe\x00\n17\n\n{"event": "end"}\n{"event": "cut"}')
    assert [event["event"] for event in read_events(path)] == ["start", "end"]


def test_an_event_log_on_a_full_disk_says_so_and_keeps_what_fitted(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "events.jsonl")
    log({"event": "start"})
    with files_limited_to(40):
        with pytest.raises(UserError, match=r"disk filled up while writing events\.jsonl"):
            log({"event": "step", "step": 1, "words": "x" * 100})
        log.close()
    assert list(read_events(tmp_path / "events.jsonl")) == [{"event": "start"}]


def test_sweeping_removes_temporaries_of_this_folder_alone(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    for name in (".run.json.abc.tmp", "kept.tmp", ".hidden", "below/.run.json.abc.tmp"):
        (tmp_path / name).write_text("x")
    sweep_temporaries(tmp_path)
    left = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())
    assert left == [".hidden", "below/.run.json.abc.tmp", "kept.tmp"]


def test_a_workspace_has_one_holder_and_a_killed_one_lets_go(tmp_path: Path) -> None:
    hold = (
        "import sys, time; from pathlib import Path; from handful.core.workspace import Workspace\n"
        "with Workspace(Path(sys.argv[1])).hold(): print('held', flush=True); time.sleep(100)"
    )
    with subprocess.Popen([sys.executable, "-c", hold, str(tmp_path)], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None and other.stdout.readline() == "held\n"
        with pytest.raises(UserError) as caught, Workspace(tmp_path).hold():
            pass
        assert caught.value.what == f"Another run holds {tmp_path}." and "--out" in caught.value.do
        os.kill(other.pid, signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
    with Workspace(tmp_path).hold():
        assert (tmp_path / ".lock").exists()


def test_holding_leaves_nothing_behind_where_nothing_was_and_nothing_came(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "used").mkdir()
    (tmp_path / "used/report.txt").write_text("x")
    for name in ("new/below", "empty", "used"):
        with Workspace(tmp_path / name).hold():
            assert (tmp_path / name / ".lock").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "used"]
    assert not list((tmp_path / "empty").iterdir()) and (tmp_path / "used/report.txt").exists()
    with Workspace(tmp_path / "kept").hold():
        (tmp_path / "kept/report.txt").write_text("x")
    assert (tmp_path / "kept/report.txt").exists()


def test_who_is_refused_does_not_remove_the_lock_of_who_holds(tmp_path: Path) -> None:
    with Workspace(tmp_path / "new").hold():
        with pytest.raises(UserError), Workspace(tmp_path / "new").hold():
            pass
        assert (tmp_path / "new/.lock").exists()


def test_naming_places_creates_nothing(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "work")
    assert [path.name for path in (workspace.photos, workspace.train, workspace.report)] == [
        "1_photos",
        "3_train",
        "6_report",
    ]
    assert not workspace.root.exists()
