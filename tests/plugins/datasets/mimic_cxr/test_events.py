"""Laboratory values and vital signs: against a plain loop, in any chunks, damaged files, and kept by content."""

from __future__ import annotations

import gzip
import os
import weakref
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ssl_bench.config.config import load
from ssl_bench.data.synthetic import write_layout
from ssl_bench.errors import DataError, UsageError
from ssl_bench.plan.plan import make_plan
from ssl_bench.plugin.features import encode
from ssl_bench.plugin.registry import Registry
from sslbench_datasets.mimic_cxr import chart, events
from sslbench_datasets.mimic_cxr.events import Films, Found, kept, key_of, last_values
from sslbench_datasets.mimic_cxr.items import BY_NAME, ITEMS

LABS = [BY_NAME["creatinine"], BY_NAME["lactate"]]
HEADER = "labevent_id,subject_id,itemid,charttime,value,valuenum"
HOUR = 3600
NONE = np.nan


def quiet(sentence: str) -> None:
    """Tell nobody."""


def stamp(seconds: float) -> str:
    return str(pd.Timestamp(int(seconds), unit="s"))


def table(path: Path, rows: list[tuple[str, int, str, str]]) -> Path:
    """A ``labevents`` of patient, item, time and number as text."""
    lines = [HEADER, *(f"{n},{who},{item},{at},x,{value}" for n, (who, item, at, value) in enumerate(rows))]
    with gzip.open(path, "wt") if path.suffix == ".gz" else path.open("w") as file:
        file.write("\n".join(lines) + "\n")
    return path


def films(*rows: tuple[str, float]) -> Films:
    return Films(np.array([who for who, _ in rows], dtype=str), np.array([at for _, at in rows]))


def plain_loop(rows: list[tuple[str, int, float, float]], asked: Films, hours: float) -> np.ndarray:
    """The last value of each item of :data:`LABS`, event by event."""
    found = np.full((len(asked.patients), len(LABS)), np.nan)
    for film, (who, at) in enumerate(zip(asked.patients, asked.times, strict=True)):
        for place, item in enumerate(LABS):
            last = -np.inf
            for patient, number, moment, value in rows:
                fits = patient == who and number in item.ids and at - hours * HOUR <= moment <= at
                if fits and moment >= last and item.low <= value <= item.high:
                    last, found[film, place] = moment, value
    return found


@pytest.mark.parametrize("chunk", [1, 7, 1000])
@pytest.mark.parametrize("seed", range(3))
def test_equals_the_plain_loop_in_any_chunks(tmp_path: Path, seed: int, chunk: int) -> None:
    rng = np.random.default_rng(seed)
    people = ["10", "11", "12"]
    rows = [(str(rng.choice(people)), int(rng.choice([50912, 50813, 1])), float(rng.integers(0, 60) * HOUR),
             float(rng.choice([0.5, 2.0, 3.5, 999.0]))) for _ in range(120)]  # fmt: skip
    asked = films(*((str(rng.choice([*people, "13"])), float(rng.integers(0, 70) * HOUR)) for _ in range(30)))
    path = table(tmp_path / "labevents.csv", [(who, n, stamp(at), str(value)) for who, n, at, value in rows])
    found = last_values(path, LABS, asked, 12, quiet, chunk)
    np.testing.assert_array_equal(found.values, plain_loop(rows, asked, 12))
    assert np.isfinite(found.values).any()


def test_what_cannot_be_used_is_counted(tmp_path: Path) -> None:
    rows = [("10", 50912, stamp(0), "1.5"), ("10", 50912, stamp(HOUR), ""), ("10", 50912, "yesterday", "2"),
            ("10", 50912, stamp(2 * HOUR), "4000"), ("10", 50912, stamp(4 * HOUR), "9")]  # fmt: skip
    asked = films(("10", 3 * HOUR), ("10", NONE), ("10", 30 * HOUR))
    found = last_values(table(tmp_path / "labevents.csv.gz", rows), LABS[:1], asked, 3, quiet)
    np.testing.assert_array_equal(found.values[:, 0], [1.5, NONE, NONE])  # both ends of the window are inside
    assert {what: count for what, count in found.counts.items() if count} == {
        "values of labevents.csv.gz without a readable time": 1, "values of labevents.csv.gz that are no numbers": 1,
        "implausible values of creatinine": 1,
    }  # fmt: skip


@pytest.mark.parametrize("blocks", [1, 8])
def test_one_chunk_is_held_at_a_time_however_long_the_table(
    blocks: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, sizes, told = list[weakref.ref[pd.DataFrame]](), list[int](), list[str]()
    few = events._few

    def watched(part: pd.DataFrame, **wanted: Any) -> pd.DataFrame:
        held.append(weakref.ref(part))
        sizes.append(sum(len(one) for one in (ref() for ref in held) if one is not None))
        return few(part, **wanted)

    monkeypatch.setattr(events, "_few", watched)
    clock = iter(range(0, 10**6, 11))
    monkeypatch.setattr(events, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    rows = [("10", 50912, stamp(number), "1") for number in range(200 * blocks)]
    path = table(tmp_path / "labevents.csv.gz", rows)
    found = last_values(path, LABS, films(("10", HOUR)), 24, told.append, chunk=100)
    assert found.values[0, 0] == 1
    assert len(sizes) == 2 * blocks
    assert max(sizes) == 100
    assert len(told) >= 2 * blocks
    assert told[-1] == "reading labevents.csv.gz: 100%"


def test_temperatures_of_either_scale_are_degrees_celsius(tmp_path: Path) -> None:
    rows = [("10", 223761, stamp(0), "98.6"), ("11", 223762, stamp(0), "38.5"), ("12", 223761, stamp(0), "37")]
    asked = films(("10", HOUR), ("11", HOUR), ("12", HOUR))
    found = last_values(table(tmp_path / "chartevents.csv", rows), [BY_NAME["temperature"]], asked, 24, quiet)
    np.testing.assert_allclose(found.values[:, 0], [37, 38.5, NONE])


def test_damaged_tables_are_refused(tmp_path: Path) -> None:
    values = np.random.default_rng(0).random(20_000)
    path = table(tmp_path / "labevents.csv.gz", [("10", 50912, stamp(0), str(value)) for value in values])
    whole = path.read_bytes()
    for size in (len(whole) - 20, 5000):
        path.write_bytes(whole[:size])
        told = r"(cannot be read: .*|is not a whole CSV file: .*|has .* as no whole table does); download it again"
        with pytest.raises(DataError, match=rf"labevents.csv.gz ({told})"):
            last_values(path, LABS, films(("10", HOUR)), 24, quiet)
    other = tmp_path / "other.csv"
    other.write_text("subject_id,itemid,charttime\n")
    with pytest.raises(DataError, match="lacks valuenum"):
        last_values(other, LABS, films(("10", HOUR)), 24, quiet)


def test_what_was_found_is_kept_under_the_content_of_all_it_depends_on(tmp_path: Path) -> None:
    path = table(tmp_path / "labevents.csv", [("10", 50912, stamp(0), "1")])
    asked, later = films(("10", HOUR)), films(("10", 2.0 * HOUR))
    key = key_of(path, LABS, asked, 24, quiet)
    os.utime(path, (0, 0))
    assert key_of(path, LABS, asked, 24, quiet) == key
    others = {key_of(path, LABS[:1], asked, 24, quiet), key_of(path, LABS, asked, 12, quiet),
              key_of(path, LABS, later, 24, quiet)}  # fmt: skip
    path.write_text(path.read_text().replace(",1\n", ",2\n"))
    assert len({key, key_of(path, LABS, asked, 24, quiet), *others}) == 5
    times = 0

    def find() -> Found:
        nonlocal times
        times += 1
        return last_values(path, LABS, asked, 24, quiet)

    first, second = kept(tmp_path / "events", key, find), kept(tmp_path / "events", key, find)
    np.testing.assert_array_equal(first.values, second.values)
    assert (first.counts, times) == (second.counts, 1)
    (tmp_path / "events" / f"{key}.npz").write_bytes(b"PK nothing")
    np.testing.assert_array_equal(kept(tmp_path / "events", key, find).values, first.values)
    assert times == 2


def test_items_have_one_name_and_one_number_each() -> None:
    numbers = [number for item in ITEMS for number in item.ids]
    assert len(set(numbers)) == len(numbers)
    assert len(BY_NAME) == len(ITEMS)
    assert all(item.low < item.high for item in ITEMS)


@pytest.fixture(scope="module")
def general(registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("general") / "mimic"
    write_layout(registry, "mimic-cxr", {"patients": 60, "size": 32}, root)
    return root


def test_a_run_joins_the_values_before_each_film(
    registry: Registry, general: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"items": "creatinine,heart-rate,temperature", "hours": 48}
    values = {"data": {"name": "mimic-cxr", "root": str(general), "options": options}, "method": "msn-ehr",
              "ehr": {"features": "age,creatinine,heart-rate"}}  # fmt: skip
    cache = general.parent / "cache"
    plan = make_plan(load(values, name="smoke"), registry, cache)
    frame = plan.cohort.frame
    known = frame["creatinine"].notna()
    assert 0.1 < known.mean() < 1
    assert frame.loc[known, "creatinine"].between(0.05, 40).all()
    assert frame["temperature"].dropna().between(33, 41).all()
    assert plan.schema.columns == ("age", "creatinine", "heart-rate")
    encoded = encode(frame, plan.schema)
    assert encoded.present[:, 1].tolist() == known.astype(float).tolist()
    assert (encoded.values[~known, 1] == 0).all()
    assert plan.cohort.counts["images without creatinine in the 48 hours before"] == int((~known).sum())
    assert any("may have come after the image" in note for note in plan.notes)
    monkeypatch.setattr(chart, "last_values", lambda *arguments: pytest.fail("read again"))
    again = make_plan(load(values, name="smoke"), registry, cache)
    pd.testing.assert_series_equal(again.cohort.frame["creatinine"], frame["creatinine"])


def test_values_that_cannot_be_read_are_told(registry: Registry, general: Path, tmp_path: Path) -> None:
    data = {"name": "mimic-cxr", "root": str(general), "options": {"items": "creatinin"}}
    with pytest.raises(UsageError, match="items"):
        make_plan(load({"data": data}, name="smoke"), registry, tmp_path)
    asked = {"data": {"name": "mimic-cxr", "root": str(general)}, "method": "msn-ehr", "ehr": {"features": "lactate"}}
    with pytest.raises(UsageError, match="no feature 'lactate'"):
        make_plan(load(asked, name="smoke"), registry, tmp_path)
