"""Features of several encoders on one dataset: a folder of arrays that are mapped from the disk, beside one table."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ssl_bench.errors import DataError, UsageError
from ssl_bench.evaluate.feature_state import Wanted, read_state
from ssl_bench.plugin.cohort import Cohort

IMAGES = "images.parquet"
BLOCK = 64
"""Pictures between two notes of progress on the disk."""

Progress = Callable[[int, int], None]


def write_features(
    folder: Path, cohort: Cohort, wanted: Sequence[Wanted], *, pixel_limit: int, workers: int = 0,
    tokens: bool = False, half: bool = False, progress: Progress = lambda done, total: None,
) -> dict[str, int]:  # fmt: skip
    """Embed every image of a cohort by every encoder; each picture is decoded once, whatever their number.

    What the folder holds of the same images by the same weights is kept, and a stopped command goes on where it was.

    Args:
        folder: new, or of an earlier call on the same images.
        cohort: its images.
        wanted: encoders by name.
        pixel_limit: a picture of more pixels is refused.
        workers: threads that decode, 0 for one a core.
        tokens: the token maps ``(N, T, D)`` too, in float16, for localisation.
        half: compute in bfloat16, where the first block agrees with float32 to 1e-3 in cosine; float32 otherwise.
        progress: told how far it is.

    Returns:
        By encoder, how many images were embedded now.

    Raises:
        UsageError: the folder holds features of other images.
        DataError: a picture cannot be read, or features are not finite.
    """
    from ssl_bench.evaluate.feature_writer import FeatureWriter  # torch

    folder.mkdir(parents=True, exist_ok=True)
    images = images_key(cohort)
    _check_images(folder, cohort, images)
    of = {"images": images, "of": len(cohort), "dataset": cohort.name, "synthetic": cohort.synthetic}
    writers = [FeatureWriter(folder, item, of, tokens=tokens, half=half) for item in wanted]
    fresh = [writer for writer in writers if writer.done < len(cohort)]
    before = {writer.name: writer.done for writer in writers}
    if fresh:
        from ssl_bench.data.whole import prepared

        start = min(writer.done for writer in fresh)
        paths = [cohort.root / path for path in cohort.frame["image_path"]][start:]
        networks = [writer.network for writer in fresh]
        for batch in prepared(paths, networks, pixel_limit, BLOCK, workers):
            for writer, inputs in zip(fresh, batch, strict=True):
                writer.add(start, inputs)
            start += len(batch[0])
            progress(start, len(cohort))
    return {writer.name: len(cohort) - before[writer.name] for writer in writers}


def images_key(cohort: Cohort) -> str:
    """A hash of ids, paths, sizes and times of change of a cohort's files."""
    import hashlib

    from ssl_bench.data.imagefiles import image_files

    files = image_files(cohort)
    told = hashlib.sha256()
    for row in zip(files.image_ids, files.relative, files.sizes, files.times, strict=True):
        told.update("\t".join(map(str, row)).encode() + b"\n")
    return told.hexdigest()


def _check_images(folder: Path, cohort: Cohort, images: str) -> None:
    """One folder, one set of images; the table is written again, so that labels are those of today."""
    for path in folder.glob("*.json"):
        if read_state(path)["images"] != images:
            raise UsageError(f"{folder} holds features of other images, or of files that changed; give another --out")
    known = [name for name in ("age", "sex", "view") if name in cohort.frame]
    table = cohort.frame[["image_id", "patient_id", "study_id", "split", *known]].copy()
    for label in cohort.labels:
        table[f"y_{label}"] = cohort.frame[label].astype("float32")
    partial = folder / f".{IMAGES}.partial"
    table.to_parquet(partial, index=False)
    os.replace(partial, folder / IMAGES)


def data_of(folder: Path) -> tuple[str, dict[str, Any]]:
    """The dataset of a folder of features, and whether it is synthetic."""
    state = read_state(next(iter(sorted(folder.glob("*.json")))))
    return str(state["dataset"]), {"synthetic": bool(state["synthetic"])}


def read_folder(folder: Path) -> dict[str, tuple[pd.DataFrame, np.ndarray]]:
    """Table and features ``(N, D)`` by encoder, mapped from the disk.

    Raises:
        DataError: features are unfinished, or of another number of images.
    """
    table, found = pd.read_parquet(folder / IMAGES), {}
    for path in sorted(folder.glob("*.json")):
        state, name = read_state(path), path.stem
        if state["done"] < state["of"]:
            raise DataError(
                f"the features of '{name}' in {folder} stop at {state['done']} of {state['of']} images; continue "
                "with the same sslbench embed"
            )
        features = np.load(folder / f"{name}.npy", mmap_mode="r")
        if len(features) != len(table):
            raise DataError(f"{folder / name}.npy holds {len(features)} rows, {IMAGES} {len(table)}; embed again")
        found[name] = (table, features)
    if not found:
        raise DataError(f"{folder} holds no features; write some by sslbench embed")
    return found
