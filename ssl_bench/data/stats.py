"""Who is in a cohort, with which findings, and what is missing."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from ssl_bench.plugin.cohort import RAW, SPLITS, Cohort

QUARTILES = (0.25, 0.5, 0.75)


def statistics(cohort: Cohort) -> dict[str, pd.DataFrame]:
    """Tables ``demographics``, ``prevalence`` and ``missing`` of a cohort with settled labels, a column a split.

    Where a policy settled labels of readers or grades, ``policies`` has the positive images under each, a column each.
    """
    tables = {"demographics": demographics(cohort), "prevalence": prevalence(cohort), "missing": missing(cohort)}
    return tables | ({"policies": pd.DataFrame(cohort.sensitivity)} if cohort.sensitivity else {})


def demographics(cohort: Cohort) -> pd.DataFrame:
    """Images, studies, patients, quartiles of numbers, and shares of each value of the other features.

    Shares are of the images that have a value. Age and sex are counted by image, as they are used.
    """
    return pd.DataFrame({name: dict(_describe(cohort, rows)) for name, rows in _parts(cohort)})


def _parts(cohort: Cohort) -> Iterator[tuple[str, pd.DataFrame]]:
    yield from ((name, cohort.split(name)) for name in SPLITS)
    yield "all", cohort.frame


def _describe(cohort: Cohort, rows: pd.DataFrame) -> Iterator[tuple[str, float]]:
    yield "images", len(rows)
    yield "studies", rows["study_id"].nunique()
    yield "patients", rows["patient_id"].nunique()
    for feature in cohort.features:
        values = rows[feature].dropna()
        spec = cohort.specs[feature]
        if spec.number:
            quartiles = values.astype(float).quantile(list(QUARTILES))
            yield from ((f"{feature}, quartile {n}", float(value)) for n, value in enumerate(quartiles, start=1))
        else:
            every = spec.values or sorted(cohort.frame[feature].dropna().unique())
            yield from ((f"{feature} {value}", float((values == value).mean())) for value in every)


def prevalence(cohort: Cohort) -> pd.DataFrame:
    """By finding and split: positive images and their share of the images with a known label.

    Further columns count, over all splits, patients with a positive image, and labels that the file has as -1 or blank.
    """
    rows = {}
    for label in cohort.labels:
        row: dict[str, float] = {}
        for name, part in _parts(cohort):
            row |= {f"{name}": int((part[label] == 1).sum()), f"{name} share": float(part[label].mean())}
        frame, raw = cohort.frame, cohort.frame[f"{RAW}{label}"]
        row["patients"] = frame.loc[frame[label] == 1, "patient_id"].nunique()
        rows[label] = row | {"uncertain": int((raw == -1).sum()), "blank": int(raw.isna().sum())}
    return pd.DataFrame.from_dict(rows, orient="index")


def missing(cohort: Cohort) -> pd.DataFrame:
    """Share of the images that lack each feature, by split."""
    shares = {name: rows[list(cohort.features)].isna().mean() for name, rows in _parts(cohort)}
    return pd.DataFrame(shares)
