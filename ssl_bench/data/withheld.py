"""A split whose labels a run may not know: they are gone before anything is computed from them. No torch."""

from __future__ import annotations

from dataclasses import replace

from ssl_bench.plugin.cohort import RAW, Cohort


def without_labels(cohort: Cohort, split: str | None) -> Cohort:
    """The cohort with unknown labels in one split; the values there are not looked at.

    Args:
        cohort: its labels settled or not.
        split: whose labels go; None: the cohort itself.
    """
    if split is None:
        return cohort
    kept = cohort.frame["split"] != split
    columns = [name for name in cohort.frame.columns if name in cohort.labels or str(name).startswith(RAW)]
    blank = {name: cohort.frame[name].where(kept).infer_objects() for name in columns}
    return replace(cohort, frame=cohort.frame.assign(**blank))
