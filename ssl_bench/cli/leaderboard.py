"""``sslbench leaderboard RUNS ...``: finished runs ranked, in the terminal and as one page that needs no network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ssl_bench.cli.options import AsJson, Cache, FurtherMetrics, MinPatients, RefuseContaminated, Replicates
from ssl_bench.numbers import counted
from ssl_bench.pretrain.signals import shutdown_with


@shutdown_with(lambda: "nothing finished is lost; start it again")
def leaderboard(
    runs: Annotated[
        list[Path],
        typer.Argument(
            help="Run directories or folders of them (those differing in the seed alone are one row), or a study."
        ),
    ],
    html: Annotated[Path | None, typer.Option(help="File to write: a page with tables, plots and provenance.")] = None,
    csv: Annotated[
        Path | None, typer.Option(help="File to write: a row for each row of the table, all numbers.")
    ] = None,
    figures: Annotated[
        Path | None, typer.Option(help="Folder for each plot of the page as SVG (text as text) and PDF, for a paper.")
    ] = None,
    baseline: Annotated[
        str | None, typer.Option(help="Configuration, or one of its runs, that others are tested against. [random]")
    ] = None,
    protocols: Annotated[str | None, typer.Option("--eval", help="Protocols. [all that the runs have]")] = None,
    replicates: Replicates = 1000,
    fewest: MinPatients = 5,
    metrics: FurtherMetrics = "",
    no_maps: Annotated[
        bool, typer.Option("--no-maps", help="Without the map of the test embeddings, a point an image.")
    ] = False,
    thumbnails: Annotated[
        bool, typer.Option("--thumbnails", help="With small images on the map; only of data that permit it.")
    ] = False,
    refuse_contaminated: RefuseContaminated = False,
    allow_oracle: Annotated[
        bool, typer.Option("--allow-oracle", help="Also runs whose options were selected on the test split.")
    ] = False,
    cache: Cache = None,
    save: Annotated[
        Path | None,
        typer.Option(help="File to write: records and table without images and ids, to be read by this command."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Rank configurations by macro AUROC, with intervals, spread between seeds and tests against a baseline."""
    from ssl_bench.api.boards import leaderboard as ranked
    from ssl_bench.config.config import split_names
    from ssl_bench.errors import UsageError

    if thumbnails and (no_maps or not html):
        raise UsageError("--thumbnails belongs to the map of a page; add --html FILE and leave out --no-maps")
    if [path.suffix for path in runs if path.is_file()] == [".json"]:
        _of_study(
            runs,
            {"--html": html, "--csv": csv, "--figures": figures, "--metric": metrics, "--save": save},
            baseline,
            protocols,
            as_json,
        )
        return
    for flag, path in (("--html", html), ("--csv", csv)):
        if path and path.is_dir():
            raise UsageError(f"{flag} needs a file to write, {path} is a folder; name a file in it")
    found = ranked(
        runs, baseline=baseline, protocols=split_names(protocols or ""), metrics=metrics, replicates=replicates,
        min_patients=fewest, refuse_contaminated=refuse_contaminated, allow_oracle=allow_oracle,
    )  # fmt: skip
    if save:
        from ssl_bench.report.study import study, write_study

        write_study(save, study([found.board]))
    if csv:
        found.write_csv(csv)
    left_out = []
    if html:
        from ssl_bench.cli.options import cache_folder

        left_out = found.write_html(html, maps=not no_maps, cache=cache_folder(cache) if thumbnails else None)
    drawn = found.write_figures(figures) if figures else []
    if as_json:
        from ssl_bench.report.machine import print_json

        print_json({**found.values(), "page": html and str(html), "not_on_the_page": left_out})
        return
    from ssl_bench.report.leaderboard_text import print_board

    print_board(found.board)
    for reason in left_out:
        print(f"not on the page: {reason}")
    if html:
        print(f"the page is in {html}")
    if figures:
        print(f"{counted(len(drawn), 'file of plots is', 'files of plots are')} in {figures}")


def _of_study(
    paths: list[Path], further: dict[str, object], baseline: str | None, protocols: str | None, as_json: bool
) -> None:
    """Show the table that a study's file holds."""
    from ssl_bench.config.config import split_names
    from ssl_bench.errors import UsageError
    from ssl_bench.report.machine import print_json
    from ssl_bench.report.study import board_of, print_study, read_study

    asked = [flag for flag, value in further.items() if value]
    if len(paths) > 1 or asked:
        raise UsageError(
            f"a study's file holds finished tables: give it alone{', without ' * bool(asked)}{', '.join(asked)}"
        )
    values = read_study(paths[0])
    if as_json:
        print_json(board_of(values, baseline))
    else:
        print_study(values, baseline, split_names(protocols or ""))
