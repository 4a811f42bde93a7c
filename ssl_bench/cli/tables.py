"""``sslbench tables RUNS ...``: linear evaluation and fine-tuning tables of finished runs, as a paper prints them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ssl_bench.cli.options import AsJson, FurtherMetrics, MinPatients, RefuseContaminated, Replicates
from ssl_bench.pretrain.signals import shutdown_with

STYLES = ("paper",)
FORMATS = ("markdown", "latex", "csv")


@shutdown_with(lambda: "nothing finished is lost; start it again")
def tables(
    runs: Annotated[
        list[Path],
        typer.Argument(
            help="Run directories; those that differ in the seed alone are a line; the first is the reference."
        ),
    ],
    style: Annotated[str, typer.Option(help="paper: a table for linear evaluation, one for fine-tuning.")] = "paper",
    form: Annotated[str, typer.Option("--format", help="markdown, latex (booktabs) or csv.")] = "markdown",
    protocols: Annotated[
        str | None,
        typer.Option("--eval", help="Protocols. [linear,linear-paper,finetune, if the runs have them]"),
    ] = None,
    per_label: Annotated[bool, typer.Option("--per-label", help="Single findings, too.")] = False,
    replicates: Replicates = 1000,
    fewest: MinPatients = 5,
    metrics: FurtherMetrics = "",
    refuse_contaminated: RefuseContaminated = False,
    out: Annotated[Path | None, typer.Option(help="File to write instead of printing.")] = None,
    as_json: AsJson = False,
) -> None:
    """Print AUROC and AUPRC of finished runs, seeds as mean and spread, the best in bold, marks with their meaning."""
    from ssl_bench.errors import UsageError, unknown

    for what, given, known in (("style", style, STYLES), ("format", form, FORMATS)):
        if given not in known:
            raise UsageError(unknown(what, given, known))
    if as_json and (out or form != "markdown"):
        raise UsageError("--json prints values by itself; leave out --out and --format")
    from ssl_bench.comparison.groups import read_groups
    from ssl_bench.config.config import split_names
    from ssl_bench.plugin.names import PAPER_PROTOCOLS
    from ssl_bench.plugin.registry import discover
    from ssl_bench.report.paper import paper, refuse_seen
    from ssl_bench.report.paper_text import rendered
    from ssl_bench.stats.measures import usual

    names, asked = split_names(protocols or "") or PAPER_PROTOCOLS, usual(discover(), metrics)
    arms = read_groups(runs, names)
    shown = paper(arms, names, per_label=per_label, replicates=replicates, fewest=fewest, asked=asked)
    if refuse_contaminated:
        refuse_seen(shown.cells)
    if as_json:
        from ssl_bench.report.machine import paper_values, print_json

        print_json(paper_values(shown))
        return
    text = rendered(shown, form)
    if out:
        from ssl_bench.files import write_text

        write_text(out, text)
        print(f"tables are in {out}")
    else:
        print(text, end="")
