"""Selection rules by name: which number of a finished trial decides. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from ssl_bench.config.tuned import ORACLE
from ssl_bench.errors import UsageError, unknown
from ssl_bench.results.record import Record
from ssl_bench.results.row import MACRO
from ssl_bench.results.standing import standing

VALIDATION = "validation"
METRIC = "auroc"


@dataclass(frozen=True)
class Rule:
    """A way to select among trials.

    Args:
        name: on the record and in captions.
        split: whose macro AUROC decides.
        dataset: of that split; empty: the run's own.
    """

    name: str
    split: Literal["validate", "test"]
    dataset: str = ""

    @property
    def told(self) -> str:
        """What decides, in words."""
        where = f" of {self.dataset}" if self.dataset else ""
        split = "validation" if self.split == "validate" else "test"
        return f"highest macro AUROC on the {split} split{where}"

    def settings(self) -> dict[str, Any]:
        """Keys of the configuration of a trial: the test split is withheld from all rules but ``oracle``."""
        return {"evaluate.withhold": "test"} if self.split == "validate" else {}


def rule_of(name: str, test_on: tuple[str, ...]) -> Rule:
    """A rule by its name.

    Args:
        name: ``validation``, ``validation:DATASET`` or ``oracle``.
        test_on: names of the other datasets that the runs are tested on.

    Raises:
        UsageError: there is no such rule, or no such dataset.
    """
    kind, colon, dataset = name.partition(":")
    if name == ORACLE:
        return Rule(name, "test")
    if kind != VALIDATION or (colon and not dataset):
        raise UsageError(unknown("selection rule", name, (VALIDATION, f"{VALIDATION}:DATASET", ORACLE)))
    if dataset and dataset not in test_on:
        told = f"; known are {', '.join(test_on)}" if test_on else ""
        raise UsageError(f"rule '{name}' needs '{dataset}' among the other datasets; add --test-on {dataset}{told}")
    return Rule(name, "validate", dataset)


def value_of(record: Record, rule: Rule, protocol: str) -> float | str:
    """The number that decides, or why there is none.

    Args:
        record: of a finished trial.
        rule: which number.
        protocol: by which it was measured.
    """
    dataset = record.data.name
    if rule.dataset:  # the one other dataset of a trial, by the name that it has beside the run's own
        dataset = next((other.name for other in record.external), rule.dataset)
    wanted = (rule.split, dataset, protocol, MACRO, METRIC, "all")
    rows = [row for row in record.metrics if wanted == (
        row.split, row.dataset, row.protocol, row.label, row.metric, row.subgroup)]  # fmt: skip
    stands = standing(record, {row.encoder for row in rows})
    chosen = [row for row in rows if row.encoder == stands]
    if not chosen:
        return f"no macro AUROC by {protocol} on the split '{rule.split}' of {dataset}"
    whole = max(chosen, key=lambda row: row.fraction)
    if whole.value is None:
        return f"macro AUROC by {protocol} is undefined: {whole.note or 'no finding has both classes'}"
    return float(whole.value)
