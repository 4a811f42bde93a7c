"""Image files of a cohort: found as the disk spells them, left out on request, or refused with the cause."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from ssl_bench.data.absent import Absent, sentence, why_absent
from ssl_bench.data.spellings import Folders, Match
from ssl_bench.errors import DataError, shortened
from ssl_bench.plugin.cohort import Cohort, leaves_root, missing_images
from ssl_bench.plugin.notes import Note

SKIPPED = "missing images, left out"


def check_images(cohort: Cohort, links: Sequence[str] = ()) -> None:
    """All image files are there, below the root or where links may lead.

    Args:
        cohort: with paths relative to its root.
        links: folders that links may lead into; ``any``: everywhere.

    Raises:
        DataError: naming the first 20, the count of the rest and the causes.
    """
    missing = [path for path in missing_images(cohort, links) if not leaves_root(path)]  # check_cohort tells of those
    if missing:
        raise _refusal(cohort, missing, links, {})


def find_images(cohort: Cohort, links: Sequence[str] = (), *, skip: bool = False) -> Cohort:
    """The cohort with the path of every image as the disk has it; what was read under another spelling is counted.

    Args:
        cohort: checked.
        links: folders that links may lead into; ``any``: everywhere.
        skip: leave images out that are not there, instead of refusing them.

    Raises:
        DataError: images are missing, or all of them are.
    """
    missing = [path for path in missing_images(cohort, links) if not leaves_root(path)]
    if not missing:
        return cohort
    folders = Folders(cohort.root)
    found = {path: folders.find(path) for path in dict.fromkeys(missing)}
    taken = _usable(cohort, found, links)
    cohort = _respelt(cohort, taken)
    absent = [path for path in missing if path not in taken]
    if absent and (not skip or len(absent) == len(cohort)):
        raise _refusal(cohort, absent, links, found)
    return _without(cohort, absent) if absent else cohort


def _usable(cohort: Cohort, found: Mapping[str, Match], links: Sequence[str]) -> dict[str, Match]:
    """Matches that are images below the root, each the image of one path alone."""
    named = {path: match for path, match in found.items() if match.path}
    times = Counter([*cohort.frame["image_path"], *(match.path for match in named.values())])
    held = cohort.with_frame(pd.DataFrame({"image_path": [match.path for match in named.values()]}))
    barred = set(missing_images(held, links))
    return {path: match for path, match in named.items() if times[match.path] == 1 and match.path not in barred}


def _respelt(cohort: Cohort, taken: Mapping[str, Match]) -> Cohort:
    if not taken:
        return cohort
    paths = cohort.frame["image_path"].map(lambda path: taken[path].path if path in taken else path)
    counts = Counter(f"images read {way}" for match in taken.values() for way in match.ways)
    notes = [
        Note("other-ending", f"{count:,} {what}, so their pixels may be those of copies", numbers={"images": count})
        for what, count in counts.items()
        if "ending" in what and "lacks" not in what
    ]
    return replace(
        cohort.with_frame(cohort.frame.assign(image_path=paths)),
        counts={**cohort.counts, **counts},
        notes=(*cohort.notes, *notes),
    )


def _without(cohort: Cohort, absent: Sequence[str]) -> Cohort:
    """The cohort without images that are not there, which its record and every table of results say."""
    kept = cohort.frame[~cohort.frame["image_path"].isin(absent)]
    left = len(cohort) - len(kept)
    text = f"{left:,} of {len(cohort):,} images are missing and were left out (data.on_missing is skip)"
    note = Note("missing-skipped", text, numbers={"left_out": left, "images": len(cohort)})
    counts = {**cohort.counts, SKIPPED: left}
    return replace(cohort.with_frame(kept), counts=counts, notes=(*cohort.notes, note))


def _refusal(cohort: Cohort, missing: Sequence[str], links: Sequence[str], found: Mapping[str, Match]) -> DataError:
    causes = _causes(cohort.root, missing, found)
    return DataError(
        f"{len(missing)} of {len(cohort)} images are not below {cohort.root}: {shortened(missing)}; {'; '.join(causes)}"
    )


def _causes(root: Path, missing: Sequence[str], found: Mapping[str, Match]) -> list[str]:
    """Why images are not there, the most frequent cause first, each with what to do."""
    details: dict[str, list[str]] = {}
    for path in missing:
        cause = _cause(root, path, found.get(path, Match()))
        details.setdefault(cause.kind, []).append(cause.detail)
    ordered = sorted(details.items(), key=lambda item: -len(item[1]))
    return [sentence(kind, those, root, missing) for kind, those in ordered]


def _cause(root: Path, path: str, match: Match) -> Absent:
    if match.several:
        return Absent("several", match.several)
    if match.other:
        return Absent(match.other)
    cause = why_absent(root, match.path or path)
    there = match.ways and cause.kind == "absent"  # a file that another row has already
    return Absent("shared", match.path) if there else cause
