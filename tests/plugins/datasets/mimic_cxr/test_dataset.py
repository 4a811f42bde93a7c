"""The whole reader on files of each layout, its options, and the faults of faults.md on files made to be wrong."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from PIL import Image
from pydantic import ValidationError

from ssl_bench.config.recipes import held
from ssl_bench.data.decode import DecodeOptions
from ssl_bench.data.images import check_images
from ssl_bench.data.splits import check_leakage
from ssl_bench.data.store import prepare
from ssl_bench.errors import DataError, HandledError, UsageError
from ssl_bench.plugin.cohort import Cohort, check_cohort
from ssl_bench.plugin.labels import CHEXPERT14
from ssl_bench.plugin.registry import Registry
from sslbench_datasets.mimic_cxr.dataset import FEATURES, SCAN_FEATURES, MimicCxr
from sslbench_datasets.mimic_cxr.options import MimicCxrOptions

Make = Callable[..., Path]
METADATA, SPLIT, LABELS = (f"mimic-cxr-2.0.0-{name}.csv.gz" for name in ("metadata", "split", "chexpert"))


def read(root: Path, **options: Any) -> Cohort:
    cohort = MimicCxr(MimicCxrOptions(**options)).read(root)
    check_cohort(cohort)
    return cohort


def rewrite(path: Path, change: Callable[[pd.DataFrame], object]) -> None:
    """Change a table in place; what ``change`` returns, if a table, is written instead."""
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    changed = change(table)
    (changed if isinstance(changed, pd.DataFrame) else table).to_csv(path, index=False)


def setting(row: int, **values: str) -> Callable[[pd.DataFrame], None]:
    def change(table: pd.DataFrame) -> None:
        for name, value in values.items():
            table.loc[row, name] = value

    return change


@pytest.fixture
def spoilt(tiny_mimic: Make) -> Path:
    """Files of ten patients to spoil."""
    return tiny_mimic(patients=10, fresh=True)


def test_images_features_labels_and_split(tiny_mimic: Make) -> None:
    cohort = read(tiny_mimic())
    check_leakage(cohort)
    check_images(cohort)
    assert (cohort.features[:6], cohort.labels, cohort.official_split) == (FEATURES, CHEXPERT14, True)
    assert len(cohort) == 80
    first = cohort.frame.iloc[0]
    assert (first["image_id"], first["patient_id"], first["study_id"]) == ("10000000-0", "10000000", "50000000")
    assert [first[name] for name in FEATURES] == [42, "M", "AP", "Recumbent", "1", "1"]
    later = cohort.frame.iloc[1]
    assert later["age"] == 43
    assert later[["mortality", "icu"]].isna().all()  # no admission is not "alive, not in ICU"
    assert cohort.frame.groupby("split")["patient_id"].nunique().to_dict() == {"train": 24, "validate": 8, "test": 8}
    assert cohort.counts["images of other views left out"] == 40


def test_patients_that_mimic_iv_lacks_stay_and_are_counted(tiny_mimic: Make) -> None:
    cohort = read(tiny_mimic())
    lacking = cohort.frame[cohort.frame["patient_id"] == "10000007"]
    assert len(lacking) == 2
    assert lacking[["age", "sex", "mortality", "icu"]].isna().all(axis=None)
    assert lacking["view"].tolist() == ["AP", "PA"]
    assert cohort.counts["patients that MIMIC-IV lacks"] == 5
    assert cohort.counts["images of patients that MIMIC-IV lacks"] == 10
    assert cohort.notes == ("5 of 40 patients are not in MIMIC-IV; their 10 images have no age, sex, mortality or icu",)


@pytest.mark.parametrize(("layout", "ending"), [("core", ".csv"), ("core", ".csv.gz"), ("hosp", ".csv")])
def test_layouts_and_plain_files_give_the_same_cohort(tiny_mimic: Make, layout: str, ending: str) -> None:
    cohort = read(tiny_mimic(layout=layout, ending=ending))
    assert_frame_equal(cohort.frame, read(tiny_mimic()).frame)


def test_the_file_names_of_another_release(spoilt: Path) -> None:
    before = read(spoilt).frame
    for path in spoilt.glob("*.csv.gz"):
        path.rename(spoilt / path.name.replace("2.0.0", "2.1.0"))
    assert_frame_equal(read(spoilt).frame, before)


def test_views_and_label_source(tiny_mimic: Make) -> None:
    assert len(read(tiny_mimic(), views="all")) == 120
    lateral = read(tiny_mimic(), views="LATERAL")
    assert set(lateral.frame["view"]) == {"LATERAL"}
    assert len(read(tiny_mimic(), views=["AP"])) == 40
    assert len(read(tiny_mimic(), label_source="negbio")) == 80
    (source := tiny_mimic(patients=10, fresh=True)).joinpath(LABELS).unlink()
    assert len(read(source, label_source="negbio")) == 20
    with pytest.raises(DataError, match=r"expected mimic-cxr-2\.1\.0-chexpert\.csv\.gz or "):
        read(source)


@pytest.mark.parametrize(
    "values", [{"views": "FRONTAL"}, {"views": ""}, {"label_source": "chexbert"}, {"ehr_join": "hour"}, {"view": "AP"}]
)
def test_options_that_do_not_exist(values: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        MimicCxrOptions(**values)  # type: ignore[arg-type]


def test_the_join_by_day(spoilt: Path) -> None:
    rewrite(spoilt / METADATA, setting(0, StudyTime="030000"))
    assert pd.isna(read(spoilt).frame["icu"].iloc[0])
    assert read(spoilt, ehr_join="day").frame["icu"].iloc[0] == "1"


def test_the_recipe_of_the_paper_widens_the_views_and_joins_by_day(registry: Registry) -> None:
    asked = held(registry, registry.get("method", "msn-ehr").recipes["paper"], "mimic-cxr")  # type: ignore[attr-defined]
    options = registry.options("dataset", "mimic-cxr", asked)
    assert options == MimicCxrOptions(views=("AP", "PA", "LATERAL", "LL"), ehr_join="day")
    assert registry.options("dataset", "mimic-cxr", {}, "paper") == MimicCxrOptions(ehr_join="second")


def test_without_mimic_iv_there_are_scan_features_only(spoilt: Path, tmp_path: Path) -> None:
    (spoilt / "mimiciv").rename(tmp_path / "elsewhere")
    cohort = read(spoilt)
    assert cohort.features == SCAN_FEATURES
    assert "age" not in cohort.frame
    assert "need --ehr-root" in cohort.notes[0]
    assert read(spoilt, ehr_root=str(tmp_path / "elsewhere")).features[:6] == FEATURES


def test_a_split_of_ones_own(spoilt: Path, tmp_path: Path) -> None:
    own = tmp_path / "own.csv"
    names = ["test", "validate", *["train"] * 8]
    own.write_text("subject_id,split\n" + "".join(f"{10_000_000 + n},{name}\n" for n, name in enumerate(names)))
    (spoilt / SPLIT).unlink()
    cohort = read(spoilt, split=str(own))
    assert not cohort.official_split
    assert cohort.split("test")["patient_id"].unique().tolist() == ["10000000"]
    with pytest.raises(UsageError, match="--split expects a CSV file, found none at nowhere"):
        read(spoilt, split="nowhere")


@pytest.mark.parametrize("name", ["Airspace Opacity", "Lung Opacity"])
def test_the_test_labels_call_one_finding_otherwise(spoilt: Path, name: str) -> None:
    header = ["study_id", *(name if finding == "Lung Opacity" else finding for finding in CHEXPERT14)]
    file = spoilt / "mimic-cxr-2.1.0-test-set-labeled.csv"
    file.write_text(",".join(header) + "\n" + ",".join(["50000000", *["1.0"] * 14]) + "\n")
    assert read(spoilt, test_labels=True).split("test")["Lung Opacity"].iloc[0] == 1
    file.write_text(file.read_text().replace("Edema", "Lung Opacity" if "Air" in name else "Airspace Opacity"))
    with pytest.raises(DataError, match="has the columns Airspace Opacity and Lung Opacity, which are one finding"):
        read(spoilt, test_labels=True)


def test_labels_of_the_test_split_by_a_radiologist(spoilt: Path) -> None:
    with pytest.raises(DataError, match=r"expected mimic-cxr-2\.1\.0-test-set-labeled\.csv"):
        read(spoilt, test_labels=True)
    row = ["50000000", *["1.0"] * 14]
    (spoilt / "mimic-cxr-2.1.0-test-set-labeled.csv").write_text(
        ",".join(["study_id", *CHEXPERT14]) + "\n" + ",".join(row) + "\n"
    )
    cohort = read(spoilt, test_labels=True)
    settled = cohort.with_labels("native", "zeros", "zeros")
    test = settled.split("test")[list(CHEXPERT14)]
    assert test.iloc[0].eq(1).all()
    assert test.iloc[1:].isna().all(axis=None)  # not labelled is not healthy
    assert settled.split("train")[list(CHEXPERT14)].notna().all(axis=None)
    assert cohort.counts["test studies without a radiologist's label"] == 3


def test_studies_without_a_label_stay_unknown_whatever_blank_means(spoilt: Path) -> None:
    rewrite(spoilt / LABELS, lambda table: table[table["study_id"] != "50000000"])
    settled = read(spoilt).with_labels("common7", "zeros", "zeros")
    assert settled.frame[list(settled.labels)].isna().all(axis=1).tolist() == [True, *[False] * 19]


@pytest.mark.real
@pytest.mark.parametrize(("layout", "part"), [("mimic_iv_demo_2.2", "hosp"), ("mimic_iv_demo_v1_columns", "core")])
def test_genuine_ehr_tables_of_the_same_patients(
    spoilt: Path, layout: str, part: str, genuine: Callable[[str], Path]
) -> None:
    folder = genuine(f"formats/{layout}")
    people = pd.read_csv(folder / part / "patients.csv", dtype=str)[:10]
    ids = {str(10_000_000 + row): subject for row, subject in enumerate(people["subject_id"])}
    for name in (METADATA, SPLIT, LABELS):
        rewrite(spoilt / name, lambda table: table.replace(ids))
    cohort = read(spoilt, ehr_root=str(folder))
    assert (len(cohort), cohort.notes) == (20, ())
    assert cohort.frame["sex"].tolist() == people["gender"].repeat(2).tolist()


# --- faults of faults.md, those that this layout has in its own way ---------------------------------------------------


def test_fault_01_truncated_and_empty_images_are_named(spoilt: Path, tmp_path: Path) -> None:
    cohort = read(spoilt)
    paths = [cohort.root / path for path in cohort.frame["image_path"]]
    paths[3].write_bytes(paths[3].read_bytes()[:300])
    paths[8].write_bytes(b"")
    with pytest.raises(DataError, match="2 of 20 images cannot be read: ") as error:
        prepare(cohort, tmp_path, DecodeOptions(32))
    assert all(str(paths[row].name) in str(error.value) for row in (3, 8))


def test_fault_02_missing_images_are_counted(spoilt: Path) -> None:
    cohort = read(spoilt)
    for path in cohort.frame["image_path"][:2]:
        (spoilt / path).unlink()
    with pytest.raises(DataError, match=r"2 of 20 images are not below .*10000000-0\.jpg, .*10000000-1\.jpg"):
        check_images(cohort)


TABLES = (METADATA, SPLIT, LABELS, *(f"mimiciv/{name}.csv.gz" for name in ("hosp/patients", "hosp/admissions",
          "icu/icustays")))  # fmt: skip


@pytest.mark.parametrize("name", TABLES)
def test_fault_03_wrong_missing_and_broken_tables_are_named(spoilt: Path, name: str) -> None:
    whole = (spoilt / name).read_bytes()
    column = gzip.decompress(whole).decode().partition(",")[0]
    rewrite(spoilt / name, lambda table: table.rename(columns={column: f"{column}s"}))
    with pytest.raises(DataError, match=rf"{Path(name).name} lacks {column} \(did you mean '{column}s'\?\); expected"):
        read(spoilt)
    text = gzip.decompress(whole).decode().splitlines()
    for content in (b"", whole[: len(whole) // 2], gzip.compress(text[0].encode())):
        (spoilt / name).write_bytes(content)
        with pytest.raises(DataError, match=Path(name).name):
            read(spoilt)
    (spoilt / name).unlink()
    with pytest.raises(DataError, match="complete the download"):
        read(spoilt)


def test_fault_03_all_missing_tables_are_told_at_once(spoilt: Path) -> None:
    for name in TABLES:
        (spoilt / name).unlink()
    with pytest.raises(DataError, match="6 problems"):
        read(spoilt)


def test_fault_04_duplicate_images_are_refused(spoilt: Path) -> None:
    rewrite(spoilt / METADATA, lambda table: pd.concat([table, table.iloc[[0]]]))
    with pytest.raises(DataError, match="image ids must be unique; 1 occur twice: 10000000-0"):
        read(spoilt)


def test_fault_05_06_ages_and_sexes(spoilt: Path) -> None:
    def change(table: pd.DataFrame) -> None:
        table["anchor_age"] = ["", "411", "005Y", "0", *table["anchor_age"][4:]]
        table["gender"] = ["Unknown", "", *table["gender"][2:]]

    rewrite(spoilt / "mimiciv/hosp/patients.csv.gz", change)
    cohort = read(spoilt)
    ages = cohort.frame.groupby("patient_id")["age"].first()
    assert ages.isna().tolist()[:5] == [True, True, False, True, False]
    assert ages.iloc[2] == 7
    assert cohort.frame["sex"].isna().sum() == 2 * 3
    expected = {"missing age": 2, "implausible or unreadable age": 4, "missing sex": 2, "unknown sex": 2}
    assert {what: cohort.counts[what] for what in expected} == expected


def test_fault_07_identifiers_stay_text(spoilt: Path) -> None:
    for name in (METADATA, SPLIT, LABELS, "mimiciv/hosp/patients.csv.gz", "mimiciv/hosp/admissions.csv.gz"):
        rewrite(spoilt / name, lambda table: table.replace({"10000001": "007", "10000002": "NA", "50000020": "0012"}))
    frame = read(spoilt).frame
    assert frame["patient_id"].unique().tolist()[:3] == ["10000000", "007", "NA"]
    assert frame["image_path"].iloc[2] == "files/p00/p007/s50000010/10000001-0.jpg"
    assert frame["study_id"].iloc[4] == "0012"
    assert frame["mortality"].tolist()[2:5:2] == ["0", "0"]
    assert frame[list(CHEXPERT14)].iloc[2:6].notna().any(axis=1).all()


def test_fault_08_a_patient_in_two_splits(spoilt: Path) -> None:
    rewrite(spoilt / SPLIT, setting(0, split="train"))
    with pytest.raises(DataError, match=r"no patient may be in two splits; 1 are: 10000000; .*bring a test patient"):
        check_leakage(read(spoilt))


def test_fault_09_a_finding_with_one_class_is_read(spoilt: Path) -> None:
    rewrite(spoilt / LABELS, lambda table: table.assign(Edema="0.0"))
    assert read(spoilt).frame["Edema"].eq(0).all()


@pytest.mark.parametrize("value", ["2", "-2", "0.5"])
def test_fault_10_label_values_name_the_image(spoilt: Path, value: str) -> None:
    rewrite(spoilt / LABELS, setting(0, Edema=value))
    with pytest.raises(DataError, match=f"labels must be 1, 0, -1 or blank; found 10000000-0 Edema={value}"):
        read(spoilt).with_labels("native", "zeros", "zeros")


@pytest.mark.parametrize("image", ["../../../../../etc/x", "/../../../../../x", "..\\..\\x"])
def test_fault_13_paths_that_leave_the_root(spoilt: Path, image: str) -> None:
    for name in (METADATA, SPLIT):
        rewrite(spoilt / name, setting(0, dicom_id=image))
    with pytest.raises(DataError, match="image paths must stay below"):
        read(spoilt)


def test_fault_13_links_out_of_the_root(spoilt: Path, tmp_path: Path) -> None:
    cohort = read(spoilt)
    study = (spoilt / cohort.frame["image_path"].iloc[0]).parent
    study.rename(tmp_path / "outside")
    study.symlink_to(tmp_path / "outside")
    with pytest.raises(DataError, match="1 of 20 images are not below"):
        check_images(cohort)


def test_fault_14_15_bombs_are_refused_and_colours_become_grey(spoilt: Path, tmp_path: Path) -> None:
    cohort = read(spoilt)
    for row, mode in enumerate(("RGB", "CMYK")):
        path = cohort.root / cohort.frame["image_path"].iloc[row]
        with Image.open(path) as image:
            image.convert(mode).save(path)
    assert prepare(cohort, tmp_path, DecodeOptions(32)).images.shape == (20, 32, 32)
    Image.new("L", (300, 300)).save(path)
    with pytest.raises(DataError, match=r"1 of 20 images cannot be read: .*10000000-1\.jpg"):
        prepare(cohort, tmp_path, DecodeOptions(32, pixel_limit=10_000))


# --- the command line -------------------------------------------------------------------------------------------------


def test_a_run_with_every_feature(sslbench: Any, tiny_mimic: Make, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("ssl_bench.api.start.report_or_warn", lambda directory, terminal: None)
    answer = sslbench(
        "run", "--preset", "smoke", "--method", "msn-ehr", "--features", "age,sex,view,position,icu,mortality",
        "--data", "mimic-cxr", "--root", tiny_mimic(patients=20), "--ehr-join", "day", "--uncertain", "ignore",
        "--blank", "ignore",
        "--views", "AP,PA", "--label-source", "negbio", "--epochs", 1, "--batch-size", 8, "--eval", "linear",
        "--set", "evaluate.replicates=100", "--set", "backbone.options={embed_dim: 16, depth: 1, num_heads: 2}",
        "--set", "method={name: msn-ehr, prototypes: 8, hidden_dim: 16, output_dim: 8}", "--out", tmp_path / "run",
    )  # fmt: skip
    assert answer.code == 0, answer.err
    record = json.loads((tmp_path / "run/record.json").read_text())
    notes = {note["code"]: note for note in record["notes"]}
    assert "icu, mortality come from after the image" in notes["post-image"]["text"]
    assert "2 of 20 patients are not in MIMIC-IV" in notes["unlinked"]["text"]
    assert notes["unlinked"]["numbers"] == {"patients": 2, "of": 20, "images": 4}
    assert "2 of 20 patients are not in MIMIC-IV" in answer.out
    data = record["config"]["data"]
    chosen = {"views": ["AP", "PA"], "label_source": "negbio", "ehr_join": "day"}
    assert data["options"] == {**record["options"]["dataset"]["mimic-cxr"], **chosen}
    assert (data["uncertain"], data["blank"]) == ("ignore", "ignore")
    assert record["options"]["dataset"]["mimic-cxr"]["views"] == ["AP", "PA"]
    assert record["options"]["dataset"]["mimic-cxr"]["test_labels"] is False
    assert record["data"]["counts"]["patients that MIMIC-IV lacks"] == 2


def refused(sslbench: Any, tmp_path: Path, *arguments: object) -> tuple[int, str]:
    answer = sslbench("run", "--preset", "smoke", "--out", tmp_path / "run", *arguments)
    return answer.code, answer.sentence


FLAGS = {
    "--views": "AP",
    "--label-source": "chexpert",
    "--ehr-root": "mimiciv",
    "--ehr-join": "day",
}


@pytest.mark.parametrize("flag", FLAGS)
def test_a_dataset_without_the_option_refuses_it(sslbench: Any, tmp_path: Path, flag: str) -> None:
    code, sentence = refused(sslbench, tmp_path, flag, FLAGS[flag])
    assert code == 2
    assert sentence.startswith(f"unknown key '{flag[2:].replace('-', '_')}' of dataset 'synthetic'; ")


def test_fault_12_features_without_their_tables(sslbench: Any, spoilt: Path, tmp_path: Path) -> None:
    (spoilt / "mimiciv").rename(tmp_path / "elsewhere")
    where = ("--data", "mimic-cxr", "--root", spoilt, "--batch-size", 8)
    code, sentence = refused(sslbench, tmp_path, *where, "--features", "age,view,stay")
    assert code == 2
    assert sentence == (
        "dataset 'mimic-cxr' has no feature 'age', 'mortality', 'icu'; it has view, position "
        f"(there are no tables of MIMIC-IV at {spoilt}: age, sex, mortality and icu need --ehr-root)"
    )
    answer = sslbench("run", "--preset", "smoke", "--dry-run", *where, "--ehr-root", tmp_path / "elsewhere")
    assert answer.code == 0, answer.err


def test_the_root_is_needed(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--root"):
        MimicCxr().locate(None, tmp_path)
    with pytest.raises(DataError, match="does not exist"):
        MimicCxr().locate(tmp_path / "absent", tmp_path)
    with pytest.raises(HandledError, match="3 problems"):
        read(tmp_path)
