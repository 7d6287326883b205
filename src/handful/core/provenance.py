"""'Generated' marks: the words and the IPTC digital source type inside every sample's file."""

from __future__ import annotations

from typing import Literal

SourceType = Literal["trainedAlgorithmicMedia", "algorithmicMedia", "algorithmicallyEnhanced"]
"""IPTC NewsCodes 'Digital Source Type': made by a trained model; by an algorithm without training data;
a real photo altered by an algorithm."""

_NEWSCODES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
_XMP = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
 Iptc4xmpExt:DigitalSourceType="{source_type}"/></rdf:RDF></x:xmpmeta><?xpacket end="w"?>"""


def generated_texts(generator: str, run_id: str, seed: int) -> dict[str, str]:
    """PNG text chunks that say in words what the image is."""
    return {
        "Description": f"generated image, not a photo: made by {generator}, run {run_id}, seed {seed}",
        "Software": "Handful",
    }


def generated_xmp(source_type: SourceType) -> str:
    """The XMP packet that carries the IPTC digital source type."""
    return _XMP.format(source_type=_NEWSCODES + source_type)
