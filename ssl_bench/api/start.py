"""A run from its configuration to its folder: what ``sslbench run`` and :func:`ssl_bench.run` share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ssl_bench.ranks import started_outside

if TYPE_CHECKING:
    from lightning_fabric import Fabric

    from ssl_bench.config.config import RunConfig
    from ssl_bench.plan.parts import RunComponents
    from ssl_bench.plan.plan import Plan
    from ssl_bench.report.terminal import Terminal
    from ssl_bench.results.record import Record
    from ssl_bench.results.rundir import RunDirectory

    Tell = Callable[[Terminal, Record], None]
    """Shows the result of a run: its terminal and its record."""


def silent(terminal: Terminal, record: Record) -> None:
    """Show nothing."""


def start(
    config: RunConfig,
    cache: Path,
    out: Path | None,
    *,
    resume: bool = False,
    allow_inexact: bool = False,
    refuse: bool = False,
    tell: Tell = silent,
    report: bool = True,
) -> Path:
    """Plan a run and carry it out.

    Args:
        config: of the run.
        cache: folder of prepared images.
        out: the run's folder; None: a new one under ``runs/``.
        resume: go on with the run in that folder.
        allow_inexact: although the bits will differ.
        refuse: test data that the encoder has seen in its pretraining.
        tell: shows the result.
        report: write the report, too.

    Returns:
        The run's folder.

    Raises:
        HandledError: what is wrong, in a sentence.
    """
    from ssl_bench.pretrain.signals import shutdown_with
    from ssl_bench.results.rundir import RunDirectory

    if config.pretrain.processes > 1 or started_outside():
        return start_together(
            config, cache, out, resume=resume, allow_inexact=allow_inexact, refuse=refuse, tell=tell, report=report
        )
    directory = RunDirectory(out or free_path(config))
    directory.check_free()
    directory.check(resume=resume)
    with shutdown_with(directory.what_next):
        plan = whole_plan(config, cache, refuse=refuse)
        carry_out(plan, directory, resume=resume, allow_inexact=allow_inexact, tell=tell, report=report)
    return directory.path


def whole_plan(config: RunConfig, cache: Path, *, refuse: bool = False) -> Plan:
    """The plan of a run of one process, its epochs fitted to a budget of operations where there is one."""
    plan = checked_plan(config, cache, refuse=refuse)
    if config.pretrain.budget != "flops":
        return plan
    from ssl_bench.build.budget import with_budget

    return with_budget(plan)


def start_together(
    config: RunConfig,
    cache: Path,
    out: Path | None,
    *,
    resume: bool = False,
    allow_inexact: bool = False,
    refuse: bool = False,
    tell: Tell = silent,
    report: bool = True,
) -> Path:
    """Plan a run of several processes and carry it out; the first of them checks and prepares before the others."""
    from ssl_bench.build.budget import with_budget
    from ssl_bench.distributed import is_first, rank_zero_first
    from ssl_bench.plan.parts import choose_parts
    from ssl_bench.plugin.registry import discover
    from ssl_bench.pretrain.launch import launched
    from ssl_bench.pretrain.signals import shutdown_with
    from ssl_bench.results.rundir import RunDirectory

    parts = choose_parts(config, discover())  # what is wrong without a look at the data is told by one process alone
    with launched(config.pretrain) as fabric:
        directory = RunDirectory(fabric.broadcast(out or free_path(config)))

        def check_and_plan() -> Plan:
            if is_first():
                directory.check_free()
                directory.check(resume=resume)
            return with_budget(checked_plan(config, cache, refuse=refuse, chosen=parts))

        with shutdown_with(directory.what_next):
            plan = rank_zero_first(check_and_plan)
            carry_out(
                plan, directory, resume=resume, allow_inexact=allow_inexact, fabric=fabric, tell=tell, report=report
            )
        return directory.path


def checked_plan(config: RunConfig, cache: Path, *, refuse: bool, chosen: RunComponents | None = None) -> Plan:
    """The plan of a run, its components perhaps chosen before; ``refuse`` that its encoder has seen test images."""
    from ssl_bench.plan.plan import make_plan
    from ssl_bench.plugin.registry import discover
    from ssl_bench.results.ledger import refuse_seen

    plan = make_plan(config, discover(), cache, chosen)
    if refuse:
        refuse_seen(plan)
    return plan


def free_path(config: RunConfig) -> Path:
    """A new folder under ``runs/``."""
    from ssl_bench.results.rundir import new_run_path

    names = "+".join((config.data.name, *(source.name for source in config.data.more)))
    return new_run_path(Path("runs"), f"{config.method.name}-{names}-seed{config.seed}")


def carry_out(
    plan: Plan,
    directory: RunDirectory,
    *,
    resume: bool = False,
    allow_inexact: bool = False,
    fabric: Fabric | None = None,
    tell: Tell = silent,
    report: bool = True,
) -> None:
    """Execute a plan in its folder and show the table; of several processes the first one claims and shows."""
    from ssl_bench.build.estimate import dry_build, estimate
    from ssl_bench.distributed import is_first
    from ssl_bench.pipeline import execute
    from ssl_bench.plugin.registry import tell_observers
    from ssl_bench.pretrain.loggers import Loggers
    from ssl_bench.report.terminal import Quiet, Terminal

    if not is_first():
        dry_build(plan)
        execute(plan, directory, Quiet(), resume=resume, allow_inexact=allow_inexact, fabric=fabric)
        return
    size = estimate(plan)  # tells what cannot be built, too, before the folder is claimed
    with directory.claimed(resume=resume):
        terminal = Terminal(directory)
        terminal.loggers = Loggers(plan.parts.loggers, directory, terminal.warn)
        with terminal:
            record = execute(
                plan, directory, terminal, resume=resume, allow_inexact=allow_inexact, fabric=fabric, size=size
            )
        if record is None:
            return
        tell(terminal, record)
        for failure in tell_observers(record.as_json(), directory.path):
            terminal.warn(failure)
        if report:
            report_or_warn(directory, terminal)


def report_or_warn(directory: RunDirectory, terminal: Terminal) -> None:
    """Write the report; the run is finished and on record before it, so no fault here may end it as a failure."""
    try:
        from ssl_bench.report.report import write_report

        terminal.stage("writing the report")
        written = write_report(directory)
        terminal.stage(f"report: {written.files[0]}")
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        terminal.warn(f"no report ({reason}); the run is whole, try: sslbench report {directory.path}")
