"""YOLO labels: a text file for each image, a line for each box or outline, classes in data.yaml or classes.txt."""

from __future__ import annotations

import json
import math
import re
from pathlib import PurePosixPath

from handful.core.artifacts import Size
from handful.core.errors import UserError
from handful.core.labels import GOOD, Region
from handful.photos.layout_tree import Entry, Found, Tree, kind_of, splits, stem, warn_bare, warn_orphans

_LISTS = ("classes.txt", "obj.names")
_LABELS, _IMAGES = "labels", "images"
_QUOTED = r"""(?:"(?:[^"\\]|\\.)*"|'(?:[^']|'')*')"""
_NUMBER = re.compile(r"\d+\s+[\d.eE+-]+(\s+[\d.eE+-]+){3,}\s*")


def claims(tree: Tree) -> bool:
    """Whether text files in a folder `labels`, or beside the images together with a list of classes, hold numbers; or
    all of them nothing, where classes are listed."""
    files = _label_files(tree)
    empty = bool(files and _lists(tree)) and not any((tree.folder / file).stat().st_size for file in files)
    return empty or any(_looks_so(tree, file) for file in files)


def read(tree: Tree) -> Found:
    """Boxes and outlines. An image without a text file, or with an empty one, is good, as the format has it.

    Raises:
        UserError: no list of classes, a class that it does not hold, or a line that is no box and no outline.
    """
    files = _label_files(tree)
    names, source = _class_names(tree)
    images = list(tree.images)
    file_of = _match(images, files)
    parts = splits(images)
    found = Found(declared={kind_of(name) for name in names.values()})
    bare = []
    for name in images:
        file = file_of.get(name)
        if file is None:
            bare.append(name)
        size = tree.size(name)
        regions = () if file is None or size is None else _regions(tree, file, size, names, source)
        found.entries.append(Entry(name, regions, GOOD if file is None else None, parts[name]))
    warn_bare(found, bare, images, "label file")
    missing = sorted(set(files) - set(file_of.values()))
    if len(missing) == len(files):
        found.entries.clear()
    warn_orphans(found, missing, "label files", tree)
    return found


def _label_files(tree: Tree) -> list[str]:
    """Text files in a folder `labels`; else those beside an image of the same name, where classes are listed."""
    texts = [name for name in tree.others if name.endswith(".txt") and PurePosixPath(name).name not in _LISTS]
    below = [name for name in texts if _LABELS in PurePosixPath(name).parts[:-1]]
    if below or not _lists(tree):
        return below
    return [name for name in texts if stem(name) in tree.by_stem]


def _looks_so(tree: Tree, file: str) -> bool:
    try:
        lines = tree.text(file).splitlines()
    except UserError:
        return False
    filled = [line.strip() for line in lines if line.strip()]
    return bool(filled) and _NUMBER.fullmatch(filled[0]) is not None


def _match(images: list[str], files: list[str]) -> dict[str, str]:
    """Image -> its label file: images/a/x.png - labels/a/x.txt, a/images/x.png - a/labels/x.txt, or x.txt beside."""
    known = {stem(file): file for file in files}
    matched = {}
    for name in images:
        parts = PurePosixPath(stem(name)).parts
        keys = [stem(name), "/".join((_LABELS, *parts))]
        keys += ["/".join((*parts[:at], _LABELS, *parts[at + 1 :])) for at, part in enumerate(parts) if part == _IMAGES]
        file = next((known[key] for key in reversed(keys) if key in known), None)
        if file is not None:
            matched[name] = file
    return matched


def _lists(tree: Tree) -> list[str]:
    """Files that list the classes, YAML first."""
    yamls = [name for name in tree.others if name.endswith((".yaml", ".yml"))]
    plain = [name for name in tree.others if PurePosixPath(name).name in _LISTS]
    plain += [name for name in _LISTS if name not in plain and (tree.folder / name).is_file()]
    return yamls + plain


def _class_names(tree: Tree) -> tuple[dict[int, str], str]:
    """Number -> class, and the file that says so."""
    for file in _lists(tree):
        text = tree.text(file)
        if file.endswith((".yaml", ".yml")):
            names = yaml_names(text)
        else:
            names = dict(enumerate(line.strip() for line in text.splitlines() if line.strip()))
        if names:
            return names, file
    raise UserError(
        f"The labels in {tree.folder} are numbers, and no file names their classes.",
        "data.yaml has `names:`, a list or numbers with names; or classes.txt has one class a line, class 0 first.",
        "Write classes.txt into that folder, or a folder above it, and run the command again.",
    )


def yaml_names(text: str) -> dict[int, str]:
    """The classes of a data.yaml: `names: [a, b]`, `names: {0: a}`, or either spread over lines below. {} for others.

    This reads what the format's tools write, not YAML at large.
    """
    lines = text.splitlines()
    start = next((number for number, line in enumerate(lines) if re.match(r"names\s*:", line)), None)
    if start is None:
        return {}
    first = _bare(lines[start].split(":", 1)[1])
    block = []
    for line in lines[start + 1 :]:
        if line.strip() and not line.startswith((" ", "\t", "-", "#", "]", "}")):
            break
        block.append(_bare(line))
    if first:
        entries = re.findall(rf"(?:{_QUOTED}|[^,\[\]{{}}])+", " ".join([first, *block]))
    else:
        entries = [entry.removeprefix("-") for entry in block]
    names: dict[int, str] = {}
    for entry in filter(None, map(str.strip, entries)):
        numbered = re.fullmatch(r"(\d+)\s*:\s*(.+)", entry)
        names[int(numbered[1]) if numbered else len(names)] = _unquoted((numbered[2] if numbered else entry).strip())
    return names


def _bare(line: str) -> str:
    """Without a comment."""
    return re.sub(rf"({_QUOTED})|(?:^|\s)#.*", lambda match: match[1] or "", line).strip()


def _unquoted(text: str) -> str:
    if re.fullmatch(_QUOTED, text) is None:
        return text
    return str(json.loads(text)) if text.startswith('"') else text[1:-1].replace("''", "'")


def _regions(tree: Tree, file: str, size: Size, names: dict[int, str], source: str) -> tuple[Region, ...]:
    regions = []
    for number, line in enumerate(tree.text(file).splitlines(), start=1):
        words = line.split()
        if not words:
            continue
        try:
            place, values = int(words[0]), [float(word) for word in words[1:]]
        except ValueError:
            raise _wrong_line(file, number, line) from None
        if not all(map(math.isfinite, values)) or (len(values) != 4 and (len(values) < 6 or len(values) % 2)):
            raise _wrong_line(file, number, line)
        if place not in names:
            raise UserError(
                f"Line {number} of {file} has the class {place}.",
                f"{source} lists {len(names)}: {', '.join(f'{key} ({name})' for key, name in sorted(names.items()))}.",
                f"Correct the class, or add it to {source}.",
            )
        kind = kind_of(names[place])
        if kind == GOOD:
            continue
        if len(values) == 4:
            x, y, width, height = values
            scaled = ((x - width / 2) * size.width, (y - height / 2) * size.height)
            regions.append(Region(kind=kind, box=(*scaled, width * size.width, height * size.height)))
        else:
            corners = zip(values[::2], values[1::2], strict=True)
            regions.append(Region(kind=kind, polygon=tuple((x * size.width, y * size.height) for x, y in corners)))
    return tuple(regions)


def _wrong_line(file: str, number: int, line: str) -> UserError:
    return UserError(
        f"Line {number} of {file} is '{line.strip()[:60]}'.",
        "A line is CLASS X Y WIDTH HEIGHT, or CLASS and 3 or more corners X Y, as shares of the photo's sides.",
        "Correct that line, or export the labels again as YOLO detection or segmentation.",
    )
