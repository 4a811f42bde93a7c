"""Ranges that options declare: values at every share, the default among them, edges, and what is refused."""

from __future__ import annotations

import pytest

from ssl_bench import Search

RATE = Search(low=0.1, high=10, scale="log", relative=True)
MOMENTUM = Search(low=0.9, high=0.999, scale="one-minus")
VIEWS = Search(low=1, high=4, whole=True)
CROPS = Search(low=0.05, high=0.8, scale="log", item=0)


def test_shares_become_values_on_their_scale() -> None:
    assert [RATE.value(share, 2e-3) for share in (0, 0.5, 1)] == pytest.approx([2e-4, 2e-3, 2e-2])
    assert [MOMENTUM.value(share, 0.9) for share in (0, 0.5, 1)] == pytest.approx([0.9, 0.99, 0.999])
    assert CROPS.value(0.5, (0.3, 1.0)) == pytest.approx((0.2, 1.0))
    assert Search(choices=("a", "b")).value(1.0, "a") == "b"


def test_whole_numbers_have_equal_room() -> None:
    drawn = [VIEWS.value(number / 4000, 2) for number in range(4000)]
    assert [round(drawn.count(views) / 1000, 1) for views in (1, 2, 3, 4)] == [1.0] * 4
    assert all(isinstance(views, int) for views in drawn)


@pytest.mark.parametrize("search", [RATE, MOMENTUM, Search(low=0, high=2, prior="normal"), VIEWS,
                                    Search(low=0.3, high=2, scale="log", prior="normal")])  # fmt: skip
@pytest.mark.parametrize("default", [0.95, 1.0])
def test_the_default_is_drawn_at_its_own_share(search: Search, default: float) -> None:
    if search.holds(default):
        assert search.value(search.share(default), default) == pytest.approx(default)


def test_a_normal_prior_draws_around_the_default_and_stays_inside() -> None:
    search = Search(low=0, high=1, prior="normal")
    drawn = [search.value(number / 999, 0.7) for number in range(1000)]
    assert sum(abs(value - 0.7) < 0.25 for value in drawn) > 680
    assert min(drawn) >= 0
    assert max(drawn) <= 1


def test_edges_are_told() -> None:
    assert RATE.edge(2e-4, 2e-3) == "low"
    assert RATE.edge(1.9e-2, 2e-3) == "high"
    assert RATE.edge(3e-3, 2e-3) == ""
    assert [VIEWS.edge(views, 2) for views in (1, 2, 3, 4)] == ["low", "", "", "high"]
    assert CROPS.edge((0.05, 1.0), (0.3, 1.0)) == "low"


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ({"low": 2.0, "high": 1.0}, "is empty"),
        ({"low": 1.0, "high": 1.0}, "is empty"),
        ({"low": float("nan"), "high": 1.0}, "is empty"),
        ({"low": 0.0, "high": 1.0, "scale": "log"}, "begins above 0"),
        ({"low": 0.0, "high": 1.0, "scale": "one-minus"}, "ends below 1"),
        ({"choices": ("a", "a")}, "two different choices"),
    ],
)
def test_empty_ranges_are_refused(fault: dict[str, object], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Search(**fault)  # type: ignore[arg-type]
