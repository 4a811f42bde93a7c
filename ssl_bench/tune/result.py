"""What a tune has found, as ``tune.json`` holds it: trials, choices, quality against budget, rankings. No torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from ssl_bench.config.tuned import ORACLE
from ssl_bench.errors import HandledError
from ssl_bench.results.record import Cost
from ssl_bench.results.rundir import RunDirectory
from ssl_bench.sweep.settings import SCHEMA
from ssl_bench.sweep.state import result_of
from ssl_bench.tune.best import CHANCE, curve
from ssl_bench.tune.ledger import Trial
from ssl_bench.tune.run import Tune
from ssl_bench.tune.sensitivity import sensitivity
from ssl_bench.tune.spending import hours_of
from ssl_bench.tune.studies import TRIAL_SEED, StudyPlan

BUDGETS = (1, 5, 20)
"""Budgets at which methods are ranked, beside that of all trials."""


def result(tune: Tune) -> dict[str, Any]:
    """Everything that the page shows."""
    asked = tune.asked
    studies = [_study(tune, study) for study, _ in tune.logs.values()]
    return {
        "schema": SCHEMA, "subject": _subject(tune), "synthetic": _synthetic(tune),
        "rule": {"name": asked.rule.name, "told": asked.rule.told, "comparable": asked.rule.name != ORACLE},
        "budget": asked.budget.told, "sampler": asked.sampler, "pruner": asked.pruner, "seed": asked.seed,
        "trial_seed": TRIAL_SEED, "final_seeds": asked.seeds, "studies": studies,
        "ranking": list(rankings(studies)),
    }  # fmt: skip


def _subject(tune: Tune) -> str:
    config = next(iter(tune.logs.values()))[0].config
    return f"{config.backbone.name} on {config.data.name}, preset {config.preset}, {tune.asked.budget.told} a method"


def _study(tune: Tune, study: StudyPlan) -> dict[str, Any]:
    trials = tune.logs[study.name][1].trials()
    winner = tune.chosen().get(study.name)
    return {
        "name": study.name, "members": list(study.members), "trained": study.trained,
        "space": study.space.told(), "default": {one.key: one.default for one in study.space.dimensions},
        "trials": [_trial(tune, study, trial) for trial in trials],
        "chosen": None if winner is None else _chosen(tune, study, winner[1]),
        "curves": {label: [asdict(best) for best in curve(trials, label)] for label in study.members},
        "sensitivity": sensitivity(study.space, trials),
        "final": {label: _final(tune, label, study.name) for label in study.members} if winner else {},
    }  # fmt: skip


def _trial(tune: Tune, study: StudyPlan, trial: Trial) -> dict[str, Any]:
    runs = [tune.folder / "trials" / name for name in trial.runs.values()]
    return {
        "number": trial.number, "state": trial.state, "value": trial.value, "values": dict(trial.values),
        "reason": trial.reason, "settings": tune.settings(study, trial), "runs": dict(trial.runs),
        "hours": sum(hours_of(run, study) for run in runs), "flops": sum(map(_flops, runs)),
    }  # fmt: skip


def _flops(run: Path) -> float:
    """Floating-point operations of a run's training; none of one that failed."""
    try:
        return float((RunDirectory(run).read_record().cost or Cost()).flops or 0.0)
    except HandledError:
        return 0.0


def _synthetic(tune: Tune) -> bool:
    """Whether the data are generated, as any run says."""
    for study, log in tune.logs.values():
        for trial in log.trials():
            for name in (trial.runs[label] for label in study.members if trial.value is not None):
                return RunDirectory(tune.folder / "trials" / name).read_record().synthetic
    return False


def _chosen(tune: Tune, study: StudyPlan, trial: Trial) -> dict[str, Any]:
    settings = tune.settings(study, trial)
    told = settings or {one.key: one.default for one in study.space.dimensions}
    return {"trial": trial.number, "value": trial.value, "settings": settings, "edges": study.space.edges(told),
            "tuning": tune.tuning(study.name).model_dump(mode="json")}  # fmt: skip


def _final(tune: Tune, label: str, study: str) -> dict[str, Any]:
    """Test numbers of the fresh seeds: the only ones of the test split that a tune holds."""
    rows: dict[int, dict[str, Any]] = {}
    for cell in tune.finals()[study][label]:
        row = result_of(RunDirectory(tune.folder / "final" / cell.name))
        rows[cell.config.seed] = {"run": cell.name, "value": row.get("value") if row else None,
                                  "protocol": row.get("protocol") if row else None}  # fmt: skip
    values = [row["value"] for row in rows.values() if row["value"] is not None]
    return {"seeds": rows, "mean": mean(values) if values else None, "sd": stdev(values) if len(values) > 1 else None}


def rankings(studies: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """The methods in the order of their expected best at several budgets, on the split that the rule reads.

    A study with fewer trials than a budget stands there with all that it has.
    """
    most = max((len(study["trials"]) for study in studies), default=0)
    for budget in sorted({*(one for one in BUDGETS if one < most), most}):
        rows = [{"method": label, "trials": min(budget, len(found)), **found[min(budget, len(found)) - 1]}
                for study in studies for label, found in study["curves"].items() if found]  # fmt: skip
        rows.sort(key=lambda row: -row["expected"])
        yield {"budget": budget, "methods": [{**row, "rank": rank} for rank, row in enumerate(rows, 1)]}


def notes(found: Mapping[str, Any]) -> list[str]:
    """What a reader must know of the numbers."""
    told = [
        f"Selected by: {found['rule']['told']} (rule {found['rule']['name']}). No number but the final rows is of the "
        "test split." if found["rule"]["comparable"] else
        "Selected on the test split (rule oracle): these numbers are optimistic and cannot be compared with others.",
        f"Every method had {found['budget']}; trial 0 is the official default. Trials have seed {found['trial_seed']}, "
        f"the final runs seeds 0 to {found['final_seeds'] - 1}.",
        "Expected best of k: the default and k - 1 of the other trials, averaged over all draws without replacement; "
        f"95 % of the draws lie in the interval. A failed trial counts, at {CHANCE:g} where nothing else was drawn. "
        "The interval says nothing of patients or seeds.",
    ]  # fmt: skip
    if found["pruner"] != "none":
        told.append(f"Trials were pruned by '{found['pruner']}': a pruned one counts and cannot be chosen.")
    for study in found["studies"]:
        failed = [trial for trial in study["trials"] if trial["state"] == "failed"]
        if failed:
            told.append(f"{study['name']}: {len(failed)} of {len(study['trials'])} trials failed; they count.")
        if study["chosen"] is None:
            told.append(f"{study['name']}: all trials failed, so nothing was chosen.")
        for key, end in (study["chosen"] or {"edges": {}})["edges"].items():
            told.append(f"{study['name']}: {key} was chosen at the {end} end of its range; widen it.")
    return told
