"""What a tune has chosen, as values of the cells of a grid (``settings_from: DIR``). No torch."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ssl_bench.config.layers import merge, named
from ssl_bench.errors import DataError, UsageError, because
from ssl_bench.plugin.components import MethodSpec
from ssl_bench.plugin.names import DEFAULT_METHOD
from ssl_bench.plugin.registry import Registry

Values = dict[str, Any]

FILE = "tune.json"
SCHEMA = 1


def nest(path: str, value: Any) -> Values:
    """``nest("ehr.features", "age")`` is ``{"ehr": {"features": "age"}}``."""
    for part in reversed(path.split(".")):
        value = {part: value}
    return dict(value)


def nested(values: Mapping[str, Any]) -> Values:
    """A table whose keys may be dotted as one whose keys are not."""
    table: Values = {}
    for path, value in values.items():
        table = merge(table, nest(path, value))
    return table


class Tuned:
    """The choices in a tune's folder.

    Args:
        folder: of the tune.

    Raises:
        UsageError: there is no finished tune, or another version wrote it.
        DataError: it is damaged.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, found = folder, read_tune(folder)
        self.trial_seed = found["trial_seed"]
        self.chosen = {label: study["chosen"] for study in found["studies"] for label in study["members"]
                       if study["chosen"] is not None}  # fmt: skip

    def under(self, values: Values, own: Values, registry: Registry) -> Values:
        """A cell with what was chosen for its method.

        Args:
            values: of the cell, its own on top of the base.
            own: what the cell says itself.
            registry: of the installed plugins.

        Raises:
            UsageError: the tune has no choice for a method that is trained, the cell sets what was chosen, or has the
                seed of the trials.
        """
        name = str(named(values.get("method", DEFAULT_METHOD)).get("name"))
        control = values.get("ehr", {}).get("control", "none")
        label = name if control == "none" else f"{name}:{control}"
        chosen = self.chosen.get(label)
        if chosen is None:
            if name in registry.names(MethodSpec.kind) and registry.get(MethodSpec.kind, name).trains:
                raise UsageError(f"the tune in {self.folder} chose nothing for '{label}'; tune it, or leave it out")
            return values
        if values.get("seed") == self.trial_seed:
            raise UsageError(f"seed {self.trial_seed} is that of the trials in {self.folder}; choose fresh seeds")
        twice = sorted(set(chosen["settings"]) & set(_keys(own)))
        if twice:
            raise UsageError(f"{twice[0]} is set by the grid, and was chosen by the tune in {self.folder}; leave out "
                             "one of the two")  # fmt: skip
        return merge(values, {**nested(chosen["settings"]), "tuning": chosen["tuning"]})


def _keys(values: Mapping[str, Any], above: str = "") -> Iterator[str]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _keys(value, f"{above}{key}.")
        else:
            yield f"{above}{key}"


def read_tune(folder: Path) -> dict[str, Any]:
    """The result in a tune's folder.

    Raises:
        UsageError: there is none, or another version wrote it.
        DataError: it is damaged.
    """
    path = folder / FILE
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise UsageError(f"{folder} holds no finished tune ({FILE}); run sslbench tune --out {folder} first") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read: {because(error)}") from None
    if not isinstance(found, dict) or found.get("schema") != SCHEMA:
        raise UsageError(f"{path} was written by another version of sslbench; use that one")
    return found
