"""'Generated' marks: the words and the IPTC digital source type inside every sample's file."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from PIL import Image

SourceType = Literal[
    "trainedAlgorithmicMedia",
    "algorithmicMedia",
    "algorithmicallyEnhanced",
    "compositeWithTrainedAlgorithmicMedia",
    "compositeCapture",
    "compositeSynthetic",
]
"""IPTC NewsCodes 'Digital Source Type': made by a trained model; by an algorithm without training data;
a real photo altered by an algorithm; a real photo of which a trained model drew a part; put together from real photos;
put together from a real photo and something drawn."""

_NEWSCODES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
_XMP = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
 Iptc4xmpExt:DigitalSourceType="{source_type}"/></rdf:RDF></x:xmpmeta><?xpacket end="w"?>"""


_GENERATED = "generated image"
_MADE_OF_PHOTOS: dict[SourceType, str] = {
    "algorithmicallyEnhanced": "a photo repeated or altered by",
    "compositeWithTrainedAlgorithmicMedia": "a picture of which a region or the detail was drawn by",
    "compositeCapture": "parts of photos put into a photo by",
    "compositeSynthetic": "a photo with something drawn into it by",
}


def generated_texts(
    generator: str,
    run_id: str,
    seed: int,
    source_type: SourceType = "trainedAlgorithmicMedia",
    photos_fingerprint: str | None = None,
) -> dict[str, str]:
    """PNG text chunks that say in words what the image is.

    Args:
        generator: its name.
        run_id: of the run that drew the image.
        seed: of the image.
        source_type: an enhanced photo is not called "not a photo", for it is one, repeated or altered.
        photos_fingerprint: of the photos that the run was made from; None leaves it out.
    """
    made = _MADE_OF_PHOTOS.get(source_type, "made by")
    kind = _GENERATED if source_type in _MADE_OF_PHOTOS else f"{_GENERATED}, not a photo"
    photos = f", from photos {photos_fingerprint}" if photos_fingerprint else ""
    return {
        "Description": f"{kind}: {made} {generator}, run {run_id}, seed {seed}{photos}",
        "Software": "Handful",
    }


def generated_xmp(source_type: SourceType) -> str:
    """The XMP packet that carries the IPTC digital source type."""
    return _XMP.format(source_type=_NEWSCODES + source_type)


def says_generated(path: Path) -> bool:
    """Whether an image file says of itself, in Handful's words, that it was generated; False if unreadable."""
    try:
        with Image.open(path) as image:  # reads the header alone
            return str(image.info.get("Description", "")).startswith(_GENERATED)
    except (OSError, ValueError, SyntaxError):
        return False


def generated_among(folder: Path, names: Iterable[str]) -> list[str]:
    """The names below `folder` of files that say of themselves that they were generated."""
    return [name for name in names if says_generated(folder / name)]
