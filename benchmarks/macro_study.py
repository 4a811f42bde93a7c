"""How often a macro mean is claimed to differ where it does not, and how often its interval holds the truth.

    python -m benchmarks.macro_study [--datasets 2000] [--replicates 400] [--seed 0]
    python -m benchmarks.macro_study --methods 5 ...

Findings have a fixed number of positive patients among 250, each patient 1 to 5 images. Two encoders are equally good;
their scores share most of what makes an image easy or hard. For every least number of positive patients that a finding
must have to count in the macro mean, printed is in how many data sets the two are claimed to differ (p < .05), with the
upper bound of the 95 % Clopper-Pearson interval, and in how many the interval of the first holds the truth: the mean
over the same findings on a very large sample. With ``--methods N`` the claim is that of two methods with N pretraining
seeds each, which are one method: runs differ in the seed alone.

With ``--duplicates`` an arm's runs are few encoders, evaluated again and again: what is claimed where each run is taken
for a replicate, and where identical encoders are one.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from ssl_bench.stats.bootstrap import Array, Floats, bootstrap, point
from ssl_bench.stats.intervals import NAMES, macro_difference, macro_interval, macro_parts, supports
from ssl_bench.stats.significance import over_seeds

PATIENTS = 250
SETS = {
    "1 to 60": (1, 2, 3, 4, 7, 15, 30, 60),
    "one of 8 with 2": (2, 10, 15, 20, 30, 40, 50, 60),
    "all 10 or more": (10, 12, 15, 20, 25, 30, 45, 60),
}
"""Positive patients of each finding."""

FEWEST = (1, 3, 5, 8, 10)
"""Least numbers of positive patients that are tried."""

GOOD = np.array([1.2, 1.8, 1.0, 2.4, 1.4, 0.8, 1.6, 1.1])
"""How far a positive image's score is moved, in standard deviations."""


COPIES = {
    "5 encoders twice, runs as replicates": (0, 0, 1, 1, 2, 2, 3, 3, 4, 4),
    "5 encoders twice, identical ones are one": (0, 1, 2, 3, 4),
    "1 encoder ten times, runs as replicates": (0,) * 10,
    "1 encoder ten times, identical ones are one": (0,),
}
"""Which of an arm's encoders its runs hold."""


@dataclass
class Tally:
    """Data sets with a claim, with an interval and with one that holds the truth."""

    claims: int = 0
    tests: int = 0
    held: int = 0
    intervals: int = 0


def simulate(
    rng: np.random.Generator, positive: Sequence[int], runs: int, spread: float, patients: int = PATIENTS
) -> tuple[Floats, Floats, Array]:
    """Labels (N, L), scores (runs, N, L) of runs of one method, patient of each image (N,).

    Args:
        rng: of everything.
        positive: patients with each finding; each has at least one positive image.
        runs: encoders.
        spread: standard deviation of how well a run turns out, on the scale of ``GOOD``.
        patients: in the data set.
    """
    patient = np.repeat(np.arange(patients), rng.integers(1, 6, patients))
    first = np.append(True, np.diff(patient) > 0)
    labels = np.zeros((len(patient), len(positive)))
    for column, count in enumerate(positive):
        ill = np.isin(patient, rng.choice(patients, count, replace=False))
        labels[:, column] = ill & (first | (rng.random(len(patient)) < 0.6))

    def noise() -> Floats:
        of_patient = rng.normal(size=(patients, len(positive)))[patient]
        return np.asarray(0.7 * of_patient + 0.7 * rng.normal(size=labels.shape))

    shared = noise()
    scores = [shared + (GOOD + spread * rng.normal()) * labels + 0.5 * noise() for _ in range(runs)]
    return labels, np.stack(scores), patient


def truths(positive: Sequence[int]) -> dict[str, Floats]:
    """AUROC and AUPRC of each finding on a large sample with the same prevalence."""
    factor = 200
    labels, scores, _ = simulate(np.random.default_rng(99), [factor * n for n in positive], 1, 0.0, factor * PATIENTS)
    return dict(zip(NAMES, point(labels, scores[0]), strict=True))


def study(
    positive: Sequence[int], datasets: int, replicates: int, seed: int, methods: int, spread: float
) -> dict[tuple[str, int], Tally]:
    """Claims and coverage by metric and least number of positive patients."""
    rng, truth = np.random.default_rng(seed), truths(positive)
    found = {(name, fewest): Tally() for name in NAMES for fewest in FEWEST}
    for number in range(datasets):
        labels, scores, patient = simulate(rng, positive, 2 * max(methods, 1), spread if methods else 0.0)
        base = supports(labels, patient)
        drawn = [bootstrap(labels, run, patients=patient, replicates=replicates, seed=number) for run in scores]
        values = [point(labels, run) for run in scores]
        half = len(scores) // 2
        for metric, name in enumerate(NAMES):
            each, repeats = (np.stack([one[metric] for one in of]) for of in (values, drawn))
            away = each[:half] - each[half:], repeats[:half] - repeats[half:]
            for fewest in FEWEST:
                tally = found[name, fewest]
                if methods:
                    difference = over_seeds(*away, base, fewest)[0]
                else:
                    difference = macro_difference(macro_parts(away[0][0], away[1][0], base, fewest))
                    parts = macro_parts(each[0], repeats[0], base, fewest)
                    interval = macro_interval(parts)
                    if interval.low is not None and interval.high is not None:
                        tally.intervals += 1
                        tally.held += interval.low <= truth[name][list(parts.kept)].mean() <= interval.high
                if difference.p is not None:
                    tally.tests += 1
                    tally.claims += difference.p < 0.05
    return found


def duplicated(datasets: int, replicates: int, seed: int, spread: float) -> list[tuple[str, int, int]]:
    """Claims about one method against itself (macro AUROC) where runs of an arm are copies of few encoders.

    Each arm has ten runs: five encoders, each evaluated twice, or one encoder evaluated ten times.
    """
    rng = np.random.default_rng(seed)
    rows = dict.fromkeys(COPIES, 0)
    for number in range(datasets):
        labels, scores, patient = simulate(rng, SETS["all 10 or more"], 10, spread)
        base = supports(labels, patient)
        resampled = [bootstrap(labels, run, patients=patient, replicates=replicates, seed=number) for run in scores]
        drawn = np.stack([auroc for auroc, _ in resampled])
        values = np.stack([point(labels, run)[0] for run in scores])
        away = values[:5] - values[5:], drawn[:5] - drawn[5:]
        for name, chosen in COPIES.items():
            p = over_seeds(away[0][list(chosen)], away[1][list(chosen)], base)[0].p
            rows[name] += p is not None and p < 0.05
    return [(name, count, datasets) for name, count in rows.items()]


def share(count: int, of: int) -> str:
    """``0.048 (at most 0.058)``: with the upper end of the 95 % Clopper-Pearson interval."""
    if not of:
        return "-"
    high = float(stats.beta.ppf(0.975, count + 1, of - count)) if count < of else 1.0
    return f"{count / of:.3f} (at most {high:.3f})"


def main() -> None:
    """Run the study and print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--datasets", type=int, default=2000, help="simulated test sets")
    parser.add_argument("--replicates", type=int, default=400, help="resamples per interval")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--methods", type=int, default=0, help="seeds of each arm; 0: one encoder each")
    parser.add_argument("--spread", type=float, default=0.06, help="of how well a run turns out")
    parser.add_argument("--duplicates", action="store_true", help="runs that are copies of few encoders")
    asked = parser.parse_args()
    if asked.duplicates:
        print("| runs of both arms | claims about methods (p < .05) |\n|---|---|")
        for name, count, of in duplicated(asked.datasets, asked.replicates, asked.seed, asked.spread):
            print(f"| {name} | {share(count, of)} |")
        return
    print("| positive patients | metric | a finding needs | false claims | intervals that hold the truth |")
    print("|---|---|---|---|---|")
    for name, positive in SETS.items():
        found = study(positive, asked.datasets, asked.replicates, asked.seed, asked.methods, asked.spread)
        for (metric, fewest), tally in found.items():
            covered = f"{tally.held / tally.intervals:.3f}" if tally.intervals else "-"
            print(f"| {name} | {metric} | {fewest} | {share(tally.claims, tally.tests)} | {covered} |", flush=True)


if __name__ == "__main__":
    main()
