"""The runs of a tune as cells of a sweep: trials on the validation split alone, then fresh seeds on everything."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ssl_bench.config.layers import merge
from ssl_bench.config.tuned import Tuning
from ssl_bench.plan.parts import choose_parts
from ssl_bench.plugin.registry import Registry
from ssl_bench.sweep.cells import Cell, Grouped, make_cells
from ssl_bench.sweep.settings import Values, nested
from ssl_bench.tune.rules import Rule
from ssl_bench.tune.studies import TRIAL_SEED, StudyPlan

LOOKS = 8
"""Looks of the online probe at a trial, where a pruner needs them."""


def trial_cells(
    study: StudyPlan, settings: Mapping[str, Any], rule: Rule, pruner: str, registry: Registry
) -> dict[str, Cell]:
    """The run of each member for a trial.

    Args:
        study: that the trial belongs to.
        settings: its keys of the configuration.
        rule: what selects; its number alone is measured.
        pruner: what may end the trial.
        registry: of the installed plugins.

    Raises:
        HandledError: these settings cannot be run.
    """
    over = nested({**_measured(study, rule), **rule.settings(), **_looked_at(study, pruner), **settings})
    return {label: _cell(merge(values, {**over, "seed": TRIAL_SEED}), registry)
            for label, values in study.members.items()}  # fmt: skip


def final_cells(
    study: StudyPlan, settings: Mapping[str, Any], tuning: Tuning, seeds: int, registry: Registry
) -> dict[str, list[Cell]]:
    """The runs of each member with the chosen settings, one for each fresh seed.

    Raises:
        HandledError: they cannot be run.
    """
    over = {**nested(settings), "tuning": tuning.model_dump(mode="json")}
    return {label: [_cell(merge(values, {**over, "seed": seed}), registry) for seed in range(seeds)]
            for label, values in study.members.items()}  # fmt: skip


def _measured(study: StudyPlan, rule: Rule) -> dict[str, Any]:
    """What a trial is measured by: one protocol, on the split that decides."""
    evaluate = study.config.evaluate
    elsewhere = [part.model_dump(mode="json") for part in evaluate.test_on
                 if rule.dataset and rule.dataset in (part.called, part.name)]  # fmt: skip
    return {"evaluate.protocols": list(evaluate.protocols[:1]), "evaluate.baselines": [], "evaluate.metrics": [],
            "evaluate.label_fractions": [1.0], "evaluate.ehr": False, "evaluate.test_on": elsewhere}  # fmt: skip


def _looked_at(study: StudyPlan, pruner: str) -> dict[str, Any]:
    looks = pruner == "probe" and study.trained and not study.config.pretrain.probe_every
    return {"pretrain.probe_every": study.config.pretrain.epochs / LOOKS} if looks else {}


def _cell(values: Values, registry: Registry) -> Cell:
    problems = Grouped()
    cells = make_cells([values], registry, problems)
    problems.raise_if_any()
    choose_parts(cells[0].config, registry)
    return cells[0]
