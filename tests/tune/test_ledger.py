"""The journal: trials that a kill at any byte of the file leaves as they were, and none told twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from ssl_bench.tune.ledger import Journal
from ssl_bench.tune.points import fixed_points, next_point

DEFAULT = {"pretrain.lr": 0.5, "method.momentum": 0.2}


def filled(path: Path) -> list[object]:
    """A study of four trials: two done, one failed, one pruned; what it has at the end."""
    study = Journal(path).study("simclr", list(DEFAULT))
    study.plan(fixed_points(DEFAULT, 4, "sobol", 7))
    study.tell(0, 0.6)
    study.tell(1, "features collapsed")
    study.tell(2, 0.7, {"msn": 0.65, "msn-ehr": 0.75})
    study.prune(3, "below the median")
    return list(study.trials())


def test_trials_are_read_back_as_they_ended(tmp_path: Path) -> None:
    told = filled(tmp_path / "journal.log")
    read = Journal(tmp_path / "journal.log").study("simclr", list(DEFAULT)).trials()
    assert read == told
    assert [(trial.state, trial.value, trial.reason) for trial in read] == [
        ("done", 0.6, ""), ("failed", None, "features collapsed"), ("done", 0.7, ""),
        ("pruned", None, "below the median"),
    ]  # fmt: skip
    assert read[2].values == {"msn": 0.65, "msn-ehr": 0.75}
    assert read[0].point == DEFAULT


def test_a_kill_at_any_byte_loses_nothing_but_the_last_operation(tmp_path: Path) -> None:
    told = filled(tmp_path / "whole.log")
    text = (tmp_path / "whole.log").read_bytes()
    for length in range(0, len(text), 97):
        path = tmp_path / f"cut-{length}.log"
        path.write_bytes(text[:length])
        assert filled(path) == told


def test_what_has_ended_stays_as_it_is(tmp_path: Path) -> None:
    filled(tmp_path / "journal.log")
    study = Journal(tmp_path / "journal.log").study("simclr", list(DEFAULT))
    study.tell(0, 0.9)
    study.tell(1, 0.9)
    study.prune(2, "late")
    assert [trial.value for trial in study.trials()] == [0.6, None, 0.7, None]


def test_more_trials_go_on_with_the_same_sequence(tmp_path: Path) -> None:
    filled(tmp_path / "journal.log")
    study = Journal(tmp_path / "journal.log").study("simclr", list(DEFAULT))
    points = fixed_points(DEFAULT, 6, "sobol", 7)
    assert [trial.point for trial in study.plan(points)] == points
    assert [trial.number for trial in study.trials() if trial.open] == [4, 5]


@pytest.mark.parametrize("sampler", ["sobol", "halton", "random"])
def test_longer_lists_of_points_begin_with_shorter_ones(sampler: str) -> None:
    longer = fixed_points(DEFAULT, 9, sampler, 3)  # type: ignore[arg-type]
    assert longer[0] == DEFAULT
    assert fixed_points(DEFAULT, 4, sampler, 3) == longer[:4]  # type: ignore[arg-type]
    assert fixed_points(DEFAULT, 9, sampler, 4)[1:] != longer[1:]  # type: ignore[arg-type]
    assert len({tuple(point.values()) for point in longer}) == 9


def test_points_of_tpe_follow_from_what_was_reached() -> None:
    points = fixed_points(DEFAULT, 8, "sobol", 0)
    history = [(point, -((point["pretrain.lr"] - 0.3) ** 2)) for point in points]
    history[2] = (points[2], None)
    assert next_point(DEFAULT, history, "tpe", 0) == next_point(DEFAULT, history, "tpe", 0)
    assert next_point(DEFAULT, history[:3], "tpe", 0) == points[3]
    other = [(point, 1.0 - (value or 0.0)) for point, value in history]
    assert next_point(DEFAULT, other, "tpe", 0) != next_point(DEFAULT, history, "tpe", 0)


def test_a_method_without_a_space_has_its_default_alone() -> None:
    assert fixed_points({}, 5, "sobol", 0) == [{}]


def test_a_pruner_gives_up_what_is_below_the_median_of_those_before(tmp_path: Path) -> None:
    study = Journal(tmp_path / "journal.log").study("simclr", list(DEFAULT))
    study.plan(fixed_points(DEFAULT, 6, "sobol", 0))
    for number, value in enumerate([0.5, 0.6, 0.7, 0.8]):
        assert not study.hopeless(number, 1, value)
        study.tell(number, value)
    assert study.hopeless(4, 1, 0.55)
    assert study.hopeless(4, 1, 0.55), "asked again after a kill"
    assert not study.hopeless(5, 1, 0.75)
