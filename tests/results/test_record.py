"""``record.json`` is read as it was written, or refused in one sentence."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ssl_bench.errors import DataError, HandledError, UsageError
from ssl_bench.plugin.notes import Note
from ssl_bench.results import record as record_file
from ssl_bench.results.record import SCHEMA

ROW = {"label": "macro", "metric": "auroc", "value": 0.5}
NOTE = Note("left-out", "2 images", details=("5",))
RECORD = {"schema": SCHEMA, "metrics": [ROW], "comparisons": [], "notes": [NOTE],
          "data": {"name": "tiny", "splits": {"test": {"images": 4}}}}  # fmt: skip


@pytest.fixture
def path(tmp_path: Path) -> Path:
    record_file.write(tmp_path / "record.json", RECORD)
    return tmp_path / "record.json"


def test_a_record_is_read_as_it_was_written(path: Path) -> None:
    found = record_file.read(path)
    assert found == RECORD
    assert found["notes"][0].details == ("5",)
    record_file.write(path, found)
    assert record_file.read(path) == RECORD


def test_layout_and_order_of_keys_are_no_part_of_it(path: Path) -> None:
    record = json.loads(path.read_text())
    path.write_text(json.dumps(dict(reversed(record.items()))))
    assert record_file.read(path) == RECORD


def edit(change: Callable[[dict[str, Any]], object]) -> Callable[[str], str]:
    def edited(text: str) -> str:
        record = json.loads(text)
        change(record)
        return json.dumps(record)

    return edited


@pytest.mark.parametrize(
    ("spoil", "kind", "sentence"),
    [
        (lambda _: "null", DataError, "is damaged (it holds no table of keys); restore it, or run again"),
        (lambda _: "[]", DataError, "is damaged (it holds no table of keys)"),
        (lambda _: "3", DataError, "is damaged (it holds no table of keys)"),
        (lambda _: "", DataError, "is damaged ("),
        (lambda text: text[:40], DataError, "is damaged ("),
        (lambda _: "[" * 100_000, DataError, "is damaged ("),
        (lambda text: text.replace("0.5", "NaN"), DataError, "is damaged (NaN is no number of a record)"),
        (lambda text: text.replace("0.5", "Infinity"), DataError, "is damaged (Infinity is no number of a record)"),
        (lambda text: text.replace("0.5", "0.9"), DataError, "is not what a run wrote: its values differ"),
        (edit(lambda record: record.pop("sha256")), DataError, "is not what a run wrote"),
        (edit(lambda record: record["notes"].clear()), DataError, "is not what a run wrote"),
        (edit(lambda record: record.update(more=1)), DataError, "is not what a run wrote"),
        (edit(lambda record: record.update(schema=99)), UsageError, "has schema 99, this version reads"),
        (edit(lambda record: record.update(schema=None)), UsageError, "has schema null, this version reads"),
        (edit(lambda record: record.update(schema=True)), UsageError, "has schema true, this version reads"),
        (edit(lambda record: record.update(schema=[2])), UsageError, "has schema [2], this version reads"),
        (edit(lambda record: record.pop("schema")), UsageError, "has schema null, this version reads"),
    ],
)  # fmt: skip
def test_another_record_is_one_sentence(
    path: Path, spoil: Callable[[str], str], kind: type[HandledError], sentence: str
) -> None:
    path.write_text(spoil(path.read_text()))
    with pytest.raises(kind) as refused:
        record_file.read(path)
    assert str(refused.value).startswith(f"{path} {sentence}")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "change",
    [{"metrics": None}, {"metrics": {}}, {"metrics": [1]}, {"comparisons": ["a"]}, {"notes": "text"}, {"notes": [3]},
     {"notes": [{"code": "a"}]}, {"data": []}, {"config": None}, {"options": []}, {"files": []}],
)  # fmt: skip
def test_values_of_another_kind_are_one_sentence_whatever_the_hash_says(path: Path, change: dict[str, Any]) -> None:
    body = {**json.loads(path.read_text()), **change}
    body.pop("sha256")
    path.write_text(json.dumps({**body, "sha256": record_file.digest(body)}))
    with pytest.raises(DataError, match=r"record\.json is damaged \(.*\); restore it, or run again"):
        record_file.read(path)


def test_a_record_of_the_version_before_is_read(path: Path) -> None:
    old = {"schema": 1, "metrics": [ROW], "comparisons": [], "notes": ["data are synthetic"],
           "components": [{"kind": "method", "name": "msn"}, {"kind": "evaluator", "name": "knn"}],
           "options": {"msn": {"prototypes": 8}, "knn": {"neighbours": [5]}}}  # fmt: skip
    path.write_text(json.dumps(old))
    found = record_file.read(path)
    assert found["schema"] == SCHEMA
    assert found["options"] == {"method": {"msn": {"prototypes": 8}}, "evaluator": {"knn": {"neighbours": [5]}}}
    assert found["notes"] == ["data are synthetic"]
    record_file.write(path, found)
    assert record_file.read(path) == found
