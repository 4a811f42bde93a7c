"""Whether data are those of a run, by content: files may lie elsewhere and be touched, but say what they said."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from ssl_bench.build.prepared import PreparedData
from ssl_bench.data.imagecontent import PARTS, content_hashes, image_content
from ssl_bench.errors import UsageError, shortened
from ssl_bench.numbers import counted
from ssl_bench.results.rundir import RunDirectory

NAMED = {"pixels": "pixels", "labels": "labels", "features": "features", "split": "patient or split"}
"""What the columns of :func:`ssl_bench.data.imagecontent.image_content` are called in messages."""


def content_of(prepared: PreparedData) -> pd.DataFrame:
    """Hashes of what every image of a run is."""
    return image_content(prepared.cohort, prepared.pixels)


def changes(kept: pd.DataFrame, here: pd.DataFrame) -> Iterator[str]:
    """What differs between two tables of hashes, with the first images of each difference."""
    for told, images in (("{} gone", kept.index.difference(here.index)), ("{} new", here.index.difference(kept.index))):
        if len(images):
            count = counted(len(images), "image is", "images are")
            yield f"{told.format(count)} ({shortened(images.tolist(), 3)})"
    common = kept.index.intersection(here.index)
    for part in PARTS:
        other = common[(kept.loc[common, part] != here.loc[common, part]).to_numpy()]
        if len(other):
            number = counted(len(other), "image")
            yield f"{NAMED[part]} of {number} ({shortened(other.tolist(), 3)})"


def check_same_content(
    run: RunDirectory, kept: Mapping[str, str] | None, here: pd.DataFrame, *, of: str = "", name: str = ""
) -> None:
    """Refuse data that are not those of a run.

    Args:
        run: its folder, which may hold the table of hashes of the images by which a difference is named.
        kept: one hash for each part, as the record or a checkpoint has them; None where those know none.
        here: :func:`content_of` the data that are there.
        of: a dataset, for the message; empty: the run's own.
        name: of the table in the folder; empty: of the run's own data.

    Raises:
        UsageError: naming what differs, in which images.
    """
    found = content_hashes(here)
    if kept is None or dict(kept) == found:
        return
    parts = [NAMED[part] for part in PARTS if kept.get(part) != found[part]]
    before = run.read_content(name)
    told = list(changes(before, here)) if before is not None and content_hashes(before) == dict(kept) else parts
    raise UsageError(
        f"the data{f' of {of}' if of else ''} are not those of the run {run.path}: {'; '.join(told)}; restore them, or "
        "start a new run"
    )


def check_resumed(run: RunDirectory, prepared: PreparedData, start: Mapping[str, Any] | None) -> pd.DataFrame:
    """Refuse to go on with a run on other data than it began with; returns the hashes of those that are there.

    Args:
        run: its folder; what it was begun on is there before the first checkpoint is.
        prepared: what is there.
        start: identity in the checkpoint; None before the first one.
    """
    here, before = content_of(prepared), run.read_content()
    kept = (start or {}).get("content") or (content_hashes(before) if before is not None else None)
    check_same_content(run, kept, here)
    return here
