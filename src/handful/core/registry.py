"""Finds generators, scores and inspectors by file name. Adding one adds one file and edits nothing central.

What the listing commands show is read from the file's text, so that no listing imports torch.
A user's own generator is named by its path: `--generators dcgan,path/to/mine.py`.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import re
import sys
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from handful.core.errors import UserError, unknown_name

Kind = Literal["generators", "scores", "inspectors"]
_PACKAGE = Path(__file__).parent.parent
_MODULES = {"generators": "generators", "scores": "scores", "inspectors": "inspection.inspectors"}
_ONE = {"generators": "A generator", "scores": "A score", "inspectors": "An inspector"}


@dataclass(frozen=True)
class SettingRow:
    """One setting of a generator, as its file states it."""

    name: str
    type: str
    default: str
    help: str


@dataclass(frozen=True)
class Description:
    """What a generator, score or inspector file says of itself."""

    name: str
    title: str
    """First line of the docstring."""
    sections: dict[str, str]
    """'Paper', 'Good for', ... -> text."""
    facts: dict[str, Any]
    """The literal arguments of FACTS."""
    settings: tuple[SettingRow, ...]
    controls: tuple[SettingRow, ...]
    """What `handful sample --set` can be told."""
    path: Path


def names(kind: Kind) -> tuple[str, ...]:
    """Names of all of a kind: the files of its folder that state FACTS."""
    return tuple(_entries(kind))


def describe(kind: Kind, name: str) -> Description:
    """What the file says of itself, read without importing it.

    Raises:
        UserError: no such name, or a file of the user's own that states no FACTS.
    """
    path = find(kind, name)
    try:
        return _parse(path.stem, path, path.stat().st_mtime_ns)
    except (OSError, SyntaxError, ValueError) as error:  # ValueError: no UTF-8, a null byte, or no literal
        raise UserError(
            f"{path} states no FACTS with named literals: {type(error).__name__}: {error}.",
            f"{_ONE[kind]} is a Python file with a line such as FACTS = Facts(least_photos=2, trains=True).",
            "Correct the file; examples/ shows one that works.",
        ) from None


def find(kind: Kind, name: str) -> Path:
    """The file behind a name, or behind a path that ends in .py.

    Raises:
        UserError: there is none; the nearest name is offered.
    """
    if name.endswith(".py"):
        path = Path(name)
        if path.is_file():
            return path
        raise UserError(
            f"There is no file {name}.",
            f"{_ONE[kind]} of your own is one Python file that states FACTS.",
            "Check the path; examples/ shows one.",
        )
    entries = _entries(kind)
    if name not in entries:
        raise unknown_name(kind[:-1], name, entries, f"handful {kind}")
    return entries[name]


def load(kind: Kind, name: str) -> ModuleType:
    """Imports the module behind a name or path.

    Raises:
        UserError: no such name, or a file of the user's own that does not import.
    """
    path = find(kind, name)
    if not name.endswith(".py"):
        return importlib.import_module(f"handful.{_MODULES[kind]}.{name}")
    module_name = f"handful_plugin_{path.stem}"
    spec = importlib.util.spec_from_file_location(module_name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise UserError(
            f"{path} does not import: {type(error).__name__}: {error}.",
            f"{_ONE[kind]} of your own must import without error.",
            "Correct the file; examples/ shows one that works.",
        ) from error
    return module


@cache
def _entries(kind: Kind) -> dict[str, Path]:
    files = sorted(_PACKAGE.joinpath(*_MODULES[kind].split(".")).glob("*.py"))
    return {path.stem: path for path in files if re.search(r"^FACTS = ", path.read_text("utf-8"), re.M)}


@lru_cache(maxsize=128)
def _parse(name: str, path: Path, _changed: int) -> Description:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    title, sections = _sections(ast.get_docstring(tree) or "")
    facts: dict[str, Any] | None = None
    classes = _settings_classes(tree)
    chosen: dict[str, str] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "FACTS":
            if not isinstance(node.value, ast.Call) or node.value.args:
                raise ValueError(f"FACTS = {ast.unparse(node.value)}")
            facts = {word.arg: ast.literal_eval(word.value) for word in node.value.keywords if word.arg}
        if isinstance(node, ast.ClassDef):
            for line in node.body:
                if isinstance(line, ast.Assign):
                    chosen[ast.unparse(line.targets[0])] = ast.unparse(line.value)
    if facts is None:
        raise ValueError("FACTS is not there")
    for node in tree.body:  # classes that lie in a part of the method
        if isinstance(node, ast.ImportFrom) and {word.name for word in node.names} & set(chosen.values()):
            part = _PACKAGE.joinpath(*(node.module or "").split(".")[1:]).with_suffix(".py")
            classes |= _settings_classes(ast.parse(part.read_text(encoding="utf-8"))) if part.is_file() else {}
    own, controls = (
        tuple(_setting_rows(classes[chosen[kind]])) if chosen.get(kind) in classes else ()
        for kind in ("settings_class", "controls_class")
    )
    return Description(name, title, sections, facts, own, controls, path)


def _settings_classes(tree: ast.Module) -> dict[str, ast.ClassDef]:
    return {
        node.name: node
        for node in tree.body
        if isinstance(node, ast.ClassDef) and any(ast.unparse(base) == "Settings" for base in node.bases)
    }


def _sections(docstring: str) -> tuple[str, dict[str, str]]:
    """Splits a docstring into its first line and its 'Word: text' sections."""
    title, _, rest = docstring.partition("\n")
    sections: dict[str, str] = {}
    word = "About"
    for line in rest.splitlines():
        match = re.match(r"([A-Z][A-Za-z ]{2,18}): ?(.*)", line)
        if match:
            word, line = match.groups()
        sections[word] = f"{sections.get(word, '')} {line.strip()}".strip()
    return title.strip(), {word: text for word, text in sections.items() if text}


def _setting_rows(node: ast.ClassDef) -> list[SettingRow]:
    rows = []
    for field, after in zip(node.body, [*node.body[1:], None], strict=True):
        if not isinstance(field, ast.AnnAssign):
            continue
        default, help_text = field.value, ""
        if isinstance(default, ast.Call):  # Field(0.5, ge=0, le=1)
            default = default.args[0] if default.args else None
        if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
            help_text = " ".join(str(after.value.value).split())
        rows.append(
            SettingRow(
                name=ast.unparse(field.target),
                type=ast.unparse(field.annotation),
                default="" if default is None else ast.unparse(default),
                help=help_text,
            )
        )
    return rows
