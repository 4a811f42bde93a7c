"""How often 95 % intervals hold the truth on clustered data, by the number of positive patients.

    python benchmarks/coverage_study.py [--datasets 1000] [--patients 250] [--images 4] [--replicates 400] [--seed 0]
    python benchmarks/coverage_study.py --methods [--pairs 5] [--spread 0.15] ...

Each simulated test set has several images per patient; findings and scores are alike within a patient, and positives
come in clusters. The truth is the same metric on a very large sample. Compared are the logit-t interval, the percentile
interval (both on resamples of patients) and the percentile interval on resamples of images, which ignores the patients.
Below: the macro mean, and how often a difference is claimed (p < .05) between two encoders that are equally good.

With ``--methods`` every arm is trained with several seeds, and both arms are the same method: its runs differ in how
well they turned out and in which patients they do well on. Printed is how often the method-level test claims a
difference, beside the test of one pair of encoders, taken for a claim about methods, and one over seeds alone.
"""

from __future__ import annotations

import argparse
from collections import defaultdict

import numpy as np
from scipy import stats

from ssl_bench.stats.bootstrap import Array, Floats, bootstrap, point
from ssl_bench.stats.intervals import (
    NAMES,
    Difference,
    Interval,
    macro_difference,
    macro_parts,
    measure,
    measure_difference,
    supports,
)
from ssl_bench.stats.significance import over_seeds

ILL = np.array([0.03, 0.07, 0.13, 0.25, 0.45, 0.7])
"""Share of patients that have each finding, (L,)."""
GOOD = np.array([1.2, 1.8, 1.0, 2.4, 1.4, 0.8])
"""How far a positive image's score is moved, in standard deviations, (L,)."""


def simulate(rng: np.random.Generator, patients: int, images: float) -> tuple[Floats, Floats, Floats, Array]:
    """Labels (N, L), scores (N, L) of two encoders that are equally good, patient of each image (N,)."""
    patient = np.repeat(np.arange(patients), rng.geometric(1 / images, patients))
    ill = (rng.random((patients, len(ILL))) < ILL)[patient]
    labels = (rng.random(ill.shape) < np.where(ill, 0.6, 0.002)).astype(np.float64)

    def noise() -> Floats:
        return 0.7 * rng.normal(size=(patients, len(ILL)))[patient] + 0.7 * rng.normal(size=ill.shape)

    shared = noise() + GOOD * labels
    return labels, shared + 0.5 * noise(), shared + 0.5 * noise(), patient


def holds(low: float | None, high: float | None, truth: float) -> float:
    """1.0 where an interval holds the truth, 0.0 where not, NaN where there is none."""
    return float("nan") if low is None or high is None else float(low <= truth <= high)


def row(interval: Interval, image_level: Interval, truth: float) -> tuple[float, float, float]:
    """Whether the logit-t, percentile and image-level intervals hold the truth."""
    return (
        holds(interval.low, interval.high, truth),
        holds(interval.percentile_low, interval.percentile_high, truth),
        holds(image_level.percentile_low, image_level.percentile_high, truth),
    )


def study(
    datasets: int, patients: int, images: float, replicates: int, seed: int
) -> tuple[Floats, dict[tuple[str, int], list[tuple[float, ...]]]]:
    """Positive patients (datasets, L), and rows of coverage by metric and label, -1 for the macro."""
    rng = np.random.default_rng(seed)
    truth = dict(zip(NAMES, point(*simulate(rng, 200_000 // round(images), images)[:2]), strict=True))
    rows: dict[tuple[str, int], list[tuple[float, ...]]] = defaultdict(list)
    positive = np.empty((datasets, len(ILL)))
    for number in range(datasets):
        labels, first, second, patient = simulate(rng, patients, images)
        naive = measure(labels, first, replicates=replicates, seed=number)
        fair = measure(labels, first, patients=patient, replicates=replicates, seed=number)
        paired = measure_difference(labels, first, second, patients=patient, replicates=replicates, seed=number)
        positive[number] = [len(np.unique(patient[column == 1])) for column in labels.T]
        for name in NAMES:
            for k in range(len(ILL)):
                found = row(fair[name].labels[k], naive[name].labels[k], truth[name][k])
                rows[name, k].append((*found, claimed(paired[name].labels[k])))
            whole = row(fair[name].macro, naive[name].macro, truth[name][list(fair[name].held)].mean())
            rows[name, -1].append((*whole, claimed(paired[name].macro)))
    return positive, rows


def claimed(difference: Interval) -> float:
    """Whether a difference is claimed at the 5 % level; NaN where it has no p."""
    assert isinstance(difference, Difference)
    return float("nan") if difference.p is None else float(difference.p < 0.05)


def simulate_seeds(
    rng: np.random.Generator, patients: int, images: float, pairs: int, spread: float
) -> tuple[Floats, Floats, Array]:
    """Labels (N, L), scores (2 * pairs, N, L) of runs of one method, patient of each image (N,).

    Args:
        rng: of everything.
        patients: their number.
        images: per patient, on average.
        pairs: seeds of each arm.
        spread: standard deviation of how well a run turns out, on the scale of ``GOOD``.
    """
    patient = np.repeat(np.arange(patients), rng.geometric(1 / images, patients))
    ill = (rng.random((patients, len(ILL))) < ILL)[patient]
    labels = (rng.random(ill.shape) < np.where(ill, 0.6, 0.002)).astype(np.float64)

    def noise() -> Floats:
        return 0.7 * rng.normal(size=(patients, len(ILL)))[patient] + 0.7 * rng.normal(size=ill.shape)

    shared = noise()
    runs = [shared + (GOOD + spread * rng.normal()) * labels + 0.5 * noise() for _ in range(2 * pairs)]
    return labels, np.stack(runs), patient


def study_methods(
    datasets: int, patients: int, images: float, replicates: int, seed: int, pairs: int, spread: float
) -> tuple[Floats, float]:
    """Shares of false claims in the macro AUROC (p < .05), and how much a run's AUROC varies with its seed.

    The claims are: seeds crossed with patients, one pair of encoders, a t test over seeds that forgets the patients.
    """
    rng, claims, spreads = np.random.default_rng(seed), [], []
    for number in range(datasets):
        labels, runs, patient = simulate_seeds(rng, patients, images, pairs, spread)
        base = supports(labels, patient)
        drawn = [bootstrap(labels, run, patients=patient, replicates=replicates, seed=number)[0] for run in runs]
        values = np.array([point(labels, run)[0] for run in runs])
        away = values[:pairs] - values[pairs:]
        crossed, differences = over_seeds(away, np.stack(drawn[:pairs]) - np.stack(drawn[pairs:]), base)
        single = macro_difference(macro_parts(values[0] - values[pairs], drawn[0] - drawn[pairs], base))
        alone = float(stats.ttest_1samp(differences, 0.0).pvalue)
        claims.append((claimed(crossed), claimed(single), float(alone < 0.05)))
        spreads.append(np.nanmean(values, axis=1).std(ddof=1))
    return np.nanmean(np.array(claims), axis=0), float(np.mean(spreads))


def main() -> None:
    """Run the study and print its tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--datasets", type=int, default=1000, help="simulated test sets")
    parser.add_argument("--patients", type=int, default=250, help="patients in each")
    parser.add_argument("--images", type=float, default=4.0, help="images per patient, on average")
    parser.add_argument("--replicates", type=int, default=400, help="resamples per interval")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--methods", action="store_true", help="arms that differ in the seed alone")
    parser.add_argument("--pairs", type=int, default=5, help="seeds of each arm")
    parser.add_argument("--spread", type=float, default=0.15, help="of how well a run turns out")
    options = vars(parser.parse_args())
    several = {name: options.pop(name) for name in ("pairs", "spread")}
    if options.pop("methods"):
        shares, spread = study_methods(**options, **several)
        print(f"\n{several['pairs']} seeds an arm, macro AUROC with a standard deviation of {spread:.4f} over seeds\n")
        print("| false claims (p < .05) | seeds crossed with patients | one pair of encoders | seeds alone |")
        print("|---|---|---|---|")
        print(f"| {options['datasets']} data sets | " + " | ".join(f"{share:.3f}" for share in shares) + " |")
        return
    positive, rows = study(**options)
    for name in NAMES:
        print(f"\n{name}: share of 95 % intervals that hold the truth, and of false differences (p < .05)\n")
        print("| positive patients (mean) | intervals | logit-t | percentile | image-level | false differences |")
        print("|---|---|---|---|---|---|")
        for k in (*range(len(ILL)), -1):
            count = "macro" if k < 0 else f"{positive[:, k].mean():.0f}"
            given, share = np.isfinite(rows[name, k])[:, 0].sum(), np.nanmean(rows[name, k], axis=0)
            print(f"| {count} | {given} | " + " | ".join(f"{s:.3f}" for s in share) + " |")


if __name__ == "__main__":
    main()
