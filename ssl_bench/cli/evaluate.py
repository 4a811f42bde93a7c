"""``sslbench evaluate RUN``: more protocols and label fractions for a finished run, without training again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ssl_bench.cli.complete import names_of
from ssl_bench.cli.options import Aggregate, AsJson, Quiet, asked, cache_folder
from ssl_bench.pretrain.signals import leaving


@leaving(lambda: "nothing finished is lost: the record is whole and features computed so far are kept; start it again")
def evaluate(
    run: Annotated[Path, typer.Argument(help="Folder of a finished run.")],
    protocols: Annotated[
        str | None,
        typer.Option(
            "--eval",
            help="Evaluators, comma-separated; see plugins.",
            autocompletion=names_of("evaluator", several=True),
        ),
    ] = None,
    aggregate: Aggregate = None,
    label_fraction: Annotated[
        str | None, typer.Option(help="Shares of the training patients, for example 0.01,0.1,1.0.")
    ] = None,
    draws: Annotated[int | None, typer.Option(help="Random draws of each share below 1.")] = None,
    test_on: Annotated[
        list[str] | None,
        typer.Option("--test-on", help="Other datasets to test on: NAME=ROOT or NAME:refit=ROOT, comma-separated."),
    ] = None,
    probe_on: Annotated[
        list[str] | None,
        typer.Option("--probe-on", help="Other datasets to fit and test probes on: NAME=ROOT, comma-separated."),
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="Any evaluate.* key, for example evaluate.replicates=2000.")
    ] = None,
    roots: Annotated[
        list[str] | None,
        typer.Option("--root", help="NAME=PATH: where a dataset of the run lies now; repeatable."),
    ] = None,
    cache: Annotated[Path | None, typer.Option(help="Folder of prepared images. [~/.cache/sslbench]")] = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Evaluate the encoder of a finished run again; the rows are added to its record."""
    from ssl_bench.config.roots import with_probes

    flags = asked(
        {
            "evaluate.protocols": protocols,
            "evaluate.aggregate": aggregate,
            "evaluate.label_fractions": label_fraction,
            "evaluate.label_draws": draws,
            "evaluate.test_on": with_probes(test_on, probe_on),
        },
        settings or [],
    )
    from ssl_bench.config.config import resolve
    from ssl_bench.config.roots import moved
    from ssl_bench.errors import UsageError
    from ssl_bench.results.rundir import RunDirectory, check_trained

    stray = [key for key in flags if key != "evaluate"]
    if stray and not (stray == ["data"] and set(flags["data"]) <= {"options", "workers", "residency", "split"}):
        raise UsageError(f"a finished run can change evaluate.* keys only, found {', '.join(stray)}")
    directory = RunDirectory(run)
    record = directory.read_record()
    check_trained(record, run)
    config = resolve([moved(record.config, roots or ()), flags])

    from ssl_bench.api.start import leave_report
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
        leave_report(directory, terminal)
