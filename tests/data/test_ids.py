"""Identifiers: spellings of one id, words for none, digits that a float would lose."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ssl_bench.data.alike import NOTICED, alike, noticed
from ssl_bench.data.ids import canonical, canonicals, check_ids, merge_ids, same, without_point
from ssl_bench.data.parquet import read_parquet
from ssl_bench.data.splits import check_leakage
from ssl_bench.errors import DataError
from ssl_bench.plugin.cohort import Cohort
from ssl_bench.plugin.splits import DEFAULT_SHARES, assign, select


def make(patients: list[str], split: list[str] | None = None, *, official: bool = True) -> Cohort:
    names = [f"{number}.png" for number in range(len(patients))]
    frame = pd.DataFrame({"image_id": names, "image_path": names, "patient_id": patients, "study_id": names})
    frame["split"] = split or ["train"] * len(names)
    return Cohort("toy", Path("."), frame, (), (), official_split=official)


SPELLINGS = [
    ("12", "12.0"), ("12", "12.00"), ("12", "012"), ("P7", "p7"), ("P 7", "P7"), ("P7", "P7\u200b"), ("P7", "P\u00a07"),
    ("12", "\uff11\uff12"), ("12", "\u0661\u0662"), ("P-7", "P\u20137"), ("P-7", "P\u20117"), ("A1", "\ufeffA1"),
    ("stra\u00dfe", "STRASSE"), ("e\u0301", "\u00e9"), ("12", "'12"), ("12", '="12"'), ("patient007", "patient7"),
    ("12", "12."), ("P_01", "P_1"), ("Muller", "MULLER"),
    ("5", "+5"), ("1000", "1,000"), ("1000", "1,000.0"), ("1000000", "1.000.000"), ("1000", "1'000"), ("12", "12,0"),
    ("1000", "1e3"), ("1000", "1E3"), ("1500", "1.5e3"), ("1000", "01e3"), ("p_1", "p-1"), ("p_1", "P-01"),
    ("P-7", "P\u22127"),
]  # fmt: skip


@pytest.mark.parametrize(("one", "two"), SPELLINGS)
def test_two_spellings_of_one_id_are_refused_and_can_be_merged(one: str, two: str) -> None:
    cohort = make([one, one, two, "other"], ["train", "train", "test", "test"])
    check_leakage(cohort)  # which is blind to it
    with pytest.raises(DataError, match=r"patient_id has 1 ids in two spellings: .* and .*data\.similar_ids=merge"):
        check_ids(cohort)
    merged = merge_ids(cohort)
    assert merged.frame["patient_id"].tolist() == [one, one, one, "other"]
    assert merged.counts == {"patient_id in another spelling, merged": 1}
    check_ids(merged)
    with pytest.raises(DataError, match="no patient may be in two splits; 1 are"):
        check_leakage(merged)


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("1.5", "1.05"),
        ("12", "120"),
        ("12", "1.2"),
        ("1.2.840.1", "1.2.840.10"),
        ("P7", "P-7"),
        ("0", "00x"),
        ("a", "ä"),
        ("12", "1,2"),
        ("1200", "12,00,0"),
        ("1e3", "10e2"),
        ("1e-3", "1000"),
        ("+p", "p"),
        ("1.234", "1234"),
    ],
)
def test_two_ids_stay_two(one: str, two: str) -> None:
    assert canonical(one) != canonical(two)
    check_ids(make([one, two]))
    assert not merge_ids(make([one, two])).counts


def test_an_e_among_hexadecimal_digits_is_a_digit() -> None:
    check_ids(make(["1e03", "1000", "00ab"]))
    with pytest.raises(DataError, match="'1000' and '1e03'"):
        check_ids(make(["1e03", "1000", "1234"]))


def test_images_may_differ_in_the_kind_of_dash() -> None:
    cohort = make(["a", "b"])
    names = pd.Series(["IMG_1", "IMG-1"])
    check_ids(cohort.with_frame(cohort.frame.assign(image_id=names)))


@pytest.mark.parametrize("word", ["nan", "NaN", "None", "NA", "<NA>", "null", "N/A", "NaT", "Unknown", " nan ", "#N/A"])
def test_words_for_no_id_are_refused(word: str) -> None:
    with pytest.raises(DataError, match=r"patient_id holds .*which software writes where there is no id"):
        check_ids(make(["1", word]))


def test_rounded_numbers_of_a_spreadsheet_are_refused() -> None:
    with pytest.raises(DataError, match=r"patient_id holds 1 rounded numbers such as 1\.00023E\+15"):
        check_ids(make(["1.00023E+15", "2"]))
    check_ids(make(["1e5", "12e7", "7E3"]))  # such as hashes


def test_studies_and_images_by_names_of_their_own_are_looked_at_too() -> None:
    cohort = make(["1", "2"])
    with pytest.raises(DataError, match=r"study_id has 1 ids in two spellings: '7' and '7\.0'"):
        check_ids(cohort.with_frame(cohort.frame.assign(study_id=["7", "7.0"])))
    with pytest.raises(DataError, match="image_id has 1 ids in two spellings: 'A' and 'a'"):
        check_ids(cohort.with_frame(cohort.frame.assign(image_id=["a", "A"])))
    check_ids(cohort.with_frame(cohort.frame.assign(image_id=["nan", "NA"], study_id=["s", "t"])))


def test_merged_patients_are_drawn_once() -> None:
    ids = [str(number) for number in range(200)] + [f"{number}.0" for number in range(0, 200, 2)]
    patients = pd.Series(ids)
    drawn = make(ids, assign(patients, DEFAULT_SHARES).tolist(), official=False)
    merged = merge_ids(drawn)
    check_leakage(merged)
    assert (merged.frame["split"] == assign(merged.frame["patient_id"], DEFAULT_SHARES)).all()
    halves = pd.Series(["train" if int(float(text)) < 150 else "test" for text in ids])
    official = merge_ids(make(ids, select(patients, halves).tolist()))
    check_leakage(official)
    assert ((official.frame["split"] == "test") == (halves == "test")).all()


def test_ids_of_two_folders_are_compared_in_any_spelling() -> None:
    assert same(["12", "007", "x"], ["12.0", "7"]) == ["007", "12"]


def test_numbers_that_all_went_through_floating_point_are_whole() -> None:
    assert without_point(pd.Series(["12.0", "", "7.0"])).tolist() == ["12", "", "7"]
    assert without_point(pd.Series(["12.0", "7"])).tolist() == ["12.0", "7"]  # two spellings: refused later
    assert without_point(pd.Series(["1.5", "7.0"])).tolist() == ["1.5", "7.0"]


LONG = [2**53 + 1, 2**53 + 2, 2**53 + 3]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pa.array(LONG, pa.int64()), [str(number) for number in LONG]),
        (pa.array([*LONG, None], pa.int64()), [*map(str, LONG), ""]),
        (pa.array([2**64 - 1, 2**64 - 2], pa.uint64()), [str(2**64 - 1), str(2**64 - 2)]),
        (
            pa.array([Decimal("12"), Decimal("9007199254740993"), None], pa.decimal128(20, 2)),
            ["12", str(2**53 + 1), ""],
        ),
        (pa.array(LONG, pa.int64()).dictionary_encode(), [str(number) for number in LONG]),
        (pa.array(["007", " x ", None]).dictionary_encode(), ["007", "x", ""]),
        (pa.array(["007", "NA"], pa.large_string()), ["007", "NA"]),
        (pa.array([b"007", b"\xff\x00"]), ["007", "ff00"]),
        (pa.array([12.0, None, float("nan"), 1.5]), ["12", "", "", "1.5"]),
        (pa.array([12.0, 57.1], pa.float32()), ["12", "57.1"]),
        (pa.array([True, None, False]), ["1", "", "0"]),
        (pa.array([None, None]), ["", ""]),
        (pa.array([["Edema", "Mass"], [], None]), ["Edema|Mass", "", ""]),
    ],
)
def test_parquet_is_read_digit_by_digit(tmp_path: Path, values: pa.Array, expected: list[str]) -> None:
    pq.write_table(pa.table({"patient": values}), tmp_path / "t.parquet")
    assert read_parquet(tmp_path / "t.parquet", {"patient_id": "patient"}).frame["patient_id"].tolist() == expected


@pytest.mark.parametrize(("kind", "number"), [(pa.float64(), 1e16), (pa.float32(), 2.0**25)])
def test_ids_that_lost_their_digits_before_are_refused(tmp_path: Path, kind: pa.DataType, number: float) -> None:
    pq.write_table(pa.table({"patient": pa.array([number, 1.0], kind)}), tmp_path / "t.parquet")
    with pytest.raises(DataError, match=r"patient of .* is stored as floating-point numbers.*write the column as text"):
        read_parquet(tmp_path / "t.parquet", {"patient_id": "patient"})
    assert read_parquet(tmp_path / "t.parquet", {"feature:age": "patient"}).frame["feature:age"].tolist()[1] == "1"


def test_a_column_that_is_the_index_of_a_data_frame_is_found(tmp_path: Path) -> None:
    pd.DataFrame({"age": [1]}, index=pd.Index([2**60 + 1], name="patient")).to_parquet(tmp_path / "t.parquet")
    table = read_parquet(tmp_path / "t.parquet", {"patient_id": "patient"})
    assert table.frame["patient_id"].tolist() == [str(2**60 + 1)]


@pytest.mark.parametrize("alphabet", ["012aZ-_/:", "01,.e+'", "0012aZ-_/. '=\u00e9\u0660\t#", "\u0660\u2013 "])
def test_a_column_is_made_canonical_as_each_of_its_ids_is(alphabet: str) -> None:
    rng = np.random.default_rng(0)
    texts = {"".join(rng.choice(list(alphabet), rng.integers(0, 8))) for _ in range(2000)}
    ids = pd.Series(sorted(texts), dtype=str)
    assert canonicals(ids).tolist() == [canonical(text) for text in ids]


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("P7", "P-7"), ("P_7", "P7"), ("PO1", "P01"), ("Pl2", "P12"), ("M\u00fcller", "Muller"), ("1-5", "1/5"),
        ("P7", "7"), ("patient00007", "7"), ("\u04207", "P7"), ("#7", "7"), ("(7)", "7"), ("1.234", "1-234"),
    ],
)  # fmt: skip
def test_ids_that_look_like_another_one_are_told_of_and_stay(one: str, two: str) -> None:
    cohort = make([one, two, "other"])
    check_ids(cohort)
    assert alike(cohort) == [sorted([one, two])]
    told = noticed(cohort)
    assert told.counts == {NOTICED: 1}
    assert told.frame["patient_id"].tolist() == [one, two, "other"]


@pytest.mark.parametrize(
    "ids",
    [
        ["10000032", "10000980"], ["patient00001", "patient00010"], ["1", "2", "10"], ["4a", "4b", "a4"],
        ["1-11", "11-1"], ["1.2.840.11.1", "1.2.840.1.11"], ["A7", "B7", "7"], ["id_1", "id_10"],
        ["839860488694292331637988235681460987", "83986048869429233163798823568146098"],
    ],
)  # fmt: skip
def test_ids_of_genuine_datasets_are_not_alike(ids: list[str]) -> None:
    check_ids(make(ids))
    assert not alike(make(ids))
    assert noticed(make(ids)).counts == {}
