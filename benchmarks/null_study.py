"""How often an ablation claims an effect where there is none, and how often it finds one that was planted.

The EHR of the synthetic cohort is made independent of the images (``ehr_effect`` 0), so the arms ``real`` and
``shuffled`` differ by chance alone. Every seed gives one run of each. A comparison draws 5 seeds without replacement
and tests first minus second as ``sslbench ablate`` does. Two kinds have no effect by construction:

* *arms*: which of a seed's two runs comes first is a coin flip;
* *seeds*: ten runs of the pool, of ten different seeds, paired at random.

For power the logits of the ``real`` runs' test predictions are raised by a constant at positive images, the same for
all runs, chosen so that their mean macro AUROC is 3 points higher. This moves no encoder: it says what the test can see
at this size, not that EHR does anything. Comparisons share runs, so they are not independent, and the Clopper-Pearson
bound is that of as many independent ones.

    python -m benchmarks.null_study --work /tmp/null
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import stats
from scipy.optimize import brentq
from scipy.special import expit, logit

from ssl_bench.build.modules import build_method
from ssl_bench.build.prepared import PreparedData, prepare_data
from ssl_bench.cli.ablate import Warnings
from ssl_bench.comparison.ablation import contrast
from ssl_bench.config.config import load
from ssl_bench.evaluate.embedder import Embedder
from ssl_bench.plan.plan import Plan, make_plan
from ssl_bench.plugin.registry import discover
from ssl_bench.pretrain.device import build_fabric
from ssl_bench.pretrain.run import pretrain
from ssl_bench.results.rundir import RunDirectory
from ssl_bench.stats.bootstrap import point
from ssl_bench.stats.predictions import PredictionTable
from ssl_bench.stats.resampled import Resampled, resampled

PAIRED, COMPARISONS, ALPHA, CONTRASTS = 5, 400, 0.05, 4
"""Seeds of a comparison, comparisons of a kind, level, and the factor of four feature sets in one ablation."""

GAIN = 0.03
REPLICATES = 1000
STRENGTHS = (1e-3, 1e-2, 1e-1)

Pool = dict[tuple[str, int], PredictionTable]


def plan_of(images: int, cache: Path) -> Plan:
    """A short training of a small ViT: 32 px, one pass."""
    values: dict[str, Any] = {
        "method": "msn-ehr",
        "ehr": {"features": "age,sex,view"},
        "data": {"options": {"images": images, "ehr_effect": 0.0, "size": 48}, "size": 40, "workers": 1},
        "pretrain": {"epochs": 1, "batch_size": 64, "threads": 1, "checkpoint_every": 1.0},
        "evaluate": {"protocols": "linear", "options": {"linear": {"strengths": list(STRENGTHS)}}},
    }
    return make_plan(load(values, name="smoke"), discover(), cache)


def one_run(plan: Plan, prepared: PreparedData, arm: str, seed: int, folder: Path) -> PredictionTable:
    """Test predictions of the linear probe on an encoder that is pretrained anew."""
    config = plan.config.model_copy(update={"seed": seed, "ehr": plan.config.ehr.model_copy(update={"control": arm})})
    own, run = replace(plan, config=config), RunDirectory(folder)
    folder.mkdir(parents=True, exist_ok=True)
    method = build_method(own)
    pretrain(own, run, method, prepared, build_fabric(config.pretrain), Warnings(run))
    context = Embedder("trained", method.encoder, run, config.evaluate.batch_size).context(prepared, "synthetic", seed)
    test = next(item for item in own.parts.evaluators[0].build().evaluate(context) if item.split == "test")
    split = context.splits["test"]
    labels, scores = (np.asarray(values, np.float64) for values in (split.labels, test.scores))
    return PredictionTable(tuple(context.labels), split.image_ids, split.patient_ids, labels, scores)


def pool_of(plan: Plan, seeds: int, work: Path) -> Pool:
    """Every seed with both arms; runs that are there already are read."""
    prepared = prepare_data(plan, torch.device("cpu"), lambda done, total: None)
    pool: Pool = {}
    for seed in range(seeds):
        for arm in ("none", "shuffled"):
            file = work / f"{arm}-{seed}.npz"
            if not file.is_file():
                made = one_run(plan, prepared, arm, seed, work / "runs" / f"{arm}-{seed}")
                np.savez(file, ids=made.ids, patients=made.patients, truth=made.truth, scores=made.scores)
            kept = np.load(file)
            pool[arm, seed] = PredictionTable(
                plan.cohort.labels, kept["ids"], kept["patients"], kept["truth"], kept["scores"]
            )
    return pool


def raised(table: PredictionTable, by: float) -> PredictionTable:
    """The same predictions with the logits of positive images raised."""
    scores = expit(logit(np.clip(table.scores, 1e-9, 1 - 1e-9)) + by * (table.truth == 1))
    return replace(table, scores=scores)


def macro(tables: list[PredictionTable]) -> float:
    """Mean over runs of the macro AUROC."""
    return float(np.mean([np.nanmean(point(table.truth, np.nan_to_num(table.scores))[0]) for table in tables]))


def claims(pairs: list[tuple[list[Resampled], list[Resampled]]]) -> dict[str, Any]:
    """Shares of comparisons with a claim, either way and of a gain, with Clopper-Pearson bounds."""
    found = [contrast(first, second)[0] for first, second in pairs]
    p = np.array([1.0 if one.p is None else one.p for one in found])
    up = np.array([(one.value or 0) > 0 for one in found])
    return {
        "comparisons": len(found),
        "claims": share(p < ALPHA),
        "gains": share((p < ALPHA) & up),
        "gains_of_one_set_in_four": share((p * CONTRASTS < ALPHA) & up),
    }


def share(claimed: Any) -> dict[str, float]:
    """Count, share, and the 95 % Clopper-Pearson interval."""
    k, n = int(claimed.sum()), len(claimed)
    low = float(stats.beta.ppf(0.025, k, n - k + 1)) if k else 0.0
    high = float(stats.beta.ppf(0.975, k + 1, n - k)) if k < n else 1.0
    return {"count": k, "share": k / n, "low": low, "high": high}


def main() -> None:
    """Run the study and print it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="folder of runs and prepared images")
    parser.add_argument("--seeds", type=int, default=16)
    parser.add_argument("--images", type=int, default=4000)
    asked = parser.parse_args()
    asked.work.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    began = time.process_time()
    plan = plan_of(asked.images, asked.work / "cache")
    pool = pool_of(plan, asked.seeds, asked.work)
    trained = time.process_time() - began
    real = [pool["none", seed] for seed in range(asked.seeds)]
    base = macro(real)
    by = float(brentq(lambda shift: macro([raised(table, shift) for table in real]) - base - GAIN, 0, 5))
    measured = {key: resampled(table, REPLICATES, 0) for key, table in pool.items()}
    planted = [resampled(raised(table, by), REPLICATES, 0) for table in real]
    rng = np.random.default_rng(0)
    arms, seeds, power = [], [], []
    for _ in range(COMPARISONS):
        chosen = rng.choice(asked.seeds, PAIRED, replace=False)
        coins = rng.random(PAIRED) < 0.5
        sides = [("none", "shuffled") if coin else ("shuffled", "none") for coin in coins]
        arms.append(tuple([measured[side[k], s] for side, s in zip(sides, chosen, strict=True)] for k in (0, 1)))
        ten = [(rng.choice(["none", "shuffled"]), s) for s in rng.choice(asked.seeds, 2 * PAIRED, replace=False)]
        seeds.append(tuple([measured[key] for key in half] for half in (ten[:PAIRED], ten[PAIRED:])))
        power.append(([planted[s] for s in chosen], [measured["shuffled", s] for s in chosen]))
    each = np.array([measured["none", s].macro - measured["shuffled", s].macro for s in range(asked.seeds)])
    test = plan.cohort.split("test")
    result = {
        "images": asked.images, "test_images": len(test), "test_patients": int(test["patient_id"].nunique()),
        "steps": plan.steps, "runs": len(pool), "macro_auroc": base, "logit_shift": by,
        "sd_between_seeds": float(np.std([run.macro for run in measured.values()], ddof=1)),
        "sd_of_paired_differences": float(each.std(ddof=1)), "mean_of_paired_differences": float(each.mean()),
        "null_arms": claims(arms), "null_seeds": claims(seeds), "power_3_points": claims(power),
        "cpu_seconds_runs": trained, "cpu_seconds": time.process_time() - began,
    }  # fmt: skip
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
