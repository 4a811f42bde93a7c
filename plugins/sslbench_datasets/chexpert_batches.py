"""CheXpert in the folders that its download comes in: ``CheXpert-v1.0 batch 2 (train 1)/patient00001/...``."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pandas as pd

BATCH = re.compile(r"\bbatch[ _-]*\d+", re.IGNORECASE)
"""What is in the name of a batch: ``batch 1 (validate & csv)``, ``batch 2 (train 1)``, ..."""

PARTS = ("train", "valid", "test")


def base_of(home: Path) -> Path:
    """The folder that all images are below: the one of the tables, or the one around it where that is a batch."""
    whole = home.resolve()
    return whole.parent if BATCH.search(whole.name) else home


def in_batches(paths: pd.Series, home: Path) -> pd.Series:
    """Paths of the tables (``train/patient00001/...``) as they are below :func:`base_of`; others as they are.

    Args:
        paths: relative to the folder of the release.
        home: the folder of the tables.
    """
    base = base_of(home)
    places = _places(base)
    if not places:
        return paths
    own = "" if base == home else f"{home.resolve().name}/"
    patients = paths.str.extract(r"^([^/]+)/([^/]+)/")
    found = {
        key: places.get(key, own + key[0] if isinstance(key[0], str) else "")
        for key in dict.fromkeys(zip(patients[0], patients[1], strict=True))
    }
    rest = paths.str.replace(r"^[^/]+/", "", regex=True)
    begin = pd.Series([found[key] for key in zip(patients[0], patients[1], strict=True)], index=paths.index)
    return begin + "/" + rest


def _places(base: Path) -> dict[tuple[str, str], str]:
    """The folder of every patient in a batch, by the part of the release and the patient."""
    found: dict[tuple[str, str], str] = {}
    for batch in sorted(path.name for path in base.iterdir() if BATCH.search(path.name) and path.is_dir()):
        names = os.listdir(base / batch)
        # A batch of training patients has no folder "train" of its own.
        found |= {("train", name): batch for name in names if name.startswith("patient")}
        for part in (part for part in PARTS if part in names):
            found |= {(part, name): f"{batch}/{part}" for name in os.listdir(base / batch / part)}
    return found
