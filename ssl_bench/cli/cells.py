"""What ``sweep``, ``ablate`` and ``tune`` share: the launcher, the cells' costs, their runs, and which have failed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from ssl_bench.errors import HandledError

if TYPE_CHECKING:
    from ssl_bench.plan.plan import Plan
    from ssl_bench.plugin.registry import Registry
    from ssl_bench.plugin.services import Launcher
    from ssl_bench.sweep.cells import Cell
    from ssl_bench.sweep.state import State


def launcher_of(
    name: str, options: Mapping[str, Any], jobs: int, private: Path, registry: Registry
) -> Callable[[], Launcher]:
    """What makes a launcher.

    Args:
        name: of the launcher.
        options: its own.
        jobs: runs at once, 0 for its own choice.
        private: folder for what it writes.
        registry: of the installed plugins.

    Raises:
        UsageError: it is unknown, is not installed, or has no such options.
    """
    component = registry.get("launcher", name)
    chosen = registry.options("launcher", name, options)
    component.check_installed()
    target = component.load()
    return lambda: target(chosen, jobs, private / name)


def tell_cells(
    cells: Sequence[Cell],
    plans: Mapping[str, Plan],
    folder: Path,
    launch: Callable[[], Launcher],
    cache: Path,
    jobs: int,
    notes: Sequence[str],
    *,
    as_json: bool,
) -> None:
    """Print what a dry run has found out: the cells with their costs, the notes, and the kinds of jobs."""
    if as_json:
        from ssl_bench.report.machine import print_json

        print_json({**costs_values(plans, folder), "notes": list(notes)})
        return
    tell_costs(plans, folder, jobs)
    for note in notes:
        print(f"note: {note}")
    tell_jobs(cells, folder, launch(), cache)


def costs_values(plans: Mapping[str, Plan], folder: Path) -> dict[str, Any]:
    """The cells of a sweep with what their training costs."""
    from ssl_bench.sweep.cost import costs

    with TemporaryDirectory() as private:
        found = costs(plans, folder, Path(private))
    cells = [{"cell": name, "steps": cost.steps, "step_seconds": cost.step_seconds, "source": cost.source,
              "seconds": cost.seconds, "done": (folder / name / "record.json").is_file()}
             for name, cost in found.items()]  # fmt: skip
    return {"folder": str(folder), "cells": cells}


def tell_costs(plans: Mapping[str, Plan], folder: Path, jobs: int) -> None:
    """Print the cells with what their training costs."""
    from ssl_bench.numbers import counted, duration
    from ssl_bench.report.sweep import print_cells

    found = costs_values(plans, folder)["cells"]
    rows = [
        (cell["cell"], f"{cell['steps']:,}",
         f"{cell['step_seconds'] * 1000:,.0f} ms {cell['source']}" if cell["steps"] else cell["source"],
         duration(cell["seconds"]) if cell["steps"] else "-", "done" * cell["done"])
        for cell in found
    ]  # fmt: skip
    left = sum(cell["seconds"] for cell in found if not cell["done"])
    caption = (
        f"{counted(len(found), 'cell')}, {duration(left)} of training left one after the other"
        + (f", {duration(left / jobs)} with {jobs} at once" if jobs > 1 else "")
        + "; preparing and evaluating come on top"
    )
    print_cells(rows, ("cell", "steps", "a step", "training", ""), caption)


def tell_jobs(cells: Sequence[Cell], folder: Path, launcher: Launcher, cache: Path) -> None:
    """Print what each kind of job would ask the launcher for, where the launcher can say it.

    Raises:
        UsageError: the launcher cannot start jobs from here.
    """
    from ssl_bench.numbers import counted
    from ssl_bench.plugin.services import Explains
    from ssl_bench.sweep.loop import Sweep

    if not isinstance(launcher, Explains):
        return
    jobs = Sweep(cells, folder, launcher, cache, lambda states: None).jobs.values()
    kinds = {(job.devices, job.nodes, job.gpus): job for job in jobs}
    for kind, job in kinds.items():
        count = sum((other.devices, other.nodes, other.gpus) == kind for other in jobs)
        print(f"\n{counted(count, 'job')} like that of {job.name}\n{launcher.explain(job)}")


def carry_out(
    cells: Sequence[Cell],
    folder: Path,
    launch: Callable[[], Launcher],
    cache: Path,
    *,
    retry_failed: bool,
    inexact: bool,
) -> dict[str, State]:
    """Run the cells in their folder, which is held meanwhile, and show how far they are."""
    from ssl_bench.report.sweep import SweepBoard
    from ssl_bench.sweep.loop import Sweep, claimed

    flags = ["--allow-inexact-resume"] if inexact else []
    with claimed(folder), SweepBoard() as board:
        running = Sweep(cells, folder, launch(), cache, board.show, retry_failed=retry_failed, flags=flags)
        return running.run()


def tell_states(states: Mapping[str, State], folder: Path, *, as_json: bool) -> None:
    """Print where every cell stands."""
    if as_json:
        from ssl_bench.report.machine import print_json, states_values

        print_json(states_values(states, folder))
    else:
        from ssl_bench.report.sweep import print_sweep

        print_sweep(states)


def failed(states: Mapping[str, State]) -> list[str]:
    """The names of the cells that have failed."""
    return [name for name, state in states.items() if state.phase == "failed"]


def raise_if_failed(states: Mapping[str, State], folder: Path) -> None:
    """End with an error where a cell has failed.

    Raises:
        HandledError: cells have failed; the table says why.
    """
    from ssl_bench.sweep.loop import private_folder

    if names := failed(states):
        raise HandledError(
            f"{len(names)} of {len(states)} cells failed, their output is in {private_folder(folder) / 'logs'}; "
            "--retry-failed tries them again"
        )
