"""What several commands share: flags as configuration, and the cache folder."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from ssl_bench.api.given import FEWEST_RESAMPLES
from ssl_bench.api.settings import cache_folder as cache_folder
from ssl_bench.api.settings import merge_flags as merge_flags
from ssl_bench.cli.complete import names_of, presets, values_of
from ssl_bench.errors import UsageError
from ssl_bench.report.hush import hush
from ssl_bench.urls import is_url

Preset = Annotated[
    str | None,
    typer.Option(
        "--preset",
        help="smoke (seconds), demo, demo-long, nih-small, paper or paper-512. [demo]",
        autocompletion=presets,
    ),
]
Configs = Annotated[
    list[Path] | None,
    typer.Option("--config", help="YAML or TOML file with any keys; repeatable, later ones on top."),
]
Settings = Annotated[
    list[str] | None, typer.Option("--set", help="Any key, for example method.prototypes=512; repeatable.")
]
Cache = Annotated[Path | None, typer.Option("--cache", help="Folder of prepared images. [~/.cache/sslbench]")]
Replicates = Annotated[int, typer.Option(min=FEWEST_RESAMPLES, help="Resamples of patients.")]
Dataset = Annotated[str | None, typer.Option("--data", help="Dataset. [synthetic]", autocompletion=names_of("dataset"))]
Root = Annotated[
    str | None, typer.Option("--root", metavar="PATH", help="Folder of the dataset's download, or its URL.")
]
TestOn = Annotated[
    list[str] | None,
    typer.Option(
        "--test-on",
        help="Other datasets to test on: NAME=ROOT or NAME:refit=ROOT, comma-separated.",
        autocompletion=names_of("dataset", several=True),
    ),
]
ProbeOn = Annotated[
    list[str] | None,
    typer.Option(
        "--probe-on",
        help="Other datasets to fit and test probes on: NAME=ROOT, comma-separated.",
        autocompletion=names_of("dataset", several=True),
    ),
]
FeatureKinds = Annotated[
    str | None,
    typer.Option(
        "--features-grid",
        help="Feature sets by kind, comma-separated: single, groups, pairs, all; ages: age in 3 forms.",
    ),
]
LauncherName = Annotated[
    str | None,
    typer.Option(
        "--launcher", help="What starts the runs: local or slurm. [local]", autocompletion=names_of("launcher")
    ),
]
LauncherSet = Annotated[
    list[str] | None,
    typer.Option("--launcher-set", help="An option of the launcher, for example partition=gpu; repeatable."),
]
Jobs = Annotated[int | None, typer.Option("--jobs", min=0, help="Runs at once. [one a GPU, or one]")]
InexactResume = Annotated[
    bool,
    typer.Option("--allow-inexact-resume", help="Resume although the result will not be identical bit for bit."),
]
RetryFailed = Annotated[bool, typer.Option("--retry-failed", help="Try failed cells again.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print what would be run and what it costs, and stop.")]

OnMissing = Annotated[
    str | None,
    typer.Option(
        help="Missing images: error, or skip (counted and recorded). [error]",
        autocompletion=values_of("data.on_missing"),
    ),
]
Split = Annotated[
    str | None,
    typer.Option(
        metavar="PATH", help="CSV file with a split of your own: split beside patient_id, study_id or image_id."
    ),
]
OnUnlisted = Annotated[
    str | None,
    typer.Option(
        help="Images that the split file has no split for: error, or skip. [error]",
        autocompletion=values_of("data.on_unlisted"),
    ),
]
FollowLinks = Annotated[
    str | None, typer.Option(help="Folders outside the root that links may point to, comma-separated; any: each.")
]

MinPatients = Annotated[
    int, typer.Option("--min-patients", min=1, help="Positive, negative patients of findings in macro means.")
]
FurtherMetrics = Annotated[
    str,
    typer.Option(
        "--metric",
        help="Metrics beside AUROC and AUPRC, comma-separated; see plugins.",
        autocompletion=names_of("metric", several=True),
    ),
]
SeedSD = Annotated[
    float, typer.Option("--seed-sd", min=0, help="SD of macro AUROC between seeds, for the power calculation.")
]
PatientSD = Annotated[
    float, typer.Option("--patient-sd", min=0, help="SD of a difference over patients, for the power calculation.")
]

RefuseContaminated = Annotated[
    bool,
    typer.Option("--refuse-contaminated", help="Refuse test data that the encoder has seen in its pretraining."),
]

Aggregate = Annotated[
    str | None,
    typer.Option(
        help="Score studies by max or mean of their images, or images: none. [the dataset's own]",
        autocompletion=values_of("evaluate.aggregate"),
    ),
]


Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", callback=hush, help="No progress output: results, notes and warnings only.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Machine-readable output; docs/json.md has its keys.")]


def split_file(given: str | None) -> str | None:
    """The file of ``--split``, absolute, or its address."""
    return str(Path(given).absolute()) if given and not is_url(given) else given


def link_places(given: str | None) -> list[str] | None:
    """The folders of ``--follow-links``, absolute, so that a record tells the same from any folder."""
    names = [name.strip() for name in (given or "").split(",") if name.strip()]
    return [name if name == "any" else str(Path(name).expanduser().absolute()) for name in names] or None


def asked(flags: Mapping[str, Any], settings: Iterable[str]) -> dict[str, Any]:
    """:func:`merge_flags` of what a command line says, which must not say two things of one key.

    Raises:
        UsageError: a key is set to two values, by a flag and ``--set`` or by ``--set`` twice; or an assignment is
            malformed.
    """
    from ssl_bench.config.config import assignment

    said: dict[str, tuple[str, Any]] = {}
    settings = list(settings)
    for source, table in (*_tables(flags), *((f"--set {text}", assignment(text)) for text in settings)):
        for key, value in _leaves(table):
            before = said.setdefault(key, (source, value))
            if before[1] != value:
                raise UsageError(f"{key} is set twice, to {before[1]!r} and to {value!r} by {source}; set it once")
    return merge_flags(flags, settings)


def _tables(flags: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, value in flags.items():
        if value is not None:
            yield f"a flag for {path}", merge_flags({path: value}, [])


def _leaves(table: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted keys with their values as text, lists as the command line writes them."""
    from ssl_bench.config.layers import CHOICES, named

    for key, value in table.items():
        value = named(value) if not above and key in CHOICES else value
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{above}{key}.")
        else:
            listed = ",".join(map(str, value)) if isinstance(value, list | tuple) else value
            yield f"{above}{key}", str(listed)
