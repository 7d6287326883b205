"""What all manifests have in common, and what several of them hold."""

from __future__ import annotations

import platform
from importlib import metadata
from pathlib import Path
from typing import ClassVar, Self

from pydantic import ValidationError

from handful.core.config import Settings
from handful.core.errors import UserError
from handful.core.workspace import write_atomically


class Artifact(Settings):
    """A manifest on disk. Paths in it are relative to the folder it lies in, with forward slashes."""

    file_name: ClassVar[str]
    stage: ClassVar[str]

    def write(self, folder: Path) -> None:
        write_atomically(folder / self.file_name, (self.model_dump_json(indent=2) + "\n").encode())

    @classmethod
    def read(cls, folder: Path, file_name: str | None = None) -> Self:
        """Reads the manifest in `folder`.

        Raises:
            UserError: it is missing or damaged.
        """
        path = folder / (file_name or cls.file_name)
        try:
            return cls.model_validate_json(path.read_bytes())
        except (FileNotFoundError, NotADirectoryError):
            raise UserError(
                f"{folder} holds no {path.name}.",
                f"A folder made by `handful {cls.stage}` has one.",
                f"Run `handful {cls.stage}` first, or check the path.",
            ) from None
        except ValidationError as error:
            first = error.errors()[0]
            raise UserError(
                f"{path} is damaged or of another version: {'.'.join(map(str, first['loc']))}: {first['msg']}.",
                f"It must be as `handful {cls.stage}` of this version wrote it.",
                f"Move it away and run `handful {cls.stage}` again.",
            ) from None


class Size(Settings):
    """Width and height in pixels."""

    width: int
    height: int

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"


def library_versions() -> dict[str, str]:
    """Versions of whatever can change a number."""
    names = ("handful", "torch", "numpy", "scipy", "pillow", "kornia")
    return {"python": platform.python_version()} | {name: metadata.version(name) for name in names}
