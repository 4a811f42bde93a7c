"""Plots of subgroups: the level of every group with its patients, and the gaps between them."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from ssl_bench.report.page.figures import Figure, Looks, bars, blank, label, marker, spec_of
from ssl_bench.report.page.subgroups import Gap, Group

SPREAD = 0.35
"""Lines that a further configuration adds to a row."""


def group_figure(groups: Sequence[Group], looks: Looks, title: str, *, synthetic: bool) -> Figure | None:
    """Macro AUROC of every group, a point for each configuration; None where no group has a value."""
    if not groups:
        return None
    order = list(dict.fromkeys((one.attribute, one.group) for one in groups))
    counts = {(one.attribute, one.group): one.patients for one in reversed(groups)}
    row = {key: escape(f"{key[0]} {key[1]} ({counts[key]:,} patients)") for key in order}
    names = list(dict.fromkeys(one.name for one in groups))
    figure = blank(len(order) * (1 + SPREAD * (len(names) - 1)), synthetic=synthetic)
    for name in names:
        of = [one for one in groups if one.name == name]
        figure.add_scatter(
            x=[one.value for one in of], y=[row[one.attribute, one.group] for one in of], mode="markers",
            orientation="h", name=label(name, 40), marker=marker(looks[name], 9),
            error_x=bars([(one.value, one.low, one.high) for one in of]), hovertemplate="%{y}: %{x:.3f}",
        )  # fmt: skip
    figure.update_layout(scattermode="group")
    figure.update_xaxes(title_text="macro AUROC", range=_room(groups))
    figure.update_yaxes(categoryorder="array", categoryarray=[row[key] for key in reversed(order)])
    caption = (
        "Each group by itself, over the findings that it has patients enough for; so two groups may be over different "
        "findings, and a gap is not the distance of two points. Line: 95 % interval; of several seeds their mean."
    )
    return Figure(title, caption, f"{title}. The numbers are in the table of gaps.", spec_of(figure))


def _room(groups: Sequence[Group]) -> list[float]:
    """The axis from the lowest to the highest end: by itself it would begin at 0 where a group has no interval."""
    ends = [end for one in groups for end in (one.value, one.low, one.high) if end is not None]
    margin = max(0.05 * (max(ends) - min(ends)), 0.01)
    return [min(ends) - margin, max(ends) + margin]


def gap_figure(gaps: Sequence[Gap], looks: Looks, title: str, *, synthetic: bool) -> Figure | None:
    """Gaps by attribute, a point for each configuration; None where no gap has a value."""
    shown = [gap for gap in gaps if gap.value is not None]
    if not shown:
        return None
    attributes = list(dict.fromkeys(gap.attribute for gap in shown))
    names = list(dict.fromkeys(gap.name for gap in shown))
    figure = blank(len(attributes) * (1 + SPREAD * (len(names) - 1)), synthetic=synthetic)
    for name in names:
        of = [gap for gap in shown if gap.name == name]
        figure.add_scatter(
            x=[gap.value for gap in of], y=[escape(gap.attribute) for gap in of], mode="markers", name=label(name, 40),
            orientation="h", marker=marker(looks[name], 9), text=[escape(gap.note) for gap in of],
            error_x=bars([(gap.value, gap.low, gap.high) for gap in of]), hovertemplate="%{y}: %{x:.3f} (%{text})",
        )  # fmt: skip
    figure.update_layout(scattermode="group")
    figure.update_xaxes(title_text="gap in macro AUROC", rangemode="tozero")
    figure.update_yaxes(categoryorder="array", categoryarray=[escape(name) for name in reversed(attributes)])
    caption = (
        "A gap is the highest minus the lowest group; that they were chosen as the extremes is not in its interval. Of "
        "several seeds: the mean of their gaps, without interval."
    )
    return Figure(title, caption, f"{title}. The numbers are in the table below it.", spec_of(figure))
