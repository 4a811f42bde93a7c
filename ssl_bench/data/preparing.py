"""The store that a configuration asks for: the same for ``run`` and for ``data prepare``."""

from __future__ import annotations

from pathlib import Path

from ssl_bench.config.config import DataConfig
from ssl_bench.data.decode import DecodeOptions
from ssl_bench.data.filling import Progress
from ssl_bench.data.store import Shard, Store, prepare, prepare_part
from ssl_bench.errors import UsageError
from ssl_bench.plugin.cohort import Cohort


def decode_options(data: DataConfig) -> DecodeOptions:
    """How a configuration makes squares of images; part of a store's fingerprint."""
    return DecodeOptions(data.size, data.fit, data.pixel_limit)


def prepare_store(cohort: Cohort, data: DataConfig, cache: Path, progress: Progress, *, verify: bool = False) -> Store:
    """The store of a cohort, made if it is not there yet; errors as :func:`ssl_bench.data.store.prepare`."""
    return prepare(
        cohort,
        cache,
        decode_options(data),
        workers=data.workers,
        on_bad=data.on_bad,
        bad_limit=data.bad_limit,
        progress=progress,
        verify=verify,
    )


def shard_of(text: str) -> Shard:
    """The part that ``K/N`` names.

    Raises:
        UsageError: it names none.
    """
    number, _, of = text.partition("/")
    if not (number.isdecimal() and of.isdecimal() and 1 <= int(number) <= int(of)):
        raise UsageError(f"--shard expects K/N with K from 1 to N, such as 1/8, found '{text}'")
    return Shard(int(number), int(of))


def prepare_shard(
    cohort: Cohort, data: DataConfig, cache: Path, shard: Shard, progress: Progress
) -> Store | tuple[Path, int]:
    """A part of the store of a cohort; result and errors as :func:`ssl_bench.data.store.prepare_part`."""
    return prepare_part(
        cohort,
        cache,
        decode_options(data),
        shard,
        workers=data.workers,
        on_bad=data.on_bad,
        bad_limit=data.bad_limit,
        progress=progress,
    )
