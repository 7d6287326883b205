"""The user's workspace: numbered folders in flow order, atomic writes, one lock.

1_photos/ 2_dataset/ 3_train/ 4_samples/ 5_scores/ 6_report/ 7_inspection/
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import filelock

from handful.core.errors import UserError

_DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class Workspace:
    """Names every place in a workspace; creates a folder only when something is written to it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.photos = root / "1_photos"
        self.dataset = root / "2_dataset"
        self.train = root / "3_train"
        self.samples = root / "4_samples"
        self.scores = root / "5_scores"
        self.report = root / "6_report"
        self.inspection = root / "7_inspection"

    @contextlib.contextmanager
    def hold(self) -> Iterator[None]:
        """Holds the workspace for this process. A killed process lets go by itself.

        Raises:
            UserError: another process holds it.
        """
        busy = UserError(
            f"Another run holds {self.root}.",
            "One run at a time may write to a workspace.",
            "Wait until it ends, or give this run another folder with --out.",
        )
        with hold_folder(self.root, busy):
            yield


@contextlib.contextmanager
def hold_folder(folder: Path, busy: UserError) -> Iterator[None]:
    """Makes a folder and holds it for this process. Whatever was made for that alone is gone afterwards: a refused run
    leaves no empty folder.

    Raises:
        UserError: `busy` where another process holds it, or the folder cannot be made or written to.
    """
    file = folder / ".lock"
    lock = filelock.FileLock(file)
    new = [path for path in (file, folder, *folder.parents) if not path.exists()]
    with explain_full_disk(file), _explain_unwritable(folder):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            raise busy from None
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            if file in new and list(folder.iterdir()) == [file]:
                file.unlink()  # still held: who opened it meanwhile sees, once it has the lock, that its file is gone
        lock.release()
        with contextlib.suppress(OSError):  # something came into it
            for path in new[1:]:
                path.rmdir()


@contextlib.contextmanager
def explain_full_disk(path: Path) -> Iterator[None]:
    """Turns the system's error of a full disk into the user's while `path` is written."""
    try:
        yield
    except OSError as error:
        if error.errno not in _DISK_FULL:
            raise
        raise UserError(
            f"The disk filled up while writing {path.name}.",
            f"{path.parent} must have room for it; what was there before is untouched.",
            "Free some space and run the same command again: it goes on from what is there.",
        ) from None


@contextlib.contextmanager
def _explain_unwritable(folder: Path) -> Iterator[None]:
    """Turns the system's error into the user's where files cannot be made in `folder`."""
    try:
        yield
    except (FileExistsError, FileNotFoundError, NotADirectoryError, PermissionError) as error:
        seen = f"{error.filename} is a file" if isinstance(error, FileExistsError) else error.strerror
        raise UserError(
            f"Nothing can be written into {folder}: {seen}.",
            "The output goes into a folder that you may write to, or a new one.",
            "Give another folder, or change the rights of this one.",
        ) from None


def write_atomically(path: Path, content: bytes) -> None:
    """Writes a file whole or not at all: a temporary file beside it, flushed to disk, then renamed.

    Raises:
        UserError: the disk is full or the folder cannot be written to; what stood at `path` before still stands.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    with explain_full_disk(path), _explain_unwritable(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = temporary.open("xb")  # opened plainly, so that the user's umask decides who may read it
    try:
        with explain_full_disk(path):
            with file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def sweep_temporaries(folder: Path) -> None:
    """Removes temporary files that a killed process left in `folder` (not below it)."""
    for leftover in folder.glob(".*.tmp"):
        leftover.unlink(missing_ok=True)
