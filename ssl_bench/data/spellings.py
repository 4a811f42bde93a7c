"""The file that a path means where the disk spells it in another way: slashes, Unicode form, case, ending."""

from __future__ import annotations

import os
import unicodedata
from dataclasses import dataclass
from pathlib import Path

PICTURES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp")
DICOM = (".dcm", ".dicom")

SLASHES = "with slashes for backslashes"
UNICODE = "under another Unicode form of the name"
CASE = "under another case of the name"
LACKING = "under an ending that the table lacks"


@dataclass(frozen=True)
class Match:
    """What the disk has for a path.

    Args:
        path: relative to the root; empty where there is nothing, or more than one thing.
        ways: in which it differs from the path asked for.
        several: files that it may be, two of them.
        other: ``dicom`` or ``picture`` where that stands in the place of the other, which is no copy of it.
    """

    path: str = ""
    ways: tuple[str, ...] = ()
    several: str = ""
    other: str = ""


class Folders:
    """Names below a root, each folder read once.

    Args:
        root: of the images.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._names: dict[str, list[str]] = {}
        self._spelt: dict[str, dict[str, list[str]]] = {}

    def find(self, path: str) -> Match:
        """The one file that a path may mean."""
        ways: list[str] = []
        if "\\" in path:
            path, ways = path.replace("\\", "/"), [SLASHES]
        *folders, name = [part for part in path.split("/") if part not in ("", ".")] or [""]
        place = ""
        for part in folders:
            chosen, way = self._choose(place, part)
            if len(chosen) != 1:
                return Match(several=_two(place, chosen))
            place, ways = os.path.join(place, chosen[0]), [*ways, *way]
        chosen, way = self._choose(place, name)
        if not chosen:
            chosen, way, other = self._under_endings(place, name)
            if other:
                return Match(other=other)
        if len(chosen) != 1:
            return Match(several=_two(place, chosen))
        return Match(os.path.join(place, chosen[0]), tuple(dict.fromkeys([*ways, *way])))

    def _choose(self, place: str, name: str) -> tuple[list[str], list[str]]:
        """Names of a folder that are this one in some spelling, the closest kind of spelling alone."""
        if os.path.lexists(os.path.join(self._root, place, name)):
            return [name], []
        alike = self._alike(place, _folded(name))
        form = [other for other in alike if _form(other) == _form(name)]
        return (form, [UNICODE]) if form else (alike, [CASE])

    def _under_endings(self, place: str, name: str) -> tuple[list[str], list[str], str]:
        """Names that are this one but for the ending, the way, and what stands there that is no copy."""
        stem, ending = _parted(name)
        own = DICOM if ending.lower() in DICOM else PICTURES
        kinds = (*PICTURES, *DICOM, *([""] if own == DICOM else []))
        others = [
            other
            for kind in kinds
            for other in self._alike(place, _folded(stem + kind))
            if _folded(other) != _folded(name)
        ]
        if not ending:
            return others, [LACKING], ""
        copies = [other for other in others if (_parted(other)[1].lower() in PICTURES) == (own == PICTURES)]
        if others and not copies:
            return [], [], "dicom" if own == PICTURES else "picture"
        way = f"under another ending ({_parted(copies[0])[1] or 'none'} for {ending})" if copies else ""
        return copies, [way], ""

    def _alike(self, place: str, folded: str) -> list[str]:
        if place not in self._spelt:
            spelt: dict[str, list[str]] = {}
            for name in self._listed(place):
                spelt.setdefault(_folded(name), []).append(name)
            self._spelt[place] = spelt
        return self._spelt[place].get(folded, [])

    def _listed(self, place: str) -> list[str]:
        try:
            return sorted(os.listdir(os.path.join(self._root, place)))
        except (OSError, ValueError):
            return []


def _form(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFKD", name).casefold())


def _parted(name: str) -> tuple[str, str]:
    """Stem and ending; a name without a known ending has none (``1.2.840.5``)."""
    stem, ending = os.path.splitext(name)
    return (stem, ending) if ending.lower() in (*PICTURES, *DICOM) else (name, "")


def _two(place: str, names: list[str]) -> str:
    return " and ".join(os.path.join(place, name) for name in names[:2])
