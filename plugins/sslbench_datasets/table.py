"""Any CSV or Parquet table of images, read by a column map."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from posixpath import normpath

import pandas as pd

from ssl_bench.data.check import SEPARATED
from ssl_bench.data.ids import without_point
from ssl_bench.data.own_split import SPLIT_NAMES
from ssl_bench.data.parquet import NAMES, read_parquet
from ssl_bench.data.remote import beside
from ssl_bench.data.synthetic import is_synthetic
from ssl_bench.data.tables import TextTable, Written, locate, nearby, read_csv
from ssl_bench.errors import DataError, Problems, UsageError, shortened
from ssl_bench.plugin.cohort import Cohort
from ssl_bench.plugin.feature_specs import SHARED
from ssl_bench.plugin.labels import alike
from ssl_bench.plugin.splits import DEFAULT_SHARES, assign, select
from sslbench_datasets.column_map import ColumnMap, Findings, read_map
from sslbench_datasets.folder import read_folder
from sslbench_datasets.options import TableOptions
from sslbench_datasets.values import count_ages, count_values, marks_of_names, parse_age, parse_marks, plausible

PARQUET = (".parquet", ".pq")


class Table:
    """The dataset ``table``.

    Args:
        options: which column map to read.
    """

    name = "table"

    def __init__(self, options: TableOptions | None = None) -> None:
        self.options = options or TableOptions()

    def locate(self, root: Path | None, cache: Path) -> Path:
        """The folder given by ``--root``, or by the column map.

        Raises:
            UsageError: neither names it, or the map is wrong.
            DataError: it is not a folder.
        """
        if not self.options.columns and root is not None:
            return locate(self.name, root)
        given = self.column_map().root
        if root is None and given:
            root = beside(Path(self.options.columns), given, cache)
        return locate(self.name, root)

    def column_map(self) -> ColumnMap:
        """The column map of the options.

        Raises:
            UsageError: none is given, or it is wrong.
        """
        if not self.options.columns:
            raise UsageError(
                "dataset 'table' needs a YAML file that says which column is what; give it by --columns, or a folder "
                "of images alone by --root"
            )
        return read_map(Path(self.options.columns))

    def read(self, root: Path) -> Cohort:
        """One row per row of the table that the filters keep; see :class:`ssl_bench.plugin.contracts.Dataset`."""
        if not self.options.columns:
            return read_folder(self.name, root, self.options.patients)
        columns = self.column_map()
        table = _named(read_table(root / columns.table, columns))
        held, table = len(table.frame), kept(table, columns)
        text, counts = table.frame, {"rows left out by filters": held - len(table.frame)}
        check_rows(table, columns)
        # One file is one image, also where a row writes its path as ./a//b.png.
        frame = pd.DataFrame({"image_id": text.get("image_id", text["image_path"].map(normpath))})
        frame["image_path"], frame["patient_id"] = text["image_path"], text["patient_id"]
        frame["study_id"] = text.get("study_id", frame["image_id"])
        frame["split"] = read_split(table, columns)
        for feature in columns.features:
            frame[feature], noticed = read_feature(text, feature, columns)
            counts |= noticed
        labels, noticed = read_labels(table, columns, frame["image_id"])
        return Cohort(
            self.name,
            root,
            frame.join(labels),
            tuple(columns.features),
            tuple(map(str, labels)),
            official_split=columns.split is not None,
            synthetic=is_synthetic(root),
            counts={what: count for what, count in {**counts, **noticed}.items() if count},
            sources={columns.table: held},
        )


def read_table(path: Path, columns: ColumnMap) -> TextTable:
    """The columns of the map as text, under the keys of :attr:`ColumnMap.columns`.

    Raises:
        DataError: the file is missing or no table, or columns are missing, or occur twice.
    """
    if not path.is_file():
        place = nearby(path.parent, [path.name])
        hint = f"it is in {place}, give --root {place}" if place else "check --root and 'table' of the column map"
        raise DataError(f"expected the table {path}; found no file; {hint}")
    if not _is_parquet(path):
        return read_csv(
            path, columns.columns, written=Written(columns.encoding, columns.separator, "in the column map")
        )
    joined = columns.labels.separator if isinstance(columns.labels, Findings) else "|"
    return read_parquet(path, columns.columns, joined)


def _named(table: TextTable) -> TextTable:
    """The table with ids as whole numbers where every one of them went through floating point."""
    ids = {name: without_point(table.frame[name]) for name in NAMES if name in table.frame}
    return replace(table, frame=table.frame.assign(**ids))


def _is_parquet(path: Path) -> bool:
    """By what it is, or else by what it is called: a file of that name that is none is told as such."""
    with path.open("rb") as file:
        head = file.read(4)
    if path.suffix.lower() in PARQUET and head != b"PAR1":
        raise DataError(f"{path} is not a Parquet file: it does not begin as one; correct 'table' of the column map")
    return head == b"PAR1"


def kept(table: TextTable, columns: ColumnMap) -> TextTable:
    """The rows that pass every filter.

    Raises:
        DataError: none does.
    """
    frame = table.frame
    for column, values in columns.filters.items():
        before, frame = frame, frame[frame[f"filter:{column}"].isin(values)]
        if frame.empty:
            found = shortened(sorted(before[f"filter:{column}"].unique()))
            raise DataError(f"no row of {table.path} has {column} {' or '.join(values)}; found {found}; widen filters")
    return replace(table, frame=frame.reset_index(drop=True))


def check_rows(table: TextTable, columns: ColumnMap) -> None:
    """Identifiers, splits and labels.

    Raises:
        DataError: what is wrong with any of them, all at once.
    """
    problems = Problems()
    for name in ("image_path", "image_id", "patient_id", "study_id"):
        if name in table.frame:
            problems.run(partial(table.check_filled, name))
    problems.run(partial(_check_label_columns, table, columns))
    problems.run(lambda: read_split(table, columns))
    problems.run(lambda: read_labels(table, columns, table.frame["image_path"]))
    for feature in columns.features:
        problems.run(partial(check_meaning, table, feature, columns))
    problems.raise_if_any()


def check_meaning(table: TextTable, feature: str, columns: ColumnMap) -> None:
    """Refuse a column of which no value is one of its feature.

    Raises:
        DataError: naming the values and how to say what they mean.
    """
    known, _ = read_feature(table.frame, feature, columns)
    raw = table.frame[f"feature:{feature}"]
    filled = raw[raw != ""]
    if known.notna().any() or filled.empty:
        return
    shown = shortened([f"'{value}' ({count})" for value, count in filled.value_counts().items()], 5)
    column = columns.features[feature].column
    spec = SHARED[feature]
    plain = f"numbers in {spec.unit}" if spec.number else " or ".join(spec.values)
    wanted = "years such as 57 or 057Y" if feature == "age" else plain
    dates = filled.str.fullmatch(r"\d{1,4}[-./]\d{1,2}[-./]\d{1,4}.*").all()
    values = ", ".join(f"{value}: ..." for value in filled.unique()[:2])
    advice = f"say what they mean by {feature}: {{column: {column}, values: {{{values}}}}}, or leave it out of the map"
    if spec.number:
        advice = "correct the column"
    if feature == "age":
        advice = "these are dates: add a column with the age at the image" if dates else "correct the column"
    raise DataError(f"{feature} expects {wanted}; column {column} of {table.path} has {shown}; {advice}")


def read_split(table: TextTable, columns: ColumnMap) -> pd.Series:
    """The split column in our words; without validation rows a tenth of the training patients select.

    Raises:
        DataError: a value stands for no split.
    """
    text = table.frame
    if columns.split is None:
        return assign(text["patient_id"], DEFAULT_SHARES)
    by_name = {value: SPLIT_NAMES.get(value.lower(), "") for value in text["split"].unique()}
    meaning = columns.split.values or {value: name for value, name in by_name.items() if name}
    split = text["split"].map(meaning)
    strange = text.loc[~split.isin(list(DEFAULT_SHARES)), "split"].unique().tolist()
    if strange:
        raise DataError(
            f"{columns.split.column} of {table.path} must name {', '.join(DEFAULT_SHARES)}; found "
            f"{shortened(strange)}; say what they mean under 'values' of 'split', or leave rows out by 'filters'"
        )
    return split if (split == "validate").any() else select(text["patient_id"], split)


def read_feature(text: pd.DataFrame, feature: str, columns: ColumnMap) -> tuple[pd.Series, dict[str, int]]:
    """A feature in our vocabulary, missing where the file has nothing or anything else, and what was noticed."""
    raw, values = text[f"feature:{feature}"], columns.features[feature].values
    given = raw if values is None else raw.map(values).fillna("")
    if feature == "age":
        years = parse_age(given)
        return years, count_ages(raw, years)
    spec = SHARED[feature]
    if spec.number:
        known = plausible(given, feature)
        return known, count_values(raw, known, feature)
    known = given.where(given.isin(spec.values) if spec.values else given != "")
    return known, count_values(raw, known, feature)


def read_labels(table: TextTable, columns: ColumnMap, image_ids: pd.Series) -> tuple[pd.DataFrame, dict[str, int]]:
    """Labels as 1, 0, -1 or NaN, a column each, and what was noticed.

    Raises:
        DataError: a value that means nothing, naming the rows, or no finding at all.
    """
    text = table.frame
    if isinstance(columns.labels, Findings):
        return _from_names(text["label:"], columns.labels)
    raw = {name: _meaning(text[f"label:{name}"], columns.label_values(name)) for name in columns.label_columns}
    return parse_marks(pd.DataFrame(raw), image_ids, table.path), {}


def _meaning(raw: pd.Series, values: Mapping[str, str] | None) -> pd.Series:
    return raw if values is None else raw.map(values).where(raw.isin(list(values)), raw)


def _check_spellings(names: list[str], found: set[str], column: str) -> None:
    """Two spellings of a finding would make each positive image of one a negative image of the other.

    Raises:
        DataError: naming the spellings.
    """
    several = [" and ".join(f"'{name}'" for name in group) for group in alike(names) if found & set(group)]
    if several:
        raise DataError(f"{column} has {len(several)} findings in two spellings: {shortened(several, 5)}; write each "
                        "in one way, as the column map has it")  # fmt: skip


def _check_label_columns(table: TextTable, columns: ColumnMap) -> None:
    """Of two columns whose names differ only in spelling nobody knows which holds the finding.

    Raises:
        DataError: naming them.
    """
    read = set(columns.label_columns.values())
    several = [" and ".join(f"'{name}'" for name in group) for group in alike(table.header) if read & set(group)]
    if several:
        raise DataError(f"{table.path} has {len(several)} label columns in two spellings: {shortened(several, 5)}; "
                        "keep one of each")  # fmt: skip


def _from_names(text: pd.Series, findings: Findings) -> tuple[pd.DataFrame, dict[str, int]]:
    """One column of names as a column for each finding; an empty cell is blank for all of them."""
    named = text.str.split(findings.separator, regex=False).explode().str.strip()
    found = [name for name in sorted(named.unique()) if name and name not in findings.none]
    _check_spellings([*found, *findings.none], set(found), findings.column)
    wanted = list(findings.findings or found)
    absent = [name for name in wanted if name not in found]
    if absent or not wanted:
        raise DataError(
            f"no row has the findings {shortened(absent)} in {findings.column}; found {shortened(found)}; "
            "correct 'findings' of the column map"
        )
    marks = marks_of_names(named, wanted, text.index).mask(text == "")
    left = [name for name in found if name not in wanted]
    noticed = {"rows without any finding named": int((text == "").sum())}
    several = [name for name in wanted if SEPARATED.search(name)]
    if several:
        noticed[f"findings whose name may be several in one cell, such as {several[0]!r}"] = len(several)
    noticed |= {f"findings that are not read: {shortened(left)}": int(named.isin(left).sum())} if left else {}
    return marks, noticed
