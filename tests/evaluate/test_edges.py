from __future__ import annotations

from ssl_bench.evaluate.edges import edge_notes
from ssl_bench.results.row import MetricRow

OPTIONS = {"linear": {"strengths": [0.1, 1.0, 10.0]}, "knn": {"neighbours": [10, 20], "temperature": 0.07}}


def row(protocol: str, encoder: str = "trained", **settings: float) -> MetricRow:
    return MetricRow(protocol=protocol, encoder=encoder, split="test", label="macro", settings=settings)


def test_a_setting_at_the_end_of_its_grid_is_said_once() -> None:
    rows = [row("linear", strength=10.0), row("linear", strength=10.0), row("linear", "random", strength=1.0),
            row("knn", k=10), row("finetune", epoch=5)]  # fmt: skip
    assert edge_notes(rows, OPTIONS) == [
        "linear chose the largest strength of its grid, 10, for the trained encoder; a wider grid may do better",
        "knn chose the smallest k of its grid, 10, for the trained encoder; a wider grid may do better",
    ]


def test_a_grid_of_one_value_has_no_end() -> None:
    assert edge_notes([row("linear", strength=1.0)], {"linear": {"strengths": [1.0]}}) == []
