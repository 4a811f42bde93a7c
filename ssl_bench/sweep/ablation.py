"""The cells of an ablation: feature sets by arms by seeds, each a cell of a sweep in a folder of its own. No torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ssl_bench.config.arms import ARMS, NONE, REAL, SHUFFLED
from ssl_bench.config.changeable import differences
from ssl_bench.config.config import RunConfig, read_file, resolve
from ssl_bench.errors import UsageError, unknown
from ssl_bench.plan.plan import Plan, settled
from ssl_bench.plugin.registry import Registry
from ssl_bench.results.rundir import RunDirectory
from ssl_bench.sweep.cells import Cell, Grouped


@dataclass(frozen=True, eq=False)
class AblationCell:
    """One run of an ablation.

    Args:
        features: name of the feature set.
        arm: of :data:`ARMS`.
        seed: of the run.
        folder: its run directory.
        flags: nested values on top of the user's.
    """

    features: str
    arm: str
    seed: int
    folder: Path
    flags: Mapping[str, Any]


def cells(
    sets: Mapping[str, Sequence[str]], arms: Sequence[str], seeds: int, out: Path, first_seed: int = 0
) -> list[AblationCell]:
    """All runs, seed by seed, so that an ablation that is cut short has whole seeds.

    Args:
        sets: features by name of the set.
        arms: of :data:`ARMS`; the arm without EHR is run once for all sets.
        seeds: their number.
        out: folder of the ablation.
        first_seed: the others follow.

    Raises:
        UsageError: an arm is unknown, or the primary contrast lacks one.
    """
    for arm in arms:
        if arm not in ARMS:
            raise UsageError(unknown("arm", arm, ARMS))
    if not {REAL, SHUFFLED} <= set(arms):
        raise UsageError(f"an ablation compares '{REAL}' with '{SHUFFLED}', found {', '.join(arms)}; name both")
    found = []
    for seed in range(first_seed, first_seed + seeds):
        for number, (name, features) in enumerate(sets.items()):
            for arm in arms:
                if arm == NONE and number:
                    continue
                above = out / name if len(sets) > 1 and arm != NONE else out
                flags = {**ARMS[arm], "seed": seed}
                flags["ehr"] = {**flags["ehr"], "features": list(features)}
                found.append(AblationCell(name, arm, seed, above / f"{arm}-seed{seed}", flags))
    return found


def as_sweep(
    planned: Sequence[AblationCell],
    out: Path,
    configured: Callable[[Mapping[str, Any]], RunConfig],
    problems: Grouped,
) -> list[Cell]:
    """The cells of a sweep that runs an ablation; each is called by its place in the folder, so that it stays there.

    Args:
        planned: all runs.
        out: folder of the ablation.
        configured: the configuration with a cell's flags on top.
        problems: is told of values that are wrong.
    """
    found = []
    for cell in planned:
        name = cell.folder.relative_to(out).as_posix()
        config = problems.run(name, partial(configured, cell.flags))
        found += [Cell(name, config)] if config is not None else []
    return found


def check_begun(plans: Mapping[str, Plan], out: Path, registry: Registry, problems: Grouped) -> None:
    """Whether the cells that have begun, by this command or before there were sweeps of them, are the same runs.

    Args:
        plans: by the names of the cells.
        out: folder of the ablation.
        registry: of the installed plugins.
        problems: is told of cells that had another configuration.
    """
    for name, plan in plans.items():
        now = settled(plan.config, registry, plan.parts)
        problems.run(name, partial(check_same, RunDirectory(out / name), now))


def check_same(directory: RunDirectory, config: RunConfig) -> None:
    """A cell that has begun must have had the same configuration.

    Raises:
        UsageError: it had another one; the first differences are in the message.
    """
    if not directory.config.is_file():
        return
    try:
        kept = resolve([read_file(directory.config)])
    except UsageError as error:
        raise UsageError(f"it was begun by another version of sslbench ({error}); choose another --out") from None
    pair = kept.model_dump(mode="json"), config.model_dump(mode="json")
    changed = [f"{key}: {old!r} -> {new!r}" for key, old, new in differences(*pair)]
    if changed:
        raise UsageError(
            f"it was run with another configuration ({'; '.join(changed[:3])}); repeat the first command, or choose "
            "another --out"
        )
