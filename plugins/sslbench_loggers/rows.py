"""The numbers of a record that a logger shows: macro metrics on the test split, by protocol and encoder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def final_numbers(record: Mapping[str, Any]) -> dict[str, float]:
    """``{"test/linear/trained/macro_auroc": 0.74, ".../ci_low": ..., ".../ci_high": ...}`` without missing values."""
    numbers = {}
    for row in record["metrics"]:
        if (row["split"], row["label"], row.get("subgroup", "all")) != ("test", "macro", "all"):
            continue
        share = "" if row["fraction"] == 1.0 else f"/{row['fraction']:g}-{row['draw']}"
        name = f"{row['split']}/{row['protocol']}/{row['encoder']}{share}/macro_{row['metric']}"
        if row["dataset"] != record["data"]["name"]:
            name = f"{row['dataset']}/{name}"
        for suffix, key in (("", "value"), ("_ci_low", "ci_low"), ("_ci_high", "ci_high")):
            if row[key] is not None:
                numbers[name + suffix] = float(row[key])
    return numbers


def flat(values: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Nested values by dotted key."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        found |= flat(value, f"{above}{key}.") if isinstance(value, Mapping) else {f"{above}{key}": value}
    return found
