"""``sslbench data prepare NAME``: decode every image once, ahead of the runs."""

from __future__ import annotations

from typing import Annotated

import typer

from ssl_bench.cli.data.options import Name, configured
from ssl_bench.cli.options import (
    Cache,
    FollowLinks,
    OnMissing,
    OnUnlisted,
    Preset,
    Quiet,
    Root,
    Settings,
    Split,
    link_places,
    split_file,
)
from ssl_bench.pretrain.signals import shutdown_with


@shutdown_with(lambda: "stopped; images prepared so far are kept; continue with the same command")
def prepare(
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
    size: Annotated[int | None, typer.Option(help="Side of the prepared images in px. [the preset's]")] = None,
    fit: Annotated[str | None, typer.Option(help="How an image becomes square: crop or pad. [crop]")] = None,
    workers: Annotated[int | None, typer.Option(help="Threads; 0: one a core. [0]")] = None,
    on_bad: Annotated[str | None, typer.Option(help="Unreadable images: error, or quarantine. [error]")] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Look at every prepared image, and prepare damaged ones again.")
    ] = False,
    shard: Annotated[
        str | None,
        typer.Option(help="Part K/N of the images alone, such as 1/8; the last makes the store whole."),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Prepare the images of a dataset as sslbench run would, which then finds them; resumes after a kill."""
    from ssl_bench.cli.options import cache_folder
    from ssl_bench.data.preparing import prepare_shard, prepare_store, shard_of
    from ssl_bench.errors import UsageError
    from ssl_bench.plan.cohorts import read_cohort
    from ssl_bench.report.preparing import Preparing

    part = shard_of(shard) if shard else None
    if part and verify:
        raise UsageError("--verify looks at the whole store; give it when all parts are prepared, without --shard")
    config, dataset = configured(ctx, name, root, preset, settings, size=size, fit=fit, workers=workers,
                                 on_bad=on_bad, split=split_file(split),
                                 on_unlisted=on_unlisted, on_missing=on_missing,
                                 follow_links=link_places(follow_links))  # fmt: skip
    folder = cache_folder(cache)
    cohort = read_cohort(config, dataset, folder)
    with Preparing(part.images(len(cohort)) if part else len(cohort), config.data.size) as preparing:
        if part:
            found = prepare_shard(cohort, config.data, folder, part, preparing.advance)
        else:
            found = prepare_store(cohort, config.data, folder, preparing.advance, verify=verify)
    if isinstance(found, tuple):
        preparing.left(*found, len(cohort))
    else:
        preparing.finished(found, cohort)
