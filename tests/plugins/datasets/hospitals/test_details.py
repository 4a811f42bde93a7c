"""What each further hospital's values mean, on values that were settled by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd
import pytest

from ssl_bench.config.config import load
from ssl_bench.data.stats import statistics
from ssl_bench.errors import DataError, HandledError
from ssl_bench.plan.external import _check_apart
from ssl_bench.plan.plan import make_plan
from ssl_bench.plugin.cohort import Cohort
from ssl_bench.plugin.registry import Registry
from sslbench_datasets.hospitals.brax import lower_ends
from sslbench_datasets.hospitals.draft import Draft
from sslbench_datasets.hospitals.openi import read_terms as mesh_terms
from sslbench_datasets.hospitals.options import Readers
from sslbench_datasets.hospitals.padchest import FINDINGS, read_terms, terms_table, years_of
from sslbench_datasets.hospitals.readers import agreed, from_grades
from sslbench_datasets.hospitals.taix import GRADES, read_grades
from sslbench_datasets.hospitals.vindr import FINDINGS as VINDR
from sslbench_datasets.hospitals.vindr import Part, settle

Make = Callable[[str], Path]
Read = Callable[..., Cohort]


def draft(rows: int) -> Draft:
    ids = pd.Series([str(row) for row in range(rows)])
    return Draft.of("x", Path(), ids, ids, ids)


def test_padchest_terms_are_matched_whole() -> None:
    cells = ["['breast mass']", "['pulmonary mass', ' nodule']", "['hydropneumothorax']", "['normal']", "", "[]",
             "['unchanged', '']", "[\"Chilaiditi's sign\"]", "['pneumonia', 'normal', 'exclude']",
             "['Pleural  Effusion']", "[nan, 'air bronchogram']"]  # fmt: skip
    one = draft(len(cells))
    marks, exclude = read_terms(pd.Series(cells), Path("labels.csv"), one)
    positive = [tuple(marks.columns[marks.loc[row] == 1]) for row in range(len(cells))]
    assert positive == [(), ("Mass", "Nodule"), ("Pleural Effusion", "Pneumothorax"), ("No Finding",), (), (), (), (),
                        ("Pneumonia",), ("Pleural Effusion",), ("Consolidation", "Infiltration")]  # fmt: skip
    assert list(marks.isna().all(axis=1)) == [False, False, False, False, True, True, True, False, False, False, False]
    assert exclude.tolist() == [False] * 8 + [True, False, False]
    assert one.unmapped == {"breast mass": 1, "Chilaiditi's sign": 1}
    assert one.counts["normal images with a finding, which are not normal"] == 1
    assert one.counts["images with terms that are not PadChest's"] == 1


@pytest.mark.parametrize("cell", ["nodule", "['nodule'", "['nodule' 'mass']", "['nodule',, 'mass']", "{'nodule'}"])
def test_padchest_refuses_what_is_no_list(cell: str) -> None:
    with pytest.raises(DataError, match="must be lists such as"):
        read_terms(pd.Series(["['normal']", cell]), Path("labels.csv"), draft(2))


def test_the_table_of_terms_names_findings_of_ours_alone_and_each_term_once() -> None:
    table = terms_table()
    named = table["findings"].str.split("|").explode()
    assert set(named) - {"", "(exclude)", "(nothing)"} == set(FINDINGS)
    assert table["term"].is_unique
    assert len(table) > 190


def test_padchest_ages_are_years_since_the_year_of_birth() -> None:
    born = years_of(pd.Series(["1948.0", "1948", "19480101", "", "0", "3000"]))
    assert born.tolist()[:3] == [1948, 1948, 1948]
    assert born.isna().tolist()[3:] == [True, True, True]


def test_padchest_tests_on_what_a_physician_labelled(hospitals: Make, read: Read) -> None:
    root = hospitals("padchest")
    strict, wide = read("padchest", root), read("padchest", root, test_labels="all")
    left = strict.counts["test images that a network labelled"]
    assert len(wide.split("test")) - len(strict.split("test")) == left > 0
    assert len(wide.split("train")) == len(strict.split("train"))


def test_padchest_is_read_from_one_folder_too(copy: Make, hospitals: Make, read: Read) -> None:
    root = copy("padchest")
    for image in list(root.glob("*/*.png")):
        image.rename(root / image.name)
    for folder in [path for path in root.iterdir() if path.is_dir()]:
        folder.rmdir()
    assert (read("padchest", root).frame["image_path"].str.count("/") == 0).all()
    assert (read("padchest", hospitals("padchest")).frame["image_path"].str.count("/") == 1).all()


def test_readers_agree_by_the_stated_policy() -> None:
    marks = pd.DataFrame({"Edema": [1, 1, 0, 1, 0, 0, np.nan, 1, 1], "Mass": [0, 0, 0, 1, 1, 1, 1, 0, np.nan]})
    images = pd.Series(list("aaabbbccc"))
    settled = {policy: agreed(marks, images, policy)["Edema"].tolist() for policy in ("majority", "any", "all")}
    assert settled == {"majority": [1, 0, 1], "any": [1, 1, 1], "all": [0, 0, 1]}
    assert agreed(marks, images, "majority")["Mass"].tolist() == [0, 1, 0]  # a tie is 0


def test_vindr_counts_positives_under_every_policy(hospitals: Make, read: Read) -> None:
    root = hospitals("vindr-cxr")
    cohorts = {policy: read("vindr-cxr", root, readers=policy) for policy in ("majority", "any", "all")}
    for policy, cohort in cohorts.items():
        found = {label: int((cohort.frame[label] == 1).sum()) for label in cohort.labels}
        assert found == cohort.sensitivity[f"readers={policy}"]
    totals = [sum(cohorts["any"].sensitivity[f"readers={policy}"].values()) for policy in ("all", "majority", "any")]
    assert totals == sorted(set(totals))


def test_no_finding_takes_all_readers_where_a_finding_takes_one() -> None:
    rows = [{**dict.fromkeys(VINDR, 0.0), "No Finding": 1.0}, {**dict.fromkeys(VINDR, 0.0), "Edema": 1.0}]
    part = Part(pd.Series(["a", "a", "b", "b"]), pd.DataFrame([*rows, rows[0], rows[0]]))
    found = {policy: settle(part, policy)[["Edema", "No Finding"]].to_numpy().tolist() for policy in get_args(Readers)}
    assert found == {"majority": [[0, 0], [0, 1]], "any": [[1, 0], [0, 1]], "all": [[0, 0], [0, 1]]}


@pytest.mark.parametrize("name", ["taix-ray", "nih14-experts"])
def test_what_nobody_judged_is_no_negative(name: str, hospitals: Make, read: Read) -> None:
    cohort = read(name, hospitals(name))
    settled = cohort.with_labels("native", "zeros", "zeros").frame[list(cohort.labels)]
    blank = cohort.frame[list(cohort.labels)].isna()
    assert blank.to_numpy().any()
    assert settled.isna().equals(blank)


@pytest.mark.parametrize("name", ["vindr-cxr", "rsna-pneumonia", "siim-acr"])
def test_headers_give_age_and_sex(name: str, hospitals: Make, read: Read) -> None:
    cohort = read(name, hospitals(name), headers=True)
    assert {"age", "sex", "view"} <= set(cohort.features)
    assert cohort.frame["age"].notna().any()
    assert cohort.frame["age"].dropna().between(1, 120).all()
    assert set(cohort.frame["sex"].dropna()) == {"M", "F"}


def test_brax_ages_are_lower_ends_of_bins() -> None:
    ages = lower_ends(pd.Series(["60", "60-64", "85 or more", "85+", "", "old"]))
    assert ages.tolist()[:4] == [60, 60, 85, 85]
    assert ages.isna().tolist()[4:] == [True, True]


def test_grades_follow_the_policy_and_the_worse_side_counts() -> None:
    row = {"image": "a", **dict.fromkeys(GRADES, "0")}
    left, right = "Pleural Effusion:Left", "Pleural Effusion:Right"
    rows = [row, {**row, left: "3"}, {**row, left: "", right: ""},
            {**row, "Cardiomegaly": "-1", "Atelectasis:Right": "1"}]  # fmt: skip
    grades = read_grades(pd.DataFrame(rows), Path("annotation.csv"))
    assert grades["Pleural Effusion"].fillna(-9).tolist() == [0, 3, -9, 0]
    assert grades["Cardiomegaly"].isna().tolist() == [False, False, False, True]
    settled = {
        name: from_grades(grades, (1.0,), name)["Atelectasis"].iloc[3] for name in ("uncertain", "ones", "zeros")
    }
    assert settled == {"uncertain": -1, "ones": 1, "zeros": 0}
    with pytest.raises(DataError, match="must be 0 to 4"):
        read_grades(pd.DataFrame([{**row, "Cardiomegaly": "5"}]), Path("annotation.csv"))


def test_taix_ages_are_days_and_folds_differ(hospitals: Make, read: Read) -> None:
    cohort = read("taix-ray", hospitals("taix-ray"))
    assert cohort.frame["age"].between(16, 106).all()
    other = read("taix-ray", hospitals("taix-ray"), fold=1)
    assert not other.frame["split"].equals(cohort.frame["split"])
    with pytest.raises(DataError, match="has no fold 9; found 0, 1, 2, 3, 4"):
        read("taix-ray", hospitals("taix-ray"), fold=9)


def test_rsna_patients_are_nihs_by_the_mapping_and_images_without_it(copy: Make, read: Read) -> None:
    root = copy("rsna-pneumonia")
    known = read("rsna-pneumonia", root)
    assert known.frame["patient_id"].nunique() < len(known)
    assert not known.notes
    mapping = root / "pneumonia-challenge-dataset-mappings_2018.json"
    rows = json.loads(mapping.read_text())
    mapping.unlink()
    alone = read("rsna-pneumonia", root)
    assert alone.frame["patient_id"].equals(alone.frame["image_id"])
    assert "no patient ids" in alone.notes[0]
    mapping.write_text(json.dumps([{"other": row["img_id"]} for row in rows]))
    with pytest.raises(DataError, match="must list subset_img_id with img_id"):
        read("rsna-pneumonia", root)


def test_mesh_terms_fold_to_findings_and_unindexed_reports_are_unknown() -> None:
    terms = pd.Series([["Cardiomegaly/mild", "Thickening/pleura/apex"], ["no indexing"], [], ["normal"],
                       ["Calcinosis/lung", "Calcinosis/aorta"]])  # fmt: skip
    one = draft(5)
    marks = mesh_terms(terms, one)
    assert [tuple(marks.columns[marks.loc[row] == 1]) for row in range(5)] == [
        ("Cardiomegaly", "Pleural_Thickening"), (), (), ("No Finding",), ()]  # fmt: skip
    assert marks.isna().all(axis=1).tolist() == [False, True, True, False, False]
    assert one.unmapped == {"Calcinosis": 1}


def test_openi_leaves_lateral_films_out_where_they_are_known(copy: Make, read: Read) -> None:
    root = copy("openi")
    every = read("openi", root)
    name = every.frame["image_id"].str.removeprefix("CXR") + ".dcm.png"
    side = np.where(every.frame["image_id"].str.endswith("-2001"), "Lateral", "Frontal")
    pd.DataFrame({"uid": 1, "filename": name, "projection": side}).to_csv(root / "indiana_projections.csv", index=False)
    frontal = read("openi", root)
    assert len(frontal) == (side == "Frontal").sum() < len(every)
    assert not any("told apart" in note for note in frontal.notes)


@pytest.mark.parametrize("text", ["male 45yrs", "Male, 45 yrs old", "Patient's Sex: M\nPatient's Age: 045Y\n"])
def test_clinical_readings_are_read_in_any_wording(text: str, copy: Make, read: Read) -> None:
    root = copy("shenzhen")
    first = sorted((root / "ClinicalReadings").iterdir())[0]
    first.unlink()
    first.write_text(text)
    row = read("shenzhen", root).frame.iloc[0]
    assert (row["age"], row["sex"]) == (45, "M")


def test_months_and_a_reading_that_is_not_there(copy: Make, read: Read) -> None:
    root = copy("shenzhen")
    first, second = sorted((root / "ClinicalReadings").iterdir())[:2]
    first.unlink()
    second.unlink()
    second.write_text("female 4 months")
    cohort = read("shenzhen", root)
    assert cohort.counts["images without a clinical reading"] == 1
    assert cohort.frame["age"].iloc[1] == pytest.approx(4 / 12)
    assert cohort.frame[["age", "sex"]].iloc[0].isna().all()


def test_experts_judge_test_and_validation_and_nih_trains(hospitals: Make, read: Read) -> None:
    cohort = read("nih14-experts", hospitals("nih14-experts"))
    train, test = cohort.split("train"), cohort.split("test")
    assert train[["Fracture", "Lung Opacity"]].isna().all().all()
    assert test[list(cohort.labels)].notna().all().all()
    assert train["Nodule/Mass"].isin((0, 1)).all()
    assert not set(train["patient_id"]) & set(test["patient_id"])


def plan(registry: Registry, tmp_path: Path, data: dict[str, Any], *test_on: str) -> None:
    values = {"data": data, "evaluate": {"test_on": list(test_on)}}
    make_plan(load(values, name="smoke"), registry, tmp_path)


def test_the_same_patients_under_another_name_are_no_external_test_set(
    registry: Registry, hospitals: Make, tiny_nih: Callable[..., Path], tmp_path: Path
) -> None:
    nih = {"name": "nih14", "root": str(tiny_nih())}
    for name in ("rsna-pneumonia", "siim-acr"):
        with pytest.raises(HandledError, match=f"'{name}' holds images and patients of the run's own 'nih14'"):
            plan(registry, tmp_path, nih, f"{name}={hospitals(name)}")
    plus = {"name": "chexpert-plus", "root": str(hospitals("chexpert-plus"))}
    with pytest.raises(HandledError, match="the same images and patients under other names"):
        plan(
            registry, tmp_path, {**nih, "more": [{"name": "rsna-pneumonia", "root": str(hospitals("rsna-pneumonia"))}]}
        )
    plan(registry, tmp_path, plus, f"brax={hospitals('brax')}")


def test_chexpert_plus_is_refused_as_external_to_chexpert(registry: Registry, hospitals: Make, tmp_path: Path) -> None:
    from ssl_bench.data.synthetic import write_layout

    write_layout(registry, "chexpert", {"patients": 24, "size": 32}, tmp_path / "chexpert")
    with pytest.raises(HandledError, match="so it is no external test set"):
        plan(registry, tmp_path, {"name": "chexpert", "root": str(tmp_path / "chexpert")},
             f"chexpert-plus={hospitals('chexpert-plus')}")  # fmt: skip
    with pytest.raises(HandledError, match="so it is no external test set"):
        plan(registry, tmp_path, {"name": "chexpert-plus", "root": str(hospitals("chexpert-plus"))},
             f"chexpert={tmp_path / 'chexpert'}")  # fmt: skip


def test_experts_are_another_truth_of_nihs_own_test_patients(hospitals: Make, read: Read) -> None:
    root = hospitals("nih14-experts")
    experts, nih = read("nih14-experts", root), read("nih14", root)
    _check_apart(experts, {"nih14": nih}, allow_test=False)
    seen = nih.with_frame(nih.frame.assign(split="train"))
    with pytest.raises(HandledError, match="are in training or validation of the run's own 'nih14'"):
        _check_apart(experts, {"nih14": seen}, allow_test=False)


@pytest.mark.parametrize(("name", "policies"), [("vindr-cxr", 3), ("taix-ray", 3), ("brax", 0)])
def test_statistics_show_what_other_policies_would_give(name: str, policies: int, hospitals: Make, read: Read) -> None:
    cohort = read(name, hospitals(name)).with_labels("native", "zeros", "zeros")
    tables = statistics(cohort)
    assert ("policies" in tables) == bool(policies)
    if policies:
        assert tables["policies"].shape == (len(cohort.labels), policies)
