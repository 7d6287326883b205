"""A comparison of generators, and a study of several comparisons."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field

from handful.core.artifacts.manifest import Artifact
from handful.core.config import Settings


class ComparePlan(Artifact):
    """What `handful compare` was asked, and what answers it. The report shows these runs and cards alone."""

    file_name: ClassVar[str] = "compare.json"
    stage: ClassVar[str] = "compare"

    settings: dict[str, Any]
    run_ids: tuple[str, ...]
    protocols: tuple[str, ...]
    """`protocol` of the score cards: protocol and network."""
    failed: tuple[str, ...] = ()
    """Cells that did not end, each one sentence with the reason."""


class PublishedFigure(Settings):
    """A number that somebody published, shown beside ours and never compared with it."""

    contestant: str
    """The generator, as it stands in our tables."""
    score: str
    value: float
    conditions: str
    """Under what conditions it was got, as far as that was said."""


class StudyTable(Settings):
    """One table of a study's page."""

    heading: str
    caption: str = ""
    parts: tuple[str, ...] = Field(min_length=1)
    columns: tuple[str, ...] = Field(min_length=1)
    """PROTOCOL:SCORE of the cards: 'heldout-v1:kid', 'training-v1+pixels:sifid'."""
    published: str = ""
    """Score whose published figures stand beside it."""


class StudyManifest(Artifact):
    """What the page of a study shows: several comparisons, each a workspace in a folder of its own."""

    file_name: ClassVar[str] = "study.json"
    stage: ClassVar[str] = "compare"

    title: str
    introduction: tuple[str, ...] = ()
    parts: tuple[str, ...]
    """Folders of the comparisons, in order."""
    tables: tuple[StudyTable, ...] = ()
    quality: str = ""
    """PROTOCOL:SCORE that is drawn upwards beside diversity; '' for no figure."""
    diversity: str = ""
    """PROTOCOL:SCORE that is drawn across."""
    published: tuple[PublishedFigure, ...] = ()
    remarks: tuple[str, ...] = ()
    """What must be said about the published figures."""
