"""What is right and wrong with a download, all at once, before a night is spent on it."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from ssl_bench.data.alike import NOTICED, alike
from ssl_bench.data.copies import copied_files
from ssl_bench.data.decode import DecodeOptions, decode
from ssl_bench.data.images import find_images
from ssl_bench.data.looks import shows_nothing, what_is_wrong
from ssl_bench.data.scaling import Grey
from ssl_bench.data.splits import check_leakage
from ssl_bench.errors import DataError, HandledError, shortened
from ssl_bench.numbers import counted, duration
from ssl_bench.plugin.cohort import SPLITS, Cohort, check_cohort, leaves_root, missing_images
from ssl_bench.plugin.label_spaces import known
from ssl_bench.plugin.labels import SPACES, check_values
from ssl_bench.plugin.vocabulary import OTHER_NAMES, coverage, strangers

Status = Literal["ok", "warning", "problem"]

SCARCE = 0.5
"""Share of images with a value below which a feature is a warning."""

TOGETHER = 32
"""Decoded images that are looked at together."""

SEPARATED = re.compile(r"[,;|/\[\]'\"\n\t]|\s{2,}|\s[+&]\s")
"""What a finding's name does not hold, unless it is several."""


@dataclass(frozen=True)
class Finding:
    """One line of the answer.

    Args:
        status: a problem stops a run, a warning is for a person to judge.
        what: was looked at.
        found: in one sentence.
    """

    status: Status
    what: str
    found: str


@dataclass(frozen=True)
class Sample:
    """Images that are decoded to see whether they can be: how many, drawn by which seed, and how."""

    images: int
    seed: int
    options: DecodeOptions


@dataclass(frozen=True)
class Rules:
    """What a run asks of a cohort.

    Args:
        table: refuses one, all problems at once.
        find: the cohort with its image files as the disk has them; refuses one whose files are missing.
    """

    table: Callable[[Cohort], None] = check_cohort
    find: Callable[[Cohort], Cohort] = find_images


def check_download(
    read: Callable[[], Cohort], published: Mapping[str, int], sample: Sample, rules: Rules = Rules()
) -> list[Finding]:
    """Everything that can be said about a dataset's files.

    Args:
        read: reads the cohort, with the columns that it says it has.
        published: counts of the whole release, by the names of :attr:`Cohort.sources`.
        sample: of images to decode.
        rules: what a run asks of the cohort.
    """
    held: list[Cohort] = []
    found = list(_problems("files and columns", lambda: held.append(read())))
    if found:
        return found
    table = list(_problems("table", lambda: rules.table(held[0])))
    missing = list(_problems("image files", lambda: held.append(rules.find(held[0]))))
    cohort = held[-1]
    return [*_counts(held[0], published), *_table(cohort, table), *_images(cohort, missing, sample)]


def _problems(what: str, check: Callable[[], object]) -> Iterator[Finding]:
    """What a check of the core refuses, a line for each problem."""
    try:
        check()
    except HandledError as error:
        yield from (Finding("problem", what, str(one)) for one in error.several or [error])


def _counts(cohort: Cohort, published: Mapping[str, int]) -> Iterator[Finding]:
    """Rows of the files against the published ones; a subset is legitimate, so a difference is a warning."""
    frame = cohort.frame
    found = {"images": len(frame), "studies": frame["study_id"].nunique(), "patients": frame["patient_id"].nunique()}
    found |= dict(cohort.sources)
    for name, expected in published.items():
        if found.get(name) == expected:
            yield Finding("ok", f"count of {name}", f"{expected:,}, as published")
        else:
            has = f"{found[name]:,}" if name in found else "none"
            yield Finding("warning", f"count of {name}", f"{has}, published are {expected:,}; is it a subset?")
    for name in [name for name in cohort.sources if name not in published]:
        yield Finding("ok", f"count of {name}", f"{cohort.sources[name]:,}")


def _table(cohort: Cohort, problems: list[Finding]) -> Iterator[Finding]:
    """Identifiers, splits, patients, labels and features."""
    frame = cohort.frame
    kept = f"{len(frame):,} images, {frame['study_id'].nunique():,} studies, {frame['patient_id'].nunique():,} patients"
    yield from problems or [Finding("ok", "table", kept)]
    close = [] if problems or NOTICED not in cohort.counts else [" and ".join(texts) for texts in alike(cohort)]
    if close:
        yield Finding("warning", "patients", f"{shortened(close, 5)} look alike; they count as different patients")
    yield from _splits(cohort, sound=not problems)
    yield from _labels(cohort)
    yield from (_feature(cohort, name) for name in cohort.features)
    yield from (Finding("warning", "noticed", f"{what}: {count:,}") for what, count in cohort.counts.items() if count)


def _splits(cohort: Cohort, *, sound: bool) -> Iterator[Finding]:
    """Sizes, and patients in two of them; nothing is told of patients whose ids are not sound."""
    sizes = cohort.frame["split"].value_counts()
    origin = "official" if cohort.official_split else "drawn by patient"
    empty = [name for name in (SPLITS if cohort.labels else SPLITS[:1]) if not sizes.get(name, 0)]
    text = ", ".join(f"{name} {sizes.get(name, 0):,}" for name in SPLITS)
    yield Finding("problem" if empty else "ok", "splits", f"{text} images ({origin})")
    leaked = list(_problems("patients", lambda: check_leakage(cohort)))
    yield from leaked or [Finding("ok", "patients", "none is in two splits")] * sound


def _labels(cohort: Cohort) -> Iterator[Finding]:
    """Values, blanks and findings that a split has nobody with."""
    if not cohort.labels:
        yield Finding("ok", "labels", "none: it can be pretrained on, and tested on other datasets (--probe-on)")
        return
    raw = cohort.frame[list(cohort.labels)]
    wrong = list(_problems("labels", lambda: check_values(raw, cohort.frame["image_id"])))
    if wrong:
        yield from wrong
        return
    numbers = raw.astype(float).to_numpy()
    blank, uncertain = np.isnan(numbers).mean(), (numbers == -1).mean()
    number = counted(raw.shape[1], "finding")
    yield Finding("ok", "labels", f"{number}; {blank:.1%} blank, {uncertain:.1%} uncertain (-1)")
    joined = [repr(name) for name in raw if SEPARATED.search(str(name)) and not known(str(name))]
    counts = [f"{repr(name) if repr(name) in joined else name} {int((raw[name] == 1).sum()):,}" for name in raw]
    yield Finding("ok", "positive images", shortened(counts, 60))
    yield from _spaces(cohort.labels)
    if cohort.unmapped:
        ordered = sorted(cohort.unmapped.items(), key=lambda item: (-item[1], item[0]))
        told = shortened([f"{finding} {count:,}" for finding, count in ordered], 60)
        yield Finding("ok", "findings without a label", f"{len(ordered)} of the files' are not mapped to ours: {told}")
    if joined:
        yield Finding("warning", "names of findings", f"{shortened(joined, 5)} may be several findings in one cell")
    lacking = [
        f"{label} ({split})"
        for split in SPLITS
        for label in cohort.labels
        if not (cohort.frame.loc[cohort.frame["split"] == split, label] == 1).any()
    ]
    if lacking:
        yield Finding("warning", "findings without a positive image", shortened(lacking))


def _spaces(labels: Sequence[str]) -> Iterator[Finding]:
    """Which label spaces the dataset has, under which names, and findings that only it has."""
    told = []
    for name, wanted in SPACES.items():
        held = coverage(labels, wanted)
        lacks = f", lacks {shortened(held.lacking, 4)}" if held.lacking else ""
        told += [f"{len(held)} of {len(wanted)} of {name}{lacks}"] if len(held) else []
    yield Finding("ok", "label spaces", "; ".join(told) or "none of ours")
    renamed = coverage(labels, list(OTHER_NAMES)).described()
    if renamed:
        yield Finding("ok", "other names", shortened(renamed, 20))
    own = strangers(labels)
    if own:
        yield Finding("ok", "findings of its own", f"{shortened(own, 40)}; no other dataset is matched on them by name")


def _feature(cohort: Cohort, name: str) -> Finding:
    known = cohort.frame[name].notna()
    status: Status = "ok" if known.mean() >= SCARCE else "warning"
    return Finding(status, f"feature {name}", f"{known.mean():.1%} of the images have it ({(~known).sum():,} have not)")


def _images(cohort: Cohort, missing: list[Finding], sample: Sample) -> Iterator[Finding]:
    """Files that are missing, and a sample of the others decoded."""
    yield from missing or [Finding("ok", "image files", f"all {len(cohort):,} are there")]
    copies = [" and ".join(paths[:3]) for paths in copied_files(cohort)]
    if copies:
        told = f"pictures that several patients have ({len(copies):,}): {shortened(copies, 5)}"
        yield Finding("warning", "copies", told)
    absent = set(missing_images(cohort)) if missing else set()
    there = [path for path in cohort.frame["image_path"].dropna() if path not in absent and not leaves_root(path)]
    if there and sample.images:
        yield from _decoded(cohort.root, there, sample)


def _decoded(root: Path, paths: list[str], sample: Sample) -> Iterator[Finding]:
    drawn = np.random.default_rng(sample.seed).permutation(len(paths))[: sample.images]
    unreadable, blank = dict[str, str](), dict[str, str]()
    began = time.process_time()
    for start in range(0, len(drawn), TOGETHER):
        greys = dict[str, Grey]()
        for path in (paths[number] for number in drawn[start : start + TOGETHER]):
            try:
                greys[path] = decode(os.path.join(root, path), sample.options)
            except DataError as error:
                unreadable[path] = str(error)
        looks = zip(greys, shows_nothing(list(greys.values())) if greys else (), strict=True)
        blank |= {path: f"{path} {nothing}" for path, nothing in looks if nothing}
    each = max(time.process_time() - began, 1e-6) / len(drawn)
    speed = f"{1 / each:,.0f} images/s on a core of its own; {len(paths):,} take {duration(each * len(paths))}"
    told = speed if not unreadable else shortened(list(unreadable.values()))
    text = f"{len(drawn) - len(unreadable)} of {len(drawn)} drawn images can be decoded"
    yield Finding("problem" if unreadable else "ok", "sample", f"{text}{';' if unreadable else ','} {told}")
    if blank:
        listed = shortened(list(blank.values()))
        yield Finding("problem", "pictures", f"{len(blank)} of {len(drawn)} {what_is_wrong(blank)}: {listed}")
