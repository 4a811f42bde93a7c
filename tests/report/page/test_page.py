"""What stands on the page: numbers of the records, safe names, no address of anything outside, provenance."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ssl_bench.data.decode import DecodeOptions
from ssl_bench.data.store import prepare
from ssl_bench.errors import UsageError
from ssl_bench.plugin.cohort import Cohort
from ssl_bench.plugin.components import DatasetSpec
from ssl_bench.plugin.registry import Registry
from ssl_bench.report.leaderboard import Board, read_board
from ssl_bench.report.page import thumbnails
from ssl_bench.report.page.figures import LINE, ROW, label, tall
from ssl_bench.report.page.grid import grid
from ssl_bench.report.page.page import map_data, write_page
from ssl_bench.report.page.provenance import public_config
from ssl_bench.results.record import Data, Record
from ssl_bench.results.rundir import RunDirectory

LOADING = {"src", "srcset", "poster", "data", "action", "xlink:href", "background"}


class Reader(HTMLParser):
    """Rows of the table of results, all attributes, ids, and texts of scripts of data."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.orders: list[list[str | None]] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.data: list[str] = []
        self.headings: list[str] = []
        self._inside = self._json = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.attributes += [(tag, name, value) for name, value in found.items()]
        self._json = found.get("type") == "application/json"
        if found.get("id") == "leaderboard":
            self._inside = True
        elif self._inside and tag == "tr":
            self.rows.append([])
            self.orders.append([])
        elif self._inside and tag in ("td", "th"):
            self.rows[-1].append("")
            self.orders[-1].append(found.get("data-order"))
        if tag in ("h1", "h2", "h3", "h4"):
            self.headings.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag == "table":
            self._inside = False

    def handle_data(self, data: str) -> None:
        if self._json:
            self.data.append(data)
            self._json = False
        elif self._inside and self.rows and self.rows[-1]:
            self.rows[-1][-1] += data


@pytest.fixture(scope="module")
def read(page: Path) -> Reader:
    return Reader(page.read_text())


@pytest.fixture(scope="module")
def read_full(full: Path) -> Reader:
    return Reader(full.read_text())


def test_every_row_stands_there_with_the_numbers_of_the_records(read: Reader, board: Board) -> None:
    heading, *rows = read.rows
    assert len(rows) == len(board.entries)
    column = heading.index("macro AUROC")
    for row, order, entry in zip(rows, read.orders[1:], board.entries, strict=True):
        assert row[1].removesuffix("baseline") == entry.group.name
        recorded = [
            line.value for member in entry.group.at(entry.setting).values() for line in member.rows(entry.setting)
            if (line.label, line.metric) == ("macro", "auroc")
        ]  # fmt: skip
        assert float(order[column] or "nan") == pytest.approx(np.mean(recorded), abs=1e-12)
        assert row[column].startswith(f"{np.mean(recorded):.3f}")


def test_a_mark_stands_beside_its_difference_with_interval_and_p(
    tmp_path: Path, write_arm: Callable[..., Path]
) -> None:
    paths = [write_arm(tmp_path, "msn", 0, 0.1), write_arm(tmp_path, "dino", 0, 3.0)]
    board = read_board(paths, baseline="msn", replicates=100)
    shown, entry = grid(board), board.entries[0]
    cell = shown.table.contents()[0][shown.table.columns.index("AUROC to baseline")]
    test = entry.cells["auroc"].test
    assert test is not None
    assert (cell.text, cell.mark) == (f"{test.difference.value:+.3f}", "†")
    assert cell.rest == (f"[{test.difference.low:+.3f}, {test.difference.high:+.3f}]", "p < 0.001")
    assert cell.value == test.difference.value


def test_what_no_row_has_is_not_said_of_all_rows(board: Board) -> None:
    shown = grid(board)
    assert {"budget", "rule"}.isdisjoint(shown.common)
    assert "-" not in shown.common.values()


def test_a_row_of_the_forest_plot_is_as_high_as_its_name() -> None:
    assert tall(["msn", "simclr"]) == 2
    names = [label("msn-ehr (age, sex; shuffled), learning rate 0.002, 9 epochs"), label("msn")]
    assert names[0].count("<br>") == 2
    assert tall(names) * ROW == 2 * 3 * LINE


def test_names_are_text_and_no_markup(page: Path, read: Reader) -> None:
    text = page.read_text()
    assert "<b>x" not in text
    assert any("<b>x</b></script>" in row[1] for row in read.rows)
    forest = next(json.loads(data) for data in read.data if "yaxis" in data)
    assert any("&lt;b&gt;x" in str(label) for trace in forest["data"] for label in trace["y"])


def test_nothing_is_loaded_from_elsewhere(page: Path, full: Path) -> None:
    for path in (page, full):
        for tag, name, value in Reader(path.read_text()).attributes:
            assert not (name in LOADING and not value.startswith("data:")), (tag, name, value)
            assert not (name == "href" and not value.startswith("#")), (tag, value)
        styles = "".join(re.findall(r"<style>(.*?)</style>", path.read_text(), re.DOTALL))
        assert not [url for url in re.findall(r"url\(['\"]?([^)'\"]*)", styles) if not url.startswith("data:")]
        assert "@import" not in styles
        assert "default-src 'none'; script-src 'unsafe-inline' blob:; style-src 'unsafe-inline'; img-src data:" in (
            path.read_text()
        )


def test_what_cannot_be_compared_is_named(page: Path) -> None:
    text = page.read_text()
    assert "Not in the ranking" in text
    assert "byol (linear, toy)" in text
    assert "other test images or labels than random" in text
    assert "i110" not in text  # a name of an image
    assert "/runs" not in text.split("<script>")[0]  # a folder of this machine


def test_columns_that_differ_have_filters_and_the_others_are_said_once(page: Path, read: Reader) -> None:
    chosen = {int(value) for tag, name, value in read.attributes if name == "data-column"}
    assert {read.rows[0][column] for column in chosen} == {"method", "protocol"}
    assert "data <b>toy</b>" in page.read_text()
    assert "crops" in read.rows[0]


def test_provenance_is_one_link_away(full: Path, read_full: Reader, wide: RunDirectory) -> None:
    ids = {value for _, name, value in read_full.attributes if name == "id"}
    links = {value for tag, name, value in read_full.attributes if name == "href" and value.startswith("#origin")}
    assert links
    assert {link.removeprefix("#") for link in links} <= ids
    text = full.read_text()
    record = wide.read_record()
    for told in (record.data.fingerprint, record.data.splits_sha256, "sslbench 9.8.7", "2.11.0",
                 "strength 1.0", "prototypes: 32"):  # fmt: skip
        assert told in text
    assert str(wide.path.parent) not in text
    assert "i999" not in text  # a rejected image


@pytest.mark.parametrize("path", ["/data/nih", "~/nih", "data/nih", "C:\\nih", "../nih", "./nih"])
def test_the_configuration_names_no_folder(path: str) -> None:
    data = {"root": path, "labels": "native", "options": {"columns": path}, "name": "table"}
    config = {"data": data, "unknown": path,
              "evaluate": {"test_on": [{"name": "chexpert", "root": path}]}, "seed": 3}  # fmt: skip
    text = public_config(Record.model_validate({"config": config, "metrics": ()}))
    assert path not in text
    assert "labels: native" in text
    assert "seed: 3" in text


def test_page_has_shares_gaps_and_maps_without_names_of_images(full: Path, read_full: Reader) -> None:
    text = full.read_text()
    specs = [json.loads(data) for data in read_full.data]
    shown = next(spec for spec in specs if "maps" in spec)["maps"]
    assert {one["name"] for one in shown} == {"msn-ehr (age, sex)", "random"}
    names = [variable["name"] for variable in shown[0]["variables"]]
    assert names[-3:] == ["sex", "age", "view"]
    assert {len(variable["codes"]) for variable in shown[0]["variables"]} == {len(shown[0]["x"])}
    age = next(variable for variable in shown[0]["variables"] if variable["name"] == "age")
    assert age["codes"].count(len(age["values"]) - 1) == 1  # one age is unknown
    assert "Label efficiency" in text
    assert "Macro AUROC by subgroup and its gaps" in text
    assert "SYNTHETIC DATA" in text
    assert not re.search(r"\bi00\d\b|\bp1\d\b", "".join(read_full.data))


def test_headings_do_not_skip_a_level(read_full: Reader) -> None:
    levels = [int(tag[1]) for tag in read_full.headings]
    assert levels[0] == 1
    assert all(later <= earlier + 1 for earlier, later in pairwise(levels))


def test_real_images_are_refused_unless_their_dataset_permits(board: Board, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nothing says that those of toy may be shown"):
        write_page(board, tmp_path / "page.html", cache=tmp_path)
    assert not (tmp_path / "page.html").exists()


def test_a_licence_or_synthetic_data_permit_thumbnails() -> None:
    class Registered(Registry):
        def get(self, kind: str, name: str) -> Any:
            return DatasetSpec(name=name, target="x:y", summary="", thumbnails=name == "open")

    record = Record(config={"data": {"name": "open"}}, metrics=())
    closed = record.but(config={"data": {"name": "closed"}})
    virtual = closed.but(synthetic=True)
    mixed = virtual.but(data=Data(datasets=("synthetic", "closed")))
    assert [thumbnails._permitted(one, Registered()) for one in (record, closed, virtual, mixed)] == [
        True, False, True, False,
    ]  # fmt: skip


def test_thumbnails_are_those_of_the_points(wide: RunDirectory, tmp_path: Path) -> None:
    board = read_board([wide.path], replicates=100)
    with pytest.raises(UsageError, match="name their folder by --cache"):
        map_data(board, [], tmp_path)
    ids = [f"i{number:03}" for number in reversed(range(60))]
    for number, image_id in enumerate(ids):
        ramp = np.arange(64, dtype=np.uint8).reshape(8, 8) + np.uint8(3 * number)
        Image.fromarray(ramp).save(tmp_path / f"{image_id}.png")
    frame = pd.DataFrame({"image_id": ids, "image_path": [f"{image_id}.png" for image_id in ids]})
    store = prepare(Cohort("tiny", tmp_path, frame, (), ()), tmp_path, DecodeOptions(8))
    for member in (member for arm in board.groups for member in arm.runs):
        data = member.record.data.but(fingerprint=store.fingerprint)
        object.__setattr__(member, "record", member.record.but(data=data))
    shown = map_data(board, [], tmp_path)
    assert shown is not None
    assert len(shown["pictures"]) == 60  # shared by all encoders
    assert shown["maps"][0]["pictures"] == list(range(60))
    assert len(set(shown["pictures"])) == 60
