"""The dataset ``mimic-cxr``: MIMIC-CXR-JPG 2.0.0 and 2.1.0 as they are on disk, with EHR from MIMIC-IV.

Johnson et al., "MIMIC-CXR-JPG, a large publicly available database of labeled chest radiographs", 2019,
https://arxiv.org/abs/1901.07042
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import pandas as pd

from ssl_bench.data.own_split import DRAWN
from ssl_bench.data.synthetic import is_synthetic
from ssl_bench.data.tables import find, gzipped_or_plain, locate
from ssl_bench.errors import Problems, UsageError
from ssl_bench.plugin.cohort import IDENTIFIERS, Cohort
from ssl_bench.plugin.labels import CHEXPERT14
from ssl_bench.plugin.notes import Note
from ssl_bench.plugin.splits import DEFAULT_SHARES, assign
from sslbench_datasets.mimic_cxr import mimic_iv, release
from sslbench_datasets.mimic_cxr.body import read_body
from sslbench_datasets.mimic_cxr.chart import read_events
from sslbench_datasets.mimic_cxr.films import Noticed, read_films, read_labels, read_split, read_test_labels
from sslbench_datasets.mimic_cxr.options import MimicCxrOptions

VERSIONS = ("2.1.0", "2.0.0")
TEST_LABELS = "mimic-cxr-2.1.0-test-set-labeled"
FEATURES = ("age", "sex", "view", "position", "mortality", "icu")
SCAN_FEATURES = ("view", "position")
"""What is known of an image without MIMIC-IV."""


class MimicCxr:
    """The dataset ``mimic-cxr``.

    Args:
        options: views, labels, split, and how the EHR is joined.
    """

    name = "mimic-cxr"

    def __init__(self, options: MimicCxrOptions | None = None) -> None:
        self.options = options or MimicCxrOptions()
        self._cache: Path | None = None

    def locate(self, root: Path | None, cache: Path) -> Path:
        """The folder given by ``--root``.

        Raises:
            UsageError: it is not given.
            DataError: it is not a folder.
        """
        self._cache = cache / "events"
        return locate(self.name, root)

    def read(self, root: Path) -> Cohort:
        """One row per image of the metadata whose view is wanted; see :class:`ssl_bench.plugin.contracts.Dataset`."""
        files, tables = self._files(root)
        frame, counts, sources = read_films(files["metadata"], self.options.views)
        frame["split"] = self._split(files, frame)
        labels, noticed = self._labels(files, frame)
        ehr, seen = mimic_iv.read_features(frame, tables, self.options.ehr_join) if tables else Noticed(frame[[]], {})
        for values, told in self._asked(root, frame, tables):
            ehr, seen = ehr.join(values), {**seen, **told}
        features = (*FEATURES, *(str(name) for name in ehr if name not in FEATURES)) if tables else SCAN_FEATURES
        counts = {what: count for what, count in {**counts, **noticed, **seen}.items() if count}
        return Cohort(
            self.name,
            root,
            pd.concat([frame, ehr, labels], axis=1)[[*IDENTIFIERS, *features, *CHEXPERT14]],
            features,
            CHEXPERT14,
            official_split=not self.options.split,
            synthetic=is_synthetic(root),
            counts=counts,
            sources=sources,
            notes=_notes(root, frame, counts, with_ehr=tables is not None),
        )

    def _asked(self, root: Path, frame: pd.DataFrame, tables: release.Tables | None) -> Iterator[Noticed]:
        """What options ask for: the last laboratory values and vital signs before each film, body mass and height."""
        asked = [name for name, wanted in (("items", self.options.items), ("omr", self.options.omr)) if wanted]
        if not asked:
            return
        if tables is None:
            raise UsageError(f"data.options.{asked[0]} needs the tables of MIMIC-IV, and there are none at {root}; add "
                             "--ehr-root")  # fmt: skip
        place = tables.patients.parents[1]
        if self.options.items:
            yield read_events(frame, place, self.options.items, self.options.hours, self._cache)
        if self.options.omr:
            yield read_body(frame, place)

    def _files(self, root: Path) -> tuple[dict[str, Path], release.Tables | None]:
        """The files that the options need, and those of MIMIC-IV where it is there; all that are missing are told."""
        wanted = {"metadata": _stems("metadata"), "labels": _stems(self.options.label_source)}
        if not self.options.split:
            wanted["split"] = _stems("split")
        if self.options.test_labels:
            wanted["test labels"] = [TEST_LABELS]
        files, tables, problems = dict[str, Path](), list[release.Tables](), Problems()
        for what, stems in wanted.items():
            problems.run(partial(_add, files, what, root, stems))
        if self.options.split not in ("", DRAWN):
            problems.run(partial(_add_own, files, self.options.split))
        problems.run(lambda: tables.extend(_tables(root, self.options.ehr_root)))
        problems.raise_if_any()
        return files, tables[0] if tables else None

    def _split(self, files: Mapping[str, Path], frame: pd.DataFrame) -> pd.Series:
        if self.options.split == DRAWN:
            return assign(frame["patient_id"], DEFAULT_SHARES)
        return read_split(files["split"], frame, official=not self.options.split)

    def _labels(self, files: Mapping[str, Path], frame: pd.DataFrame) -> Noticed:
        labels, counts = read_labels(files["labels"], frame)
        if "test labels" not in files:
            return Noticed(labels, counts)
        truth, noticed = read_test_labels(files["test labels"], frame, labels)
        return Noticed(truth, counts | noticed)


def _stems(what: str) -> list[str]:
    return [f"mimic-cxr-{version}-{what}" for version in VERSIONS]


DICOM = ("cxr-record-list.csv.gz", "cxr-record-list.csv", "cxr-study-list.csv.gz", "mimic-cxr-reports.zip")
"""Files of MIMIC-CXR, which has the same patients as DICOM files and reports."""


def _add(files: dict[str, Path], what: str, root: Path, stems: list[str]) -> None:
    held = next((name for name in DICOM if (root / name).is_file()), None)
    advice = "complete the download, or check the folder" if held is None else (
        f"{held} belongs to MIMIC-CXR with its DICOM files, and MIMIC-CXR-JPG is needed; download that"
    )  # fmt: skip
    files[what] = find(root, gzipped_or_plain(stems), advice)


def _add_own(files: dict[str, Path], split: str) -> None:
    if not Path(split).is_file():
        raise UsageError(f"--split expects a CSV file, found none at {split}")
    files["split"] = Path(split)


def _tables(root: Path, given: str) -> list[release.Tables]:
    folder = release.find_folder(root, given)
    return [release.find_tables(folder)] if folder else []


def _notes(root: Path, frame: pd.DataFrame, counts: Mapping[str, int], *, with_ehr: bool) -> tuple[Note, ...]:
    """What a reader of results must know of the EHR."""
    if not with_ehr:
        text, needed = "there are no tables of MIMIC-IV", "age, sex, mortality and icu need --ehr-root"
        shown = f"{text} at {root}: {needed}"
        return (Note("no-ehr-tables", f"{text}: {needed}", details=(str(root),), shown=shown),)
    lacking = counts.get(mimic_iv.UNLINKED, 0)
    if not lacking:
        return ()
    patients, images = frame["patient_id"].nunique(), counts[mimic_iv.UNLINKED_IMAGES]
    text = (f"{lacking:,} of {patients:,} patients are not in MIMIC-IV; their {images:,} images have no age, sex, "
            "mortality or icu")  # fmt: skip
    return (Note("unlinked", text, numbers={"patients": lacking, "of": patients, "images": images}),)
