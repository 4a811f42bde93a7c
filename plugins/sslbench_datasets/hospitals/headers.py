"""Ages, sexes and views from DICOM headers, read without their pixels; what the file lacks is blank."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from pydicom import Dataset

TAGS = {"age": "PatientAge", "sex": "PatientSex", "view": "ViewPosition"}
"""What is read by default, by our name."""


warnings.filterwarnings("ignore", module="pydicom")  # of values against the standard: they are counted as unknown


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


def has_header(path: Path) -> bool:
    """Whether a file without the mark of DICOM, and without an ending, is such a file all the same."""
    return bool(_header(path, {"image": "SOPInstanceUID"})["image"])


def _header(path: Path, tags: Mapping[str, str]) -> dict[str, object]:
    from pydicom.errors import InvalidDicomError

    blank: dict[str, object] = {**dict.fromkeys(tags, ""), "readable": False}
    try:
        dataset = _opened(path, list(tags.values()))
        return {name: str(dataset.get(tag, "") or "").strip() for name, tag in tags.items()} | {"readable": True}
    except (OSError, InvalidDicomError, ValueError, AttributeError, KeyError, NotImplementedError, EOFError):
        return blank


def _opened(path: Path, tags: list[str]) -> Dataset:
    """The header; some archives leave out the mark at its beginning, and then it must hold some of the tags."""
    import pydicom
    from pydicom.errors import InvalidDicomError

    try:
        return pydicom.dcmread(path, stop_before_pixels=True, specific_tags=list(tags))
    except InvalidDicomError:
        dataset = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=list(tags), force=True)
        if not dataset:
            raise
        return dataset
