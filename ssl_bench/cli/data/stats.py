"""``sslbench data stats NAME``: who is in a dataset, with which findings, and what is missing."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ssl_bench.cli.data.options import Name, configured
from ssl_bench.cli.options import (
    AsJson,
    Cache,
    FollowLinks,
    OnMissing,
    OnUnlisted,
    Preset,
    Root,
    Settings,
    Split,
    link_places,
    split_file,
)


def stats(
    ctx: typer.Context,
    name: Name,
    root: Root = None,
    preset: Preset = None,
    settings: Settings = None,
    cache: Cache = None,
    split: Split = None,
    on_unlisted: OnUnlisted = None,
    on_missing: OnMissing = None,
    follow_links: FollowLinks = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the tables as CSV and a picture grid by finding.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the images in the grid.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Print demographics by split, prevalence of every finding and missing values of a dataset."""
    from ssl_bench.cli.options import cache_folder
    from ssl_bench.data.stats import statistics
    from ssl_bench.plan.cohorts import read_cohort
    from ssl_bench.report.data_tables import print_statistics, write_statistics

    config, dataset = configured(ctx, name, root, preset, settings, split=split_file(split),
                                 on_unlisted=on_unlisted, on_missing=on_missing,
                                 follow_links=link_places(follow_links))  # fmt: skip
    cohort = read_cohort(config, dataset, cache_folder(cache))
    found = statistics(cohort)
    files = write_statistics(cohort, found, out, seed) if out else []
    if as_json:
        from ssl_bench.report.machine import print_json, statistics_values

        print_json({**statistics_values(cohort.name, cohort.synthetic, found), "files": files})
        return
    print_statistics(cohort, found)
    for file in files:
        print(file)
