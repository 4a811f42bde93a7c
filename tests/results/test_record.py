"""``record.json`` is read as it was written, or refused in one sentence."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from ssl_bench.errors import DataError, HandledError, UsageError
from ssl_bench.plugin.notes import Note
from ssl_bench.results import record_file
from ssl_bench.results.record import SCHEMA, Comparison, MetricRow, Part, Record

ROW = {"label": "macro", "metric": "auroc", "value": 0.5}
NOTE = Note("left-out", "2 images", details=("5",))
RECORD = {"schema": SCHEMA, "metrics": [ROW], "comparisons": [], "notes": [NOTE],
          "data": {"name": "tiny", "splits": {"test": {"images": 4}}}}  # fmt: skip


@pytest.fixture
def path(tmp_path: Path) -> Path:
    record_file.write(tmp_path / "record.json", Record.model_validate(RECORD))
    return tmp_path / "record.json"


def test_a_record_is_read_as_it_was_written(path: Path) -> None:
    found = record_file.read(path)
    assert found == Record.model_validate(RECORD)
    assert found.notes[0].details == ("5",)
    record_file.write(path, found)
    assert record_file.read(path) == found


def test_layout_and_order_of_keys_are_no_part_of_it(path: Path) -> None:
    record = json.loads(path.read_text())
    path.write_text(json.dumps(dict(reversed(record.items()))))
    assert record_file.read(path) == Record.model_validate(RECORD)


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
    assert found.version == SCHEMA
    assert found.options == {"method": {"msn": {"prototypes": 8}}, "evaluator": {"knn": {"neighbours": [5]}}}
    assert found.notes == ("data are synthetic",)
    record_file.write(path, found)
    assert record_file.read(path) == found


DOCS = Path(__file__).parents[2] / "docs"


def test_the_published_schema_is_made_of_the_models() -> None:
    """``python -m ssl_bench.results.record_file > docs/record.schema.json`` writes it anew."""
    assert (DOCS / "record.schema.json").read_text(encoding="utf-8") == record_file.json_schema()


@pytest.mark.parametrize("model", [Record, MetricRow, Comparison])
def test_every_key_is_described(model: type[Part]) -> None:
    page = (DOCS / "record.md").read_text(encoding="utf-8")
    known = {field.alias or name for name, field in model.model_fields.items() if not field.exclude}
    assert not [name for name in known if f"`{name}`" not in page and not name.startswith("n_")]


def test_what_was_not_there_stays_away_and_what_is_unknown_stays(path: Path) -> None:
    told = {"schema": SCHEMA, "method": "msn", "metrics": [{**ROW, "later": 1}], "further": {"a": [1, None]}}
    record = Record.model_validate(told)
    assert (record.fusion, record.metrics[0].chance, record.comparisons) == (None, None, ())
    assert json.loads(json.dumps(record.as_json())) == told
    assert list(record.as_json()) == ["schema", "method", "metrics", "further"]


def test_integers_stay_integers_and_texts_are_no_numbers() -> None:
    assert json.dumps([MetricRow(value=value).as_json() for value in (1, 1.0)]) == '[{"value": 1}, {"value": 1.0}]'
    for wrong in ("0.5", True, [0.5]):
        with pytest.raises(ValidationError):
            MetricRow.model_validate({"value": wrong})


def test_a_record_is_never_changed() -> None:
    record = Record(metrics=(), method="msn")
    with pytest.raises(ValidationError):
        record.method = "dino"  # type: ignore[misc]
    assert (record.but(method="dino").method, record.method) == ("dino", "msn")


def test_a_recipe_of_an_earlier_version_has_its_name_of_today(path: Path) -> None:
    body = {
        **Record.model_validate(RECORD).as_json(),
        "recipe": "corrected",
        "config": {"recipe": "corrected", "seed": 3},
    }
    body.pop("sha256", None)
    path.write_text(json.dumps({**body, "sha256": record_file.digest(body)}))
    found = record_file.read(path)
    assert (found.recipe, found.config) == ("reference", {"recipe": "reference", "seed": 3})
    assert Record.model_validate({**RECORD, "recipe": "paper"}).recipe == "paper"
