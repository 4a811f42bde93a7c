"""Ages, sexes and views from DICOM headers, read without their pixels; what the file lacks is blank."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd

TAGS = {"age": "PatientAge", "sex": "PatientSex", "view": "ViewPosition"}
"""What is read by default, by our name."""


def read_headers(root: Path, paths: Sequence[str], tags: Mapping[str, str] = TAGS) -> pd.DataFrame:
    """Values of some tags as text, a row a file, and ``readable``: whether the file has a header at all.

    Args:
        root: that the paths are relative to.
        paths: of DICOM files.
        tags: DICOM keyword by column.
    """
    with ThreadPoolExecutor(max_workers=min(8, 2 * (os.cpu_count() or 1))) as pool:
        rows = list(pool.map(lambda path: _header(root / path, tags), paths))
    return pd.DataFrame(rows, columns=[*tags, "readable"])


def _header(path: Path, tags: Mapping[str, str]) -> dict[str, object]:
    import pydicom
    from pydicom.errors import InvalidDicomError

    blank: dict[str, object] = {**dict.fromkeys(tags, ""), "readable": False}
    try:
        dataset = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=list(tags.values()), force=False)
        return {name: str(dataset.get(tag, "") or "").strip() for name, tag in tags.items()} | {"readable": True}
    except (OSError, InvalidDicomError, ValueError, AttributeError, KeyError, NotImplementedError, EOFError):
        return blank
