"""``sslbench run --resume DIR``: go on with a run whose configuration has not changed."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ssl_bench.config import RunConfig, merge, preset, read_file, resolve
from ssl_bench.errors import UsageError, shortened
from ssl_bench.plugins import discover
from ssl_bench.results.rundir import RunDirectory
from ssl_bench.settle import settle

CHANGEABLE = (
    "loggers",
    "data.workers",
    "data.residency",
    "data.root",
    "pretrain.epochs",
    "pretrain.log_every",
    "pretrain.checkpoint_every",
    "pretrain.devices",
    "pretrain.nodes",
    "evaluate.protocols",
    "evaluate.options",
    "evaluate.test_on",
)
"""Keys that a resumed run may set anew. All but the epochs change no weight; those stretch the schedules from here on,
so that the run equals none that was left alone, and its record says so (:func:`ssl_bench.pretrain.run.changed`)."""


def resumed_config(path: Path, flags: Mapping[str, Any], name: str | None, file: Path | None) -> RunConfig:
    """The configuration of the run in a folder, with flags that may change on top; what changes is printed.

    Args:
        path: the run's folder.
        flags: nested values of the command line.
        name: a preset of the command line.
        file: a configuration file of the command line.

    Raises:
        UsageError: there is no run, or the flags ask for something else; the difference is in the message.
    """
    directory = RunDirectory(path)
    if not directory.config.is_file():
        raise UsageError(f"{path} holds no run to resume; leave out --resume or name its folder")
    kept = read_file(directory.config)
    asked = merge({"preset": name, **preset(name)} if name else {}, read_file(file) if file else {})
    registry = discover()
    before, wanted = (settle(resolve(layers), registry) for layers in ([kept], [kept, asked, flags]))
    changed = {
        key: f"{key}: {old!r} -> {new!r}"
        for key, old, new in differences(before.model_dump(mode="json"), wanted.model_dump(mode="json"))
    }
    refused = [change for key, change in changed.items() if ".".join(key.split(".")[:2]) not in CHANGEABLE]
    if refused:
        raise UsageError(
            f"{path} was started with another configuration ({shortened(refused)}); resume without these flags, "
            "or start a new run"
        )
    if changed:
        print(f"resuming with {', '.join(changed.values())}", file=sys.stderr)
    return wanted


def differences(old: Mapping[str, Any], new: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Dotted key, old and new value of everything that differs between two nested tables."""
    for key in {**old, **new}:
        before, after = old.get(key), new.get(key)
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            yield from differences(before, after, f"{above}{key}.")
        elif before != after:
            yield f"{above}{key}", before, after
