"""``sslbench evaluate RUN``: more protocols and label fractions for a finished run, without training again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ssl_bench.cli.complete import names_of
from ssl_bench.cli.configured import takes
from ssl_bench.cli.options import AsJson, Cache, ProbeOn, Quiet, TestOn, asked, cache_folder
from ssl_bench.pretrain.signals import shutdown_with


@shutdown_with(
    lambda: "nothing finished is lost: the record is whole and features computed so far are kept; start it again"
)
@takes("run", "protocols", "aggregate", "label_fraction", "draws")
def evaluate(
    flags: dict[str, Any],
    run: Annotated[Path, typer.Argument(help="Folder of a finished run.")],
    protocols: Annotated[
        str | None,
        typer.Option(
            "--eval",
            help="Evaluators, comma-separated; see plugins. [those of the run]",
            autocompletion=names_of("evaluator", several=True),
        ),
    ] = None,
    test_on: TestOn = None,
    probe_on: ProbeOn = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="Any evaluate.* key, for example evaluate.replicates=2000.")
    ] = None,
    roots: Annotated[
        list[str] | None,
        typer.Option("--root", help="NAME=PATH: where a dataset of the run lies now; repeatable."),
    ] = None,
    cache: Cache = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Evaluate the encoder of a finished run again; the rows are added to its record."""
    from ssl_bench.config.roots import with_probes

    changed = asked(
        {**flags, "evaluate.protocols": protocols, "evaluate.test_on": with_probes(test_on, probe_on)}, settings or []
    )
    from ssl_bench.config.config import resolve
    from ssl_bench.config.roots import moved
    from ssl_bench.errors import UsageError
    from ssl_bench.results.rundir import RunDirectory, check_trained

    stray = [key for key in changed if key != "evaluate"]
    if stray and not (stray == ["data"] and set(changed["data"]) <= {"options", "workers", "residency", "split"}):
        raise UsageError(f"a finished run can change evaluate.* keys only, found {', '.join(stray)}")
    directory = RunDirectory(run)
    record = directory.read_record()
    check_trained(record, run)
    config = resolve([moved(record.config, roots or ()), changed])

    from ssl_bench.api.start import report_or_warn
    from ssl_bench.cli.run import show
    from ssl_bench.evaluate.reevaluate import reevaluate
    from ssl_bench.plan.plan import make_plan
    from ssl_bench.plugin.registry import discover
    from ssl_bench.report.terminal import Terminal

    plan = make_plan(config, discover(), cache_folder(cache))
    with directory.locked():
        terminal = Terminal(directory)
        with terminal:
            record = reevaluate(plan, directory, terminal)
        show(terminal, record, as_json=as_json)
        report_or_warn(directory, terminal)
