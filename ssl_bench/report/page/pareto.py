"""What encoders cost beside what they give: macro AUROC against operations, with the front."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from ssl_bench.report.leaderboard import Entry
from ssl_bench.report.page.figures import Figure, Looks, bars, blank, is_synthetic, label, marker, spec_of
from ssl_bench.report.palette import GREY


@dataclass(frozen=True)
class Expense:
    """What an encoder costs.

    Attributes:
        heading: of a figure.
        axis: with its unit.
        unit: one on the axis.
        of: a configuration; None or 0 where there is none.
    """

    heading: str
    axis: str
    unit: float
    of: Callable[[Entry], float | None]


EXPENSES = (
    Expense("operations of an image", "GFLOP an image", 1e9, lambda entry: entry.footprint("image_flops")),
    Expense("operations of pretraining", "TFLOP of pretraining", 1e12, lambda entry: entry.cost("flops")),
)


def paretos(entries: Sequence[Entry], where: str, looks: Looks) -> Iterator[Figure]:
    """Macro AUROC against each expense in which at least two encoders differ, with the front."""
    for expense in EXPENSES:
        figure = pareto(entries, f"Quality against {expense.heading}, {where}", looks, expense)
        if figure is not None:
            yield figure


def pareto(entries: Sequence[Entry], title: str, looks: Looks, expense: Expense = EXPENSES[0]) -> Figure | None:
    """Macro AUROC against an expense, with the front; None where it tells no two encoders apart."""
    known = [(entry, cost / expense.unit, value) for entry in entries if not entry.line.blind
             and (cost := expense.of(entry))
             and (value := entry.cells["auroc"].interval.value) is not None]  # fmt: skip
    known.sort(key=lambda one: one[1])
    if len({cost for _, cost, _ in known}) < 2:
        return None
    figure = blank(9, synthetic=is_synthetic(entries))
    front = on_front([(cost, value) for _, cost, value in known])
    figure.add_scatter(x=[x for x, _ in front], y=[y for _, y in front], mode="lines", name="Pareto front",
                       line={"color": GREY, "dash": "dot", "shape": "hv"}, hoverinfo="skip")  # fmt: skip
    for entry, cost, value in known:
        interval = entry.cells["auroc"].interval
        figure.add_scatter(
            x=[cost], y=[value], mode="markers", name=label(entry.name, 40),
            marker=marker(looks[entry.name], 10), error_y=bars([(value, interval.low, interval.high)]),
            hovertemplate=f"%{{x:.3g}} {expense.axis}: %{{y:.3f}}",
        )  # fmt: skip
    if known[-1][1] >= 10 * known[0][1]:
        figure.update_xaxes(type="log")
    figure.update_xaxes(title_text=expense.axis)
    figure.update_yaxes(title_text="macro AUROC")
    caption = "Line: 95 % interval. Dotted: encoders that no other one beats with as few operations; it is no test."
    return Figure(title, caption, f"{title}. The numbers are in the table of results.", spec_of(figure))


def on_front(points_: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """The points that no other one with as small a cost excels, the cheapest first."""
    front: list[tuple[float, float]] = []
    for cost, value in sorted(points_, key=lambda point: (point[0], -point[1])):
        if not front or value > front[-1][1]:
            front.append((cost, value))
    return front
