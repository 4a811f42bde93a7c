"""Runs that differ in the pretraining seed alone, as one group of a table. No torch."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from ssl_bench.comparison.naming import ENCODER, named, numbered
from ssl_bench.comparison.run import EncoderRun, Setting, runs_of, slim
from ssl_bench.config.config import RunConfig
from ssl_bench.errors import UsageError
from ssl_bench.plugin.names import RANDOM
from ssl_bench.results.record import Record
from ssl_bench.results.rundir import RunDirectory
from ssl_bench.results.scored import adopted
from ssl_bench.results.shared import speakable

PASSING = {
    "seed": None, "pretraining_seed": None, "evaluate": None, "data": ("root", "workers", "residency"),
    "pretrain": ("threads", "log_every", "probe_every", "checkpoint_every", "accelerator"),
    "tuning": ("trials", "failed", "trial", "sampler", "shared", "space"),
}  # fmt: skip
"""Keys of the configuration that do not set two groups apart; None: all of the section."""

SEEN = ("name", "options", "labels", "uncertain", "blank", "size", "fit")
"""Keys of the data that decide what a baseline is tested on."""

GIVEN = ("init", "init_allow")
"""Keys of the backbone that say where weights come from: nothing to a baseline or to the seeds of a declared group."""


FEATURES = "features"
"""Key of the EHR features that the pretraining joined."""


@dataclass(frozen=True)
class RunGroup:
    """Runs of one configuration with different seeds, measured by protocols with the same options."""

    name: str
    runs: tuple[EncoderRun, ...]

    def at(self, setting: Setting) -> dict[int, EncoderRun]:
        """The encoders that have rows of a setting, by seed; of one that several runs hold, the first of them.

        Raises:
            UsageError: two runs have one seed and different encoders.
        """
        found: dict[int, EncoderRun] = {}
        for run in self.runs:
            if setting not in run.by_setting or any(one_encoder(run, other, setting) for other in found.values()):
                continue
            twin = found.setdefault(run.seed, run)
            if twin is not run and not run.baseline:
                raise UsageError(f"{twin.path} and {run.path} have one configuration and one seed; leave one out")
        return found


def one_encoder(first: EncoderRun, second: EncoderRun, setting: Setting) -> bool:
    """Whether two runs hold the same encoder: by its hash, or else by their predictions."""
    if first.identity and second.identity:
        return first.identity == second.identity
    return same_predictions(first, second, setting)


def same_predictions(first: EncoderRun, second: EncoderRun, setting: Setting) -> bool:
    """Whether the predictions of two encoders are the same to the last digit."""
    if first.values(setting) != second.values(setting):
        return False
    one, other = first.predictions(setting), second.predictions(setting)
    alike = np.array_equal(one.ids, other.ids) and one.scores.shape == other.scores.shape
    return alike and np.array_equal(one.scores, other.scores, equal_nan=True)


def read_groups(paths: Iterable[Path], protocols: Sequence[str] = ()) -> list[RunGroup]:
    """Runs grouped by configuration, in the order given, and then the baselines by theirs.

    Args:
        paths: run directories.
        protocols: whose options set groups apart, because their rows will be shown; empty: all.

    Raises:
        UsageError: a folder holds no finished run.
    """
    return groups_of({path: slim(RunDirectory(path).read_record()) for path in paths}, protocols)


def groups_of(records: Mapping[Path, Record], protocols: Sequence[str] = (), split: str = "test") -> list[RunGroup]:
    """:func:`read_groups` of records that are read already."""
    runs = [run for path, record in adopted(records).items() for run in runs_of(path, record, split)]
    ordered = sorted(runs, key=lambda run: (run.baseline, run.baseline and run.encoder != RANDOM))
    groups: dict[str, list[EncoderRun]] = {}
    for run, identity in zip(ordered, _identities(ordered, protocols), strict=True):
        groups.setdefault(identity, []).append(run)
    return [
        RunGroup(name, tuple(sorted(group, key=lambda run: run.seed)))
        for name, group in zip(_names(list(groups.values()), protocols), groups.values(), strict=True)
    ]


@cache
def _defaults() -> dict[str, dict[str, Any]]:
    """By section the values of keys that the version which wrote a record may not have had: it did what they say."""
    values = RunConfig().model_dump(mode="json")
    return {section: part for section, part in values.items() if isinstance(part, dict)}


def _identity(run: EncoderRun) -> dict[str, Any]:
    """What a group's runs share: of a baseline its options, architecture and data, else all but :data:`PASSING`.

    An encoder that was not pretrained in its run, and is not declared to be a seed of some pretraining, is a group by
    itself: that files share a name makes them no replicates.
    """
    config = run.record.config
    flat: dict[str, Any] = {}
    sections = ("data", "backbone") if run.baseline else tuple(config)
    for section in sections:
        dropped = PASSING.get(section, ())
        value = config.get(section)
        if dropped is None or value is None:
            continue
        parts = {**_defaults().get(section, {}), **value} if isinstance(value, Mapping) else {"": value}
        kept = {key: part for key, part in parts.items() if key not in dropped}
        if run.baseline and section == "data":  # how a method is trained on them is no part of it
            kept = {key: part for key, part in kept.items() if key in SEEN}
        if section == "backbone" and (run.baseline or run.declared):
            kept = {key: part for key, part in kept.items() if key not in GIVEN}
        flat |= {f"{section}.{key}".rstrip("."): part for key, part in kept.items()}
    if run.baseline:
        return {"arm": run.encoder, **flat, **run.record.options_of("method").get(run.encoder, {})}
    alone = {} if run.replicate else {ENCODER: run.identity or run.path.name}
    return {"arm": run.declared or run.record.method, FEATURES: _features(run), **flat, **alone}


def _identities(runs: Sequence[EncoderRun], protocols: Sequence[str]) -> list[str]:
    """:func:`_identity` of each run as text, with options of protocols where runs of one identity differ in them.

    A run without rows of a protocol has no options of it to differ in.
    """
    alike = [json.dumps(_identity(run), sort_keys=True) for run in runs]
    options = [_options(run, protocols) for run in runs]
    varying = _differing(alike, options)
    return [
        json.dumps([identity, {key: own[key] for key in own if key in varying[identity]}], sort_keys=True)
        for identity, own in zip(alike, options, strict=True)
    ]


def _differing(
    names: Sequence[str], values: Sequence[Mapping[str, Any]], *, missing: bool = False
) -> dict[str, set[str]]:
    """Under each name the keys that have several values; with ``missing`` also those that some lack."""
    seen: dict[str, dict[str, list[str]]] = {}
    for name, own in zip(names, values, strict=True):
        of_name = seen.setdefault(name, {})
        for key, value in own.items():
            of_name.setdefault(key, []).append(json.dumps(value, sort_keys=True, default=str))
    size = Counter(names)
    return {
        name: {key for key, told in of_name.items() if len(set(told)) > 1 or (missing and len(told) < size[name])}
        for name, of_name in seen.items()
    }


def _options(run: EncoderRun, protocols: Sequence[str]) -> dict[str, Any]:
    """Options of the protocols whose rows a run has, as far as its record tells them: ``{"knn.neighbours": [5]}``."""
    measured = dict.fromkeys(row.protocol for row in run.record.metrics)
    told = {name: run.record.options_of("evaluator").get(name, {}) for name in measured}
    shown = [name for name in measured if not protocols or name in protocols]
    return {f"{name}.{key}": value for name in shown for key, value in told[name].items()}


def _features(run: EncoderRun) -> list[str]:
    """Those that its pretraining joined; an encoder from elsewhere says nothing of its own."""
    return [] if run.declared else list(run.record.features)


def _names(groups: Sequence[Sequence[EncoderRun]], protocols: Sequence[str]) -> list[str]:
    """A name for every called: groups of one name are told apart by the keys in which they differ.

    Options of a protocol are named wherever two groups differ in them: they are no part of a method, and a reader who
    compares methods must know.
    """
    # Tables and pages are passed on: a name says nothing that is not declared as shareable.
    groups = [[replace(run, record=speakable(run.record)) for run in group] for group in groups]
    identities = [_identity(group[0]) for group in groups]
    options = [dict(item for run in group for item in _options(run, protocols).items()) for group in groups]
    everywhere = _differing([""] * len(options), options).get("", set())
    bare = [(str(identity["arm"]), tuple(identity.get(FEATURES, ()))) for identity in identities]
    apart = _differing([named(*one, {}) for one in bare], identities, missing=True)
    return numbered([
        named(*one, {**{key: identity[key] for key in identity if key in apart[named(*one, {})]},
                     **{key: own[key] for key in own if key in everywhere}})
        for one, identity, own in zip(bare, identities, options, strict=True)
    ])  # fmt: skip
