"""Why an image is not where its path says, and what to do."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

LOOKED = 50
"""Missing images that are looked for beside the root."""

FOLDERS = 200
"""Folders of the root, and of the one above it, in which they are looked for."""

SENTENCES = {
    "links": "{count} are links out of it (into {detail}): if that is intended, add --follow-links {detail}, or "
    "--follow-links any for everywhere",
    "broken": "{count} are broken links (to {detail}): mount or fetch their targets",
    "denied": "{count} cannot be read (permission denied): change the permissions of the files or of their folders",
    "folder": "{count} are folders, not files: correct the paths",
    "several": "{count} may be one of several files ({detail}): write the paths as the disk has them",
    "shared": "{count} would be the same file as another row under another spelling: correct the paths",
    "dicom": "{count} have a DICOM file (.dcm) instead of the picture: this looks like the root of a DICOM "
    "release; point --root at the pictures, or name the DICOM files in the table",
    "picture": "{count} have a picture instead of the DICOM file: point --root at the DICOM files, or name the "
    "pictures in the table",
    "absent": "{count} do not exist: complete the download, or remove their rows, or continue without them by "
    "--on-missing skip",
    "ending": "{count} do not exist, and their paths have no ending such as .png: correct the paths",
    "backslash": "{count} do not exist, even with slashes for their backslashes: correct the paths, or complete "
    "the download",
}


@dataclass(frozen=True)
class Absent:
    """A cause.

    Args:
        kind: one of :data:`SENTENCES`.
        detail: where a link leads, for example.
    """

    kind: str
    detail: str = ""


def sentence(kind: str, details: Sequence[str], root: Path, missing: Sequence[str]) -> str:
    """What happened to how many, and what to do.

    Args:
        kind: of the cause.
        details: of each image that has it.
        root: of the images.
        missing: all images that are not there.
    """
    detail = os.path.commonpath(details) if kind == "links" else Counter(details).most_common(1)[0][0]
    text = SENTENCES[kind].format(count=len(details), detail=detail)
    place = _hint(root, missing) if kind in ("absent", "ending", "backslash") else ""
    return f"{place}; {text}" if place else text


def _hint(root: Path, missing: Sequence[str]) -> str:
    return _lost_link(root, missing) or elsewhere(root, missing)


def _lost_link(root: Path, missing: Sequence[str]) -> str:
    """Whether links became text files that hold where they led, in words: by a copy through zip, FAT or git."""
    places = {part for path in missing[:LOOKED] for part in (path.split("/", 1)[0], os.path.dirname(path), path)}
    beside = (path.name for path in _entries(root) if not path.suffix)
    for name in sorted(places) + sorted(beside):
        target = _held_path(root / name) if name else ""
        if target:
            return (
                f"{name} is a text file that holds '{target}', a symbolic link that was lost in copying: copy it again "
                "with its links, or replace it by its target"
            )
    return ""


def _held_path(file: Path) -> str:
    """The path that is all of a small file, such as ``../store/images_001``; empty where it is not."""
    try:
        if not file.is_file() or file.stat().st_size > 1024:
            return ""
        text = file.read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return ""
    return text if "/" in text and len(text.splitlines()) == 1 and (file.parent / text).exists() else ""


def why_absent(root: Path, path: str) -> Absent:
    """The cause for one path."""
    whole = os.path.join(root, path)
    try:
        os.stat(whole)
    except PermissionError:
        return Absent("denied")
    except (OSError, ValueError):
        link = _first_link(root, path)
        if link:
            return Absent("broken", _target(link))
        if "\\" in path:
            return Absent("backslash")
        return Absent("absent" if os.path.splitext(path)[1] else "ending")
    if os.path.isdir(whole):
        return Absent("folder")
    link = _first_link(root, path)
    return Absent("links", _target(link)) if link else Absent("absent")


def _first_link(root: Path, path: str) -> str:
    """The first part of a path that is a link out of the root, or leads nowhere."""
    home, place = os.path.realpath(root), str(root)
    for part in path.split("/"):
        place = os.path.join(place, part)
        if os.path.islink(place):
            target = os.path.realpath(place)
            if not os.path.exists(target) or os.path.commonpath([home, target]) != home:
                return place
    return ""


def _target(link: str) -> str:
    """The folder that a link leads to, or the one of the file."""
    target = os.path.realpath(link)
    return target if os.path.isdir(target) else os.path.dirname(target)


def elsewhere(root: Path, missing: Sequence[str]) -> str:
    """Whether the images are below another folder near the root, in words; empty: nowhere near."""
    wanted = [path for path in missing[:: max(1, len(missing) // LOOKED)] if "\\" not in path][:LOOKED]
    if not wanted:
        return ""
    bases = [root.resolve().parent, *_folders(root), *_folders(root.resolve().parent)]
    base = next((base for base in bases if _most(base, wanted)), None)
    if base:
        return f"they are below {base}: give --root {base}"
    for drop in (1, 2):
        bare = [path.split("/", drop)[-1] for path in wanted]
        if bare != wanted and _most(root, bare):
            begin = "/".join(wanted[0].split("/")[:drop])
            return f"they are below {root} without '{begin}/', which their paths begin with: correct either"
    names = [os.path.basename(path) for path in wanted]
    folder = next((folder for folder in _folders(root) if _most(folder, names)), None)
    return f"files of these names are in {folder}: correct the paths" if folder else ""


def _most(base: Path, paths: Sequence[str]) -> bool:
    return 2 * sum(os.path.isfile(base / path) for path in paths) > len(paths)


def _folders(root: Path) -> list[Path]:
    return [path for path in _entries(root) if path.is_dir()]


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(islice(folder.iterdir(), FOLDERS))
    except OSError:
        return []
