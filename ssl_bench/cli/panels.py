"""Which panel of a long help an option stands in."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ssl_bench.cli.flags import EHR, declared_panel

MANY = 12
"""Options of a command from which on its help has panels."""

PANELS = {
    "What is trained": (
        "method", "recipe", "preset", "config", "settings", "settings_from", "backbone", "init", "init_prefix", "group",
        "pretraining_seed", "encoder", "pooling", "normalise", "image_size", "arms", "seeds",
    ),
    "Data": (
        "data", "root", "labels", "uncertain", "blank", "split", "on_unlisted",
        "on_bad", "on_missing", "follow_links", "sample", "size", "fit", "verify", "shard",
    ),
    EHR: (
        "features", "features_grid", "fusion", "ehr_control", "ehr_dropout", "ehr_from", "ehr_until",
        "ehr_at_eval",
    ),
    "Training": (
        "epochs", "budget", "tflop", "batch_size", "lr", "seed", "probe_every", "accelerator", "devices", "nodes",
        "accumulate", "checkpoint_activations",
    ),
    "Search": ("trials", "rule", "sampler", "pruner", "search", "shared", "controls", "baselines"),
    "Evaluation": (
        "protocols", "aggregate", "test_on", "probe_on", "refuse_contaminated", "label_fraction", "draws", "replicates",
        "fewest", "metrics", "seed_sd", "patient_sd", "baseline", "allow_oracle",
    ),
    "Page and file": ("html", "csv", "figures", "no_maps", "thumbnails", "save"),
    "Where and how": (
        "out", "cache", "roots", "logger", "resume", "allow_inexact_resume", "launcher", "launcher_set", "jobs",
        "retry_failed", "workers", "tokens", "half", "dry_run", "quiet", "as_json", "help",
    ),
}  # fmt: skip
"""Options by panel, by the name of their parameter."""

LISTED = re.compile(r"<list\[(\w+)\]>")

OTHER = "Options"
"""Panel of an option that is in none of them."""

Record = tuple[str, str]
"""An option as the help writes it, and its text."""


def panel_of(name: str) -> str:
    """The panel of an option, of a declared one what its declaration says."""
    return next((panel for panel, names in PANELS.items() if name in names), None) or declared_panel(name) or OTHER


def plain(record: Record) -> Record:
    """An option that may be repeated, with what it takes in the words of the others: ``<list[Path]>`` as ``<path>``."""
    return LISTED.sub(lambda found: f"<{found[1].lower()}>", record[0]), record[1]


def grouped(records: Iterable[tuple[str, Record]]) -> dict[str, list[Record]]:
    """Help records by panel, those of a command with few options in one."""
    rows = list(records)
    if len(rows) < MANY:
        return {OTHER: [record for _, record in rows]}
    panels: dict[str, list[Record]] = {panel: [] for panel in PANELS}
    for name, record in rows:
        panels.setdefault(panel_of(name), []).append(record)
    return {panel: found for panel, found in panels.items() if found}
