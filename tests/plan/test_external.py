"""Other datasets to test on are read, checked and matched before anything is trained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from ssl_bench.config.config import ExternalConfig, load
from ssl_bench.errors import HandledError, UsageError
from ssl_bench.plan.external import External, _matched
from ssl_bench.plan.plan import Plan, make_plan
from ssl_bench.plugin.labels import NIH14
from ssl_bench.plugin.registry import Registry
from sslbench_datasets.nih14 import Nih14

Make = Callable[..., Path]
EXTERNAL = {"seed": 1, "patients": 20, "first": 1001}


@pytest.fixture
def plan(registry: Registry, tiny_nih: Make, tmp_path: Path) -> Callable[..., Plan]:
    def make(*test_on: Any, **data: Any) -> Plan:
        values = {"data": {"name": "nih14", "root": str(tiny_nih()), **data}, "evaluate": {"test_on": list(test_on)}}
        return make_plan(load(values, name="smoke"), registry, tmp_path)

    return make


def spoilt(root: Path, **columns: Callable[[pd.Series], pd.Series]) -> Path:
    """The folder with columns of its label file changed."""
    path = root / "Data_Entry_2017_v2020.csv"
    table = pd.read_csv(path, dtype=str)
    for name, change in columns.items():
        table[name.replace("_", " ")] = change(table[name.replace("_", " ")])
    table.to_csv(path, index=False)
    return root


def only(plan: Plan) -> External:
    (external,) = plan.external
    return external


def test_most_findings_shared_means_head_with_the_test_images_alone(plan: Callable[..., Plan], tiny_nih: Make) -> None:
    external = only(plan(f"nih14={tiny_nih(**EXTERNAL)}"))
    assert (external.name, external.mode, external.labels) == ("nih14-2", "head", NIH14)
    assert set(external.cohort.frame["split"]) == {"test"}
    assert [here for _, here, _ in external.shared] == list(NIH14)


def test_a_withheld_test_split_means_the_validation_images_of_the_other_dataset(
    plan: Callable[..., Plan], tiny_nih: Make, registry: Registry, tmp_path: Path
) -> None:
    for mode, splits in (("head", {"validate"}), ("refit", {"train", "validate", "test"})):
        values = {"data": {"name": "nih14", "root": str(tiny_nih())},
                  "evaluate": {"test_on": f"nih14:{mode}={tiny_nih(**EXTERNAL)}", "withhold": "test"}}  # fmt: skip
        made = make_plan(load(values, name="smoke"), registry, tmp_path)
        external = only(made)
        assert external.split == "validate"
        assert set(external.cohort.frame["split"]) == splits
        for cohort in (made.cohort, external.cohort):
            hidden = cohort.split("test")[list(cohort.labels)]
            assert hidden.isna().to_numpy().all()
            assert cohort.split("validate")[list(cohort.labels)].notna().to_numpy().any()


def test_findings_are_matched_by_their_common_names(plan: Callable[..., Plan], tiny_nih: Make) -> None:
    root = str(tiny_nih(**EXTERNAL))
    head = only(plan({"name": "nih14", "root": root, "labels": "native", "mode": "head"}, labels="common7"))
    assert ("Pleural Effusion", "Pleural Effusion", "Effusion") in head.shared
    assert len(head.shared) == 7
    other = only(plan({"name": "nih14", "root": root, "labels": "common7"}))
    assert other.mode == "refit", "7 of 14 findings are not most"
    assert ("Pleural Effusion", "Effusion", "Pleural Effusion") in other.shared
    assert other.labels == other.cohort.labels


def test_the_runs_label_space_is_taken_where_the_dataset_has_it(plan: Callable[..., Plan], tiny_nih: Make) -> None:
    external = only(plan(f"nih14:refit={tiny_nih(**EXTERNAL)}", labels="common7"))
    assert len(external.labels) == 7
    assert set(external.cohort.frame["split"]) == {"train", "validate", "test"}


def test_one_folder_in_two_modes_keeps_one_name(plan: Callable[..., Plan], tiny_nih: Make) -> None:
    root = tiny_nih(**EXTERNAL)
    made = plan(f"nih14:head={root},nih14:refit={root}", {"name": "nih14", "root": str(root), "called": "mine"})
    assert [(one.name, one.mode) for one in made.external] == [
        ("nih14-2", "head"),
        ("nih14-2", "refit"),
        ("mine", "head"),
    ]
    with pytest.raises(UsageError, match=r"^--test-on nih14: it is tested with head twice"):
        plan(f"nih14={root},nih14:head={root}")


def test_all_faults_of_all_datasets_are_told_at_once(plan: Callable[..., Plan], tiny_nih: Make, tmp_path: Path) -> None:
    broken = tiny_nih(**EXTERNAL, fresh=True)
    (broken / "images" / "00001005_000.png").unlink()
    with pytest.raises(HandledError) as error:
        plan(f"nih14={tmp_path / 'none'},nih14={broken},nih14={tiny_nih()}", root="/nowhere")
    said = str(error.value)
    assert "expects a folder at /nowhere" in said
    assert f"--test-on nih14={tmp_path / 'none'}: dataset 'nih14' expects a folder at {tmp_path / 'none'}" in said
    assert f"--test-on nih14={broken}: 1 of 40 images" in said


def test_the_runs_own_folder_and_its_patients_are_refused(plan: Callable[..., Plan], tiny_nih: Make) -> None:
    with pytest.raises(HandledError, match=r"^--test-on nih14: .* is the run's own dataset, which is tested"):
        plan(f"nih14={tiny_nih()}")
    with pytest.raises(HandledError, match=r"^--test-on nih14: 2 of its test patients are in training or validation"):
        plan(f"nih14={spoilt(tiny_nih(**EXTERNAL, fresh=True), Patient_ID=_moved)}")


def _moved(ids: pd.Series) -> pd.Series:
    return ids.replace({"1005": "1", "1010": "2"})


def test_a_missing_image_counts_only_where_it_is_read(plan: Callable[..., Plan], tiny_nih: Make) -> None:
    root = tiny_nih(**EXTERNAL, fresh=True)
    (root / "images" / "00001001_000.png").unlink()  # of the training split
    assert only(plan(f"nih14:head={root}")).mode == "head"
    with pytest.raises(HandledError, match="1 of 40 images are not below"):
        plan(f"nih14:refit={root}")


def test_nothing_to_measure_or_to_fit_is_refused(plan: Callable[..., Plan], tiny_nih: Make) -> None:
    healthy = spoilt(
        tiny_nih(**EXTERNAL, fresh=True), Finding_Labels=lambda column: column.mask(column != "", "No Finding")
    )
    for mode in ("head", "refit"):
        with pytest.raises(HandledError, match="no finding has both classes among the 8 test images"):
            plan(f"nih14:{mode}={healthy}")
    with pytest.raises(
        HandledError, match=r"among the \d+ test images, so nothing can be measured there; it has no labels"
    ):
        plan(f"table:refit={healthy / 'images'}")
    untrained = tiny_nih(**EXTERNAL, fresh=True)
    everything = (untrained / "train_val_list.txt").read_text() + "\n" + (untrained / "test_list.txt").read_text()
    (untrained / "test_list.txt").write_text(everything)
    (untrained / "train_val_list.txt").write_text("")
    assert len(only(plan(f"nih14={untrained}")).cohort) == 40
    with pytest.raises(HandledError, match=r"refit needs images in train, validate, test of nih14 at /.*; there"):
        plan(f"nih14:refit={untrained}")


def test_no_shared_finding_means_no_head(tiny_nih: Make) -> None:
    other = replace(Nih14().read(tiny_nih()), labels=("Mass",))
    with pytest.raises(HandledError, match=r"the run has Edema, Fracture, 'nih14' has Mass; choose nih14:refit=ROOT"):
        _matched(ExternalConfig(name="nih14", mode="head"), None, "x", other, ("Edema", "Fracture"))  # type: ignore[arg-type]
    found = _matched(ExternalConfig(name="nih14"), None, "x", other, ("Edema", "Fracture"))  # type: ignore[arg-type]
    assert found.mode == "refit"


def test_a_split_is_no_name(plan: Callable[..., Plan], tiny_nih: Make) -> None:
    with pytest.raises(HandledError, match="'test' is the name of a split"):
        plan({"name": "nih14", "root": str(tiny_nih(**EXTERNAL)), "called": "test"})
