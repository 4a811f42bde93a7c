"""Names of one finding in different datasets, and findings that are the union of others: the stated mappings.

A name counts in any case, with blanks or underscores. Where datasets meet (several to pretrain on, another to test on,
``--labels``), findings are matched by :func:`common_name`, and then by :data:`UNIONS`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from ssl_bench.plugin.label_spaces import OTHER_NAMES as OTHER_NAMES
from ssl_bench.plugin.label_spaces import UNIONS as UNIONS
from ssl_bench.plugin.label_spaces import common_name as common_name
from ssl_bench.plugin.label_spaces import known


def columns_by_name(labels: Iterable[str]) -> dict[str, str]:
    """A dataset's label for each common name: of several the one with that very name, or else the first."""
    found: dict[str, str] = {}
    for label in labels:
        name = common_name(label)
        if name not in found or label == name:
            found[name] = label
    return found


@dataclass(frozen=True)
class Coverage:
    """What a dataset has of some findings.

    Args:
        direct: its label for a finding.
        unions: its labels whose union a finding is.
        lacking: findings that it has neither way.
    """

    direct: Mapping[str, str]
    unions: Mapping[str, tuple[str, ...]]
    lacking: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.direct) + len(self.unions)

    def described(self) -> list[str]:
        """What goes by another name, or is made of several: ``Lung Lesion (Nodule or Mass)``."""
        named = [f"{name} ({label})" for name, label in self.direct.items() if name != label]
        return named + [f"{name} ({' or '.join(parts)})" for name, parts in self.unions.items()]


def coverage(labels: Sequence[str], wanted: Iterable[str]) -> Coverage:
    """Which of the wanted findings a dataset with these labels has, and how."""
    columns = columns_by_name(labels)
    parts = {name: [columns.get(common_name(part)) for part in UNIONS.get(common_name(name), ())] for name in wanted}
    direct = {name: columns[common_name(name)] for name in parts if common_name(name) in columns}
    unions = {
        name: tuple(str(part) for part in held)
        for name, held in parts.items()
        if name not in direct and held and None not in held
    }
    return Coverage(direct, unions, tuple(name for name in parts if name not in direct and name not in unions))


def union(parts: pd.DataFrame) -> pd.Series:
    """1 where any part is 1, else -1 where any is uncertain, else 0 where all are 0, else unknown."""
    whole = parts.max(axis=1).where(parts.notna().all(axis=1) | (parts == 1).any(axis=1))
    return whole.mask((parts == -1).any(axis=1) & (whole != 1), -1.0)


def expressed(raw: pd.DataFrame, wanted: Sequence[str]) -> pd.DataFrame:
    """The wanted findings that a dataset has, under these names and in this order.

    Args:
        raw: labels of one dataset, one column a finding.
        wanted: names of findings.
    """
    held = coverage([str(label) for label in raw], wanted)
    columns = {name: raw[label] for name, label in held.direct.items()}
    columns |= {name: union(raw[list(parts)]) for name, parts in held.unions.items()}
    return pd.DataFrame({name: columns[name] for name in wanted if name in columns}, index=raw.index)


def strangers(labels: Iterable[str]) -> list[str]:
    """Labels that no vocabulary here has, and that are no part of a finding of it."""
    return [label for label in labels if not known(label)]
