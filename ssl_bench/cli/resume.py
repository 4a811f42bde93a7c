"""``sslbench run --resume DIR``: go on with a run whose configuration has not changed."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ssl_bench.config.changeable import differences, refused_changes
from ssl_bench.config.config import RunConfig, preset, read_file, read_files, resolve
from ssl_bench.config.layers import merge
from ssl_bench.config.roots import moved
from ssl_bench.errors import UsageError, shortened
from ssl_bench.plan.settle import settle
from ssl_bench.plugin.registry import discover
from ssl_bench.results.rundir import RunDirectory


def resumed_config(
    path: Path,
    flags: Mapping[str, Any],
    name: str | None,
    file: Path | Sequence[Path] | None,
    places: Sequence[str] = (),
) -> RunConfig:
    """The configuration of the run in a folder, with flags that may change on top; what changes is printed.

    Args:
        path: the run's folder.
        flags: nested values of the command line.
        name: a preset of the command line.
        file: configuration files of the command line.
        places: ``NAME=PATH`` of datasets of the run that lie elsewhere now.

    Raises:
        UsageError: there is no run, or the flags ask for something else; the difference is in the message.
    """
    directory = RunDirectory(path)
    if not directory.config.is_file():
        raise UsageError(f"{path} holds no run to resume; leave out --resume or name its folder")
    kept = read_file(directory.config)
    asked = merge({"preset": name, **preset(name)} if name else {}, read_files(file))
    registry = discover()
    there = moved(kept, places) if places else kept
    bare, named = flags.get("data", {}).get("root"), there["data"].get("root")
    if bare and named not in (bare, kept["data"].get("root")):
        raise UsageError(f"--root gives two folders for '{there['data']['name']}', {named} and {bare}; give one")
    before, wanted = (settle(resolve(layers), registry) for layers in ([kept], [there, asked, flags]))
    pair = before.model_dump(mode="json"), wanted.model_dump(mode="json")
    changed = {key: f"{key}: {old!r} -> {new!r}" for key, old, new in differences(*pair)}
    refused = list(refused_changes(*pair))
    if refused:
        raise UsageError(
            f"{path} was started with another configuration ({shortened(refused)}); resume without these flags, "
            "or start a new run"
        )
    if changed:
        print(f"resuming with {', '.join(changed.values())}", file=sys.stderr)
    return wanted
