"""Runs against runs, on the same test images and the same resamples of patients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ssl_bench.api.boards import Runs, folders
from ssl_bench.api.given import check_resamples
from ssl_bench.api.shown import table_html, table_text
from ssl_bench.plugin.names import MACRO

if TYPE_CHECKING:
    import pandas as pd

    from ssl_bench.comparison.pairs import RunPair

SAYING = (
    "a difference concerns these two encoders, not their methods: runs of one method that differ in the seed alone "
    "often differ as much"
)

SHOWN = ("run", "against", "protocol", "label", "metric", "value", "ci_low", "ci_high", "p", "p_holm")


@dataclass(frozen=True, repr=False)
class Comparison:
    """Differences of runs to the first.

    Attributes:
        pairs: every run with the first.
        together: what was tested together.
        replicates: resamples of patients.
    """

    pairs: tuple[RunPair, ...]
    together: tuple[str, ...]
    replicates: int

    @property
    def values(self) -> dict[str, Any]:
        """As ``sslbench compare --json`` prints them."""
        return {"note": SAYING, "comparisons": [one.as_json() for one in self.pairs], "notes": list(self.together)}

    @property
    def frame(self) -> pd.DataFrame:
        """A row a difference: ``run``, ``against``, ``protocol``, ``label``, ``metric``, ``value``, interval, ``p``."""
        import pandas as pd

        rows = [{"run": one.run, "against": one.against, **row.as_json()} for one in self.pairs for row in one.rows]
        return pd.DataFrame(rows)

    @property
    def notes(self) -> list[str]:
        """What a reader must know of the differences."""
        return [*(note for one in self.pairs for note in one.notes), *self.together, SAYING]

    def _shown(self) -> pd.DataFrame:
        frame = self.frame
        return frame.loc[frame["label"] == MACRO, [name for name in SHOWN if name in frame]]

    def __repr__(self) -> str:
        return f"Comparison of {len(self.pairs) + 1} runs"

    def __str__(self) -> str:
        return table_text(repr(self), self._shown(), self.notes)

    def _repr_html_(self) -> str:
        return table_html(repr(self), self._shown().round(4), self.notes)


def compare(
    runs: Runs,
    *others: Any,
    metrics: str | Sequence[str] = "",
    replicates: int = 1000,
    seed: int = 0,
    min_patients: int = 5,
    seed_sd: float = 0.0117,
    seeds: int = 5,
) -> Comparison:
    """Every run minus the first.

    Args:
        runs: run directories or runs, the reference first; or the reference alone.
        *others: the others, where the reference stands alone.
        metrics: beside AUROC and AUPRC.
        replicates: resamples of patients, at least 100.
        seed: of the resamples.
        min_patients: positive and negative patients of a finding in macro means.
        seed_sd: standard deviation of macro AUROC between seeds, for what paired seeds would find.
        seeds: paired seeds, for the same.

    Raises:
        UsageError: fewer than two runs, or they share no protocol.
        DataError: their test images differ, or predictions are gone.
    """
    from ssl_bench.comparison.pairs import compare_all, run_scores
    from ssl_bench.errors import UsageError
    from ssl_bench.plugin.registry import discover
    from ssl_bench.stats.measures import usual
    from ssl_bench.stats.power import of_pair

    check_resamples(replicates)
    paths = [*folders(runs), *folders(others)]
    if len(paths) < 2:
        raise UsageError(f"compare needs at least two run directories, found {len(paths)}")
    asked = usual(discover(), metrics)
    result = compare_all([run_scores(path, validated=bool(asked)) for path in paths], replicates, seed, min_patients,
                         asked)  # fmt: skip
    macro = [row for one in result.pairs for row in one.rows
             if (row.label, row.metric) == (MACRO, "auroc") and not row.untested]  # fmt: skip
    power = [of_pair(row.percentile_low, row.percentile_high, seed_sd, seeds) for row in macro[:1]]
    return Comparison(result.pairs, (*result.notes, *filter(None, power)), replicates)
