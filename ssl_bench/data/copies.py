"""One picture under the names of several patients, which no gate of ids sees: it is told of, and counted."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence
from io import FileIO
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd

from ssl_bench.files import sha256
from ssl_bench.plugin.cohort import Cohort
from ssl_bench.plugin.notes import Note

LOOKED_AT = 128
"""Bytes in the middle of files of one size that are compared before the whole files are."""


def copied_files(cohort: Cohort) -> list[list[str]]:
    """Paths of files that hold the same bytes and belong to several patients, links and copies alike.

    Only files of one size are opened, and only those are read that also agree in their middle.
    """
    frame = cohort.frame[["image_path", "patient_id"]].dropna()
    groups = [list(zip(frame["image_path"], frame["patient_id"], strict=True))]
    for key in (_size, _middle, _whole):  # plain dictionaries: tables of text take a tenth of decoding small files
        found = defaultdict[bytes, list[tuple[str, str]]](list)
        for path, patient in chain.from_iterable(groups):
            found[key(os.path.join(cohort.root, path))].append((path, patient))
        groups = [files for told, files in found.items() if told and len({patient for _, patient in files}) > 1]
    return [sorted(path for path, _ in files) for files in groups]


def same_pictures(cohort: Cohort, pixels: Sequence[str], name: str = "") -> list[Note]:
    """A note on pictures that several patients have to the last pixel, and on how many of them tell of a test.

    Args:
        cohort: of prepared images.
        pixels: a hash of each, in the order of its rows.
        name: of the dataset, where the note has to say it.
    """
    frame = cohort.frame[["image_id", "patient_id", "split"]].assign(key=list(pixels))
    shared = _of_several_patients(frame)
    if shared.empty:
        return []
    trained = set(shared.loc[shared["split"] == "train", "key"])
    across = shared[(shared["split"] != "train") & shared["key"].isin(trained)]
    where = f" of {name}" * bool(name)
    told = ", ".join(f"{count} of {split}" for split, count in across["split"].value_counts().items())
    seen = f"; {told} {'was' if len(across) == 1 else 'were'} trained on under another patient" if told else ""
    text = f"{len(shared):,} images{where} show a picture that another patient has, too{seen}"
    numbers = {"images": len(shared), "pictures": int(shared["key"].nunique()), "trained_on": len(across)}
    return [Note("same-picture", text, numbers=numbers, details=shared.sort_values("key")["image_id"].tolist())]


def seen_pictures(name: str, pixels: Sequence[str], trained: Sequence[str]) -> list[Note]:
    """A note on pictures of another dataset to test on that were trained on.

    Args:
        name: of that dataset.
        pixels: hashes of the images that are tested.
        trained: hashes of the images that the run trained on.
    """
    seen = int(np.isin(np.array(pixels, dtype=str), np.array(trained, dtype=str)).sum())
    if not seen:
        return []
    text = f"{seen:,} of {len(pixels):,} test images of {name} were trained on, pixel by pixel"
    return [Note("same-picture", text, numbers={"images": len(pixels), "trained_on": seen})]


def _of_several_patients(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows whose key occurs with more than one patient."""
    once = frame[["key", "patient_id"]].drop_duplicates()  # a tenth of the time of counting patients by group
    several = once.loc[once["key"].duplicated(), "key"]
    return frame[frame["key"].isin(several)]


def _size(path: str) -> bytes:
    try:
        return b"%d" % os.stat(path).st_size
    except (OSError, ValueError):  # told of elsewhere; of a name that no file can have
        return b""


def _middle(path: str) -> bytes:
    try:
        with FileIO(path) as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(size // 2)
            return b"%d %b" % (size, file.read(LOOKED_AT))
    except (OSError, ValueError):
        return b""


def _whole(path: str) -> bytes:
    try:
        return sha256(Path(path)).encode()
    except (OSError, ValueError):
        return b""
