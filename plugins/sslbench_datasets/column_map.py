"""The column map of ``table``: a YAML file that says which column is what. No pandas."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BeforeValidator, Discriminator, Field, Tag, field_validator

from ssl_bench.config.yamltext import load_yaml
from ssl_bench.errors import UsageError, among
from ssl_bench.plugin.feature_specs import SHARED
from ssl_bench.plugin.options import Options, validate


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str | int | float) else value


def _as_text(value: Any) -> Any:
    """YAML's own idea of a scalar back to what a cell of the table holds."""
    if isinstance(value, bool):
        raise ValueError("YAML reads this as true or false; put it in quotes")
    return str(value) if isinstance(value, int | float) else value


def _column(value: Any) -> Any:
    return {"column": value} if isinstance(value, str) else value


Text = Annotated[str, BeforeValidator(_as_text)]
Texts = Annotated[tuple[Text, ...], BeforeValidator(_listed)]


class MappedColumn(Options):
    """A column and what its values mean."""

    column: str = Field(description="name of the column")
    values: dict[Text, Text] | None = Field(None, description="our value for each of the file's; others are missing")


class Findings(Options):
    """One column that holds the names of all findings."""

    column: str = Field(description="name of the column")
    separator: str = Field("|", min_length=1, description="between names")
    findings: tuple[str, ...] = Field((), description="findings to read; empty: all that occur")
    none: Texts = Field(("No Finding",), description="names that stand for no finding at all")


Mapped = Annotated[MappedColumn, BeforeValidator(_column)]


def _kind(value: Any) -> str:
    """Which of the three ways of giving labels this is."""
    if isinstance(value, Findings) or (isinstance(value, dict) and isinstance(value.get("column"), str)):
        return "names"
    return "by finding" if isinstance(value, dict) else "columns"


Labels = Annotated[
    Annotated[Findings, Tag("names")]
    | Annotated[tuple[str, ...], Tag("columns"), Field(min_length=1)]
    | Annotated[dict[str, Mapped], Tag("by finding"), Field(min_length=1)],
    Discriminator(_kind),
]


class ColumnMap(Options):
    """Which column of a table is what."""

    table: str = Field(description="CSV or Parquet file, relative to the root")
    root: str = Field(
        "", description="folder of the table and the images, relative to this file, or a URL; --root wins"
    )
    image_path: str = Field(description="column of paths relative to the root")
    image_id: str = Field("", description="column of unique names; empty: the path")
    patient_id: str = Field(description="column of patients")
    study_id: str = Field("", description="column of studies; empty: every image is its own study")
    split: Mapped | None = Field(None, description="column of the split; without it 70/10/20 by patient")
    features: dict[str, Mapped] = Field(default_factory=dict, description="column of each EHR feature")
    labels: Labels = Field((), description="label columns, or finding: column, or one column of names; empty: none")
    filters: dict[str, Texts] = Field(default_factory=dict, description="rows to keep: column: value or values")
    encoding: str = Field("", description="of a CSV file, such as cp1252; empty: UTF-8, or what a byte order mark says")
    separator: str = Field(",", min_length=1, max_length=1, description="between the values of a CSV file")

    @field_validator("features")
    @classmethod
    def _known(cls, given: dict[str, MappedColumn]) -> dict[str, MappedColumn]:
        for feature in given:
            if feature not in SHARED:
                raise ValueError(f"'{feature}' is no feature; {among(feature, list(SHARED))}")
        return given

    @property
    def columns(self) -> dict[str, str]:
        """The file's name of every column that is read, by a key of ours."""
        plain = {name: getattr(self, name) for name in ("image_path", "image_id", "patient_id", "study_id")}
        found = {name: column for name, column in plain.items() if column}
        found |= {"split": self.split.column} if self.split else {}
        found |= {f"feature:{name}": source.column for name, source in self.features.items()}
        found |= {f"label:{name}": column for name, column in self.label_columns.items()}
        return found | {f"filter:{column}": column for column in self.filters}

    @property
    def label_columns(self) -> dict[str, str]:
        """The file's column of every label; ``""`` is the one column that holds all names."""
        if isinstance(self.labels, Findings):
            return {"": self.labels.column}
        if isinstance(self.labels, tuple):
            return {name: name for name in self.labels}
        return {name: source.column for name, source in self.labels.items()}

    def label_values(self, name: str) -> Mapping[str, str] | None:
        """What the values of a label mean, where they are not 1, 0, -1 already."""
        return self.labels[name].values if isinstance(self.labels, dict) else None


def read_map(path: Path) -> ColumnMap:
    """A column map.

    Raises:
        UsageError: the file cannot be read, or its keys or values are wrong, all at once.
    """
    try:
        values = load_yaml(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UsageError(f"column map {path} cannot be read: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict):
        raise UsageError(f"column map {path} must hold keys and values, found {type(values).__name__}")
    return validate(ColumnMap, values, f"column map {path}")
