"""``sslbench data check NAME``: is a download whole?"""

from __future__ import annotations

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


def check(
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
    sample: Annotated[int, typer.Option(min=0, help="Images to decode.")] = 64,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the images that are drawn.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Check files, columns, counts, patients, labels, features and a sample of the images of a dataset."""
    from ssl_bench.cli.options import cache_folder
    from ssl_bench.data.check import Rules, Sample, check_download
    from ssl_bench.data.preparing import decode_options
    from ssl_bench.errors import DataError
    from ssl_bench.plan.cohorts import check_table, divide, find, read_raw
    from ssl_bench.report.data_tables import print_findings

    config, dataset = configured(ctx, name, root, preset, settings, split=split_file(split),
                                 on_unlisted=on_unlisted, on_missing=on_missing,
                                 follow_links=link_places(follow_links))  # fmt: skip
    folder = cache_folder(cache)
    found = check_download(
        lambda: read_raw(dataset, config.data, folder, config.data),
        dataset.component.published,
        Sample(sample, seed, decode_options(config.data)),
        Rules(
            lambda cohort: check_table(cohort, config.data),
            lambda cohort: divide(find(cohort, config.data), config.data, config.data, folder),
        ),
    )
    if as_json:
        from ssl_bench.report.machine import findings_values, print_json

        print_json(findings_values(name, found))
    else:
        print_findings(name, found)
    problems = sum(finding.status == "problem" for finding in found)
    if problems:
        raise DataError(f"dataset '{name}' has {problems} problem{'s' * (problems > 1)}, listed above; fix them first")
