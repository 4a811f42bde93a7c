"""Finished runs ranked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ssl_bench.api.given import check_resamples, folder_of
from ssl_bench.api.shown import table_html, table_text
from ssl_bench.numbers import counted

if TYPE_CHECKING:
    import pandas as pd

    from ssl_bench.report.leaderboard import Board

Runs = Sequence[Path | str | Any] | Path | str
"""Run directories, folders of them, or :class:`ssl_bench.api.Run` objects."""

SHOWN = ("protocol", "dataset", "rank", "configuration", "backbone", "seeds", "auroc", "auroc_ci_low", "auroc_ci_high",
         "auprc", "auprc_ci_low", "auprc_ci_high")  # fmt: skip
"""Columns that a notebook shows."""


class Leaderboard:
    """A ranking of configurations; :attr:`board` has all that the terminal and the page show."""

    def __init__(self, board: Board) -> None:
        self.board = board

    @property
    def frame(self) -> pd.DataFrame:
        """A row an entry; of every metric value, interval, spread over seeds, difference to the baseline and its p."""
        import pandas as pd

        from ssl_bench.report.machine import entry_values

        rows = []
        for entry in self.board.entries:
            values = entry_values(entry)
            metrics, cost, encoder = (values.pop(key) for key in ("metrics", "cost", "encoder"))
            numbers = {name if key == "value" else f"{name}_{key}": number
                       for name, cell in metrics.items() for key, number in cell.items()}  # fmt: skip
            rows.append({**values, **numbers, **cost, **encoder})
        return pd.DataFrame(rows)

    @property
    def notes(self) -> list[str]:
        """What a reader must know of the numbers and marks."""
        return self.board.notes()

    @property
    def left_out(self) -> dict[str, str]:
        """Runs and configurations without a row, each with the reason."""
        return {one.what: one.reason for one in self.board.excluded}

    def values(self) -> dict[str, Any]:
        """All of it as plain values, as ``sslbench leaderboard --json`` prints them."""
        from ssl_bench.report.machine import board_values

        return board_values(self.board)

    def write_csv(self, path: Path | str) -> None:
        """Write :attr:`frame`, a row an entry."""
        from ssl_bench.files import csv_text, write_text

        Path(path).parent.mkdir(parents=True, exist_ok=True)
        write_text(Path(path), csv_text(self.frame))

    def write_html(self, path: Path | str, *, maps: bool = True, cache: Path | None = None) -> list[str]:
        """Write the page that needs no network.

        Args:
            path: the file.
            maps: with the map of the test embeddings.
            cache: folder of prepared images, for thumbnails on the map; None: without.

        Returns:
            What is not on the page, and why.
        """
        from ssl_bench.report.page.page import write_page

        return list(write_page(self.board, Path(path), maps=maps, cache=cache))

    def write_figures(self, folder: Path | str) -> list[Path]:
        """Write each plot of the page as SVG, its text as text, and PDF, as wide as a printed page's text."""
        from ssl_bench.report.page.page import figures
        from ssl_bench.report.page.printed import write_figures

        return write_figures(figures(self.board), Path(folder))

    def _shown(self) -> pd.DataFrame:
        frame = self.frame
        return frame[[name for name in SHOWN if name in frame]]

    def __repr__(self) -> str:
        return f"Leaderboard of {counted(len(self.board.groups), 'configuration')}"

    def __str__(self) -> str:
        return table_text(repr(self), self._shown(), self.notes)

    def _repr_html_(self) -> str:
        return table_html(repr(self), self._shown().round(3), self.notes)


def leaderboard(
    runs: Runs,
    *,
    baseline: str | None = None,
    protocols: str | Sequence[str] = (),
    metrics: str | Sequence[str] = "",
    replicates: int = 1000,
    min_patients: int = 5,
    refuse_contaminated: bool = False,
    allow_oracle: bool = False,
) -> Leaderboard:
    """Rank finished runs; those that differ in the seed alone are one row.

    Args:
        runs: run directories, folders of them, or runs.
        baseline: a configuration's name, or one of its run directories; None: the random encoder.
        protocols: those to show; none: all.
        metrics: beside AUROC and AUPRC.
        replicates: resamples of patients, at least 100.
        min_patients: positive and negative patients of a finding in macro means.
        refuse_contaminated: refuse test data that an encoder has seen in its pretraining.
        allow_oracle: also runs whose options were selected on the test split.

    Raises:
        UsageError: no run is finished, a name is unknown, or two runs are the same one.
        DataError: test data were seen in pretraining, and this is refused.
    """
    from ssl_bench.config.config import split_names
    from ssl_bench.plugin.registry import discover
    from ssl_bench.report.leaderboard import read_board
    from ssl_bench.report.paper import refuse_seen
    from ssl_bench.stats.intervals import FEWEST
    from ssl_bench.stats.measures import usual

    check_resamples(replicates)
    board = read_board(
        folders(runs), baseline=baseline, protocols=tuple(split_names(protocols)), replicates=replicates,
        fewest=min_patients or FEWEST, asked=usual(discover(), metrics), oracle=allow_oracle,
    )  # fmt: skip
    if refuse_contaminated:
        refuse_seen(cell for entry in board.entries for cell in entry.cells.values())
    return Leaderboard(board)


def folders(runs: Runs) -> list[Path]:
    """Paths of what was given.

    Raises:
        UsageError: something is neither a path nor a run.
    """
    if isinstance(runs, str | Path) or not isinstance(runs, Iterable):
        runs = [runs]
    return [folder_of(one) for one in runs]
