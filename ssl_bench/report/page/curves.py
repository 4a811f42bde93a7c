"""Training curves of all runs over each other: the loss within its own range, monitors, and the online probe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ssl_bench.report.leaderboard import Entry
from ssl_bench.report.logs import Series, read_log
from ssl_bench.report.page.figures import Figure, Looks, blank, dash, is_synthetic, label, marker, spec_of
from ssl_bench.report.palette import LeftOut
from ssl_bench.results.rundir import RunDirectory

POINTS = 200
"""Most steps of a run that are drawn."""


@dataclass(frozen=True)
class Kind:
    """One value of a log.

    Attributes:
        name: in the log.
        title: of its figure.
        axis: what is on its axis.
        note: how to read it.
        relative: from the lowest value of a run (0) to its highest (1), because scale and sign are each method's own.
    """

    name: str
    title: str
    axis: str
    note: str
    relative: bool = False


WATCHED = "Validation images while the encoder is trained: they choose nothing, and rank nothing."

KINDS = (
    Kind("loss", "Loss", "loss, 0: lowest of the run, 1: highest",
         "Losses of different methods are different functions: only the shape can be compared.", relative=True),
    Kind("effective_rank", "Effective rank of the embeddings", "effective rank (RankMe)",
         "A fall to its floor would mean collapse."),
    Kind("embedding_std", "Spread of the embeddings", "embedding std (1: isotropic)",
         "A fall to 0 would mean collapse."),
    Kind("probe_linear", "Online probe, linear head", "macro AUROC, validation images", WATCHED),
    Kind("probe_knn", "Online probe, nearest neighbours", "macro AUROC, validation images", WATCHED),
)  # fmt: skip


def training_curves(entries: Sequence[Entry], looks: Looks) -> list[Figure]:
    """A figure for each value that any log holds; a line is a run, in the look of its configuration."""
    groups = list({entry.group.name: entry.group for entry in entries if not entry.untrained}.values())
    logs = [(group.name, _logged(run.path)) for group in groups for run in group.runs]
    return [figure for kind in KINDS if (figure := _figure(kind, logs, looks, synthetic=is_synthetic(entries)))]


def _figure(kind: Kind, logs: Sequence[tuple[str, Series]], looks: Looks, *, synthetic: bool) -> Figure | None:
    lines = [(name, *found) for name, series in logs if (found := _points(kind, series)) is not None]
    if not lines:
        return None
    figure, seen = blank(9, synthetic=synthetic), set[str]()
    for name, epochs, values in lines:
        probed = kind.name.startswith("probe")
        figure.add_scatter(
            x=epochs.tolist(), y=values.tolist(), mode="lines+markers" if probed else "lines", name=label(name, 40),
            legendgroup=name, showlegend=name not in seen, marker=marker(looks[name], 6),
            line={"color": looks[name].color, "dash": dash(looks[name])}, hovertemplate="epoch %{x:.3g}: %{y:.3g}",
        )  # fmt: skip
        seen.add(name)
    figure.update_xaxes(title_text="epoch")
    figure.update_yaxes(title_text=kind.axis)
    alt = f"{kind.title}. The numbers are in log.jsonl of each run."
    return Figure(kind.title, f"A line is a run. {kind.note}", alt, spec_of(figure))


def _points(kind: Kind, series: Series) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]] | None:
    """Epochs and values where the log has any; every n-th of a long log, the last one always."""
    if kind.name not in series or "epoch" not in series:
        return None
    known = np.flatnonzero(np.isfinite(series[kind.name]))
    if not len(known):
        return None
    known = known[:: -max(1, -(-len(known) // POINTS))][::-1]
    values = series[kind.name][known]
    if kind.relative:
        spread = float(np.ptp(values))
        values = (values - values.min()) / spread if spread else np.ones_like(values)
    return series["epoch"][known], values


def _logged(run: Path) -> Series:
    """The log of a run, empty where it has none."""
    try:
        return read_log(RunDirectory(run).log)
    except LeftOut:
        return {}
