"""Findings of one meaning meet under one name, and unions of findings follow the stated rule."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from ssl_bench.plugin.labels import CHEXPERT14, COMMON7, NIH14, in_space
from ssl_bench.plugin.vocabulary import OTHER_NAMES, UNIONS, columns_by_name, common_name, coverage, strangers, union
from sslbench_datasets.hospitals import nih_experts, openi, padchest, taix, vindr

TAIX = (*taix.WHOLE, *taix.SIDED)


@pytest.mark.parametrize(
    ("name", "common"),
    [("Effusion", "Pleural Effusion"), ("pleural  effusion", "Pleural Effusion"), ("Pleural_Thickening",) * 2,
     ("Pleural thickening", "Pleural_Thickening"), ("Nodule/Mass", "Lung Lesion"), ("Pulmonary Congestion", "Edema"),
     ("Pulmonary fibrosis", "Fibrosis"), ("No finding", "No Finding"), ("Aortic enlargement",) * 2,
     ("PNEUMONIA", "Pneumonia"), ("Mass", "Mass")],
)  # fmt: skip
def test_common_names(name: str, common: str) -> None:
    assert common_name(name) == common
    assert common_name(common) == common


def test_no_name_stands_for_two_findings() -> None:
    names = [other.lower() for name, others in OTHER_NAMES.items() for other in (name, *others)]
    assert len(names) - len(set(names)) == sum(
        other.lower() == name.lower() for name, others in OTHER_NAMES.items() for other in others
    )
    assert set(UNIONS) <= set(OTHER_NAMES)
    assert {common_name(name) for name in (*CHEXPERT14, *NIH14)} <= set(OTHER_NAMES)


@pytest.mark.parametrize(
    ("labels", "space", "held"),
    [(CHEXPERT14, COMMON7, 7), (NIH14, COMMON7, 7), (NIH14, CHEXPERT14, 8), (CHEXPERT14, NIH14, 7),
     (padchest.FINDINGS, COMMON7, 7), (padchest.FINDINGS, NIH14, 14), (vindr.FINDINGS, COMMON7, 7),
     (vindr.FINDINGS, CHEXPERT14, 11), (TAIX, COMMON7, 4), (openi.FINDINGS, COMMON7, 7),
     (tuple(nih_experts.FINDINGS), CHEXPERT14, 4)],
)  # fmt: skip
def test_coverage_of_the_spaces(labels: tuple[str, ...], space: tuple[str, ...], held: int) -> None:
    found = coverage(labels, space)
    assert len(found) == held
    assert len(found) + len(found.lacking) == len(space)


def test_a_lesion_is_a_nodule_or_a_mass_where_there_is_no_lesion() -> None:
    assert coverage(NIH14, CHEXPERT14).unions == {"Lung Lesion": ("Nodule", "Mass")}
    assert coverage((*NIH14, "Lung Lesion"), CHEXPERT14).direct["Lung Lesion"] == "Lung Lesion"
    assert coverage(("Nodule",), ("Lung Lesion",)).lacking == ("Lung Lesion",)
    assert "Lung Lesion (Nodule or Mass)" in coverage(NIH14, CHEXPERT14).described()
    assert coverage(vindr.FINDINGS, CHEXPERT14).unions == {"Fracture": ("Rib fracture", "Clavicle fracture")}


def test_unions_of_known_uncertain_and_unknown_parts() -> None:
    nan = np.nan
    parts = pd.DataFrame({"a": [1, 0, 0, -1, -1, nan, nan, nan], "b": [0, 0, 1, 0, 1, 1, 0, nan]})
    assert union(parts).fillna(9).tolist() == [1, 0, 1, -1, 1, 1, 9, 9]


def test_the_datasets_own_label_of_that_name_wins() -> None:
    assert columns_by_name(["Effusion", "Pleural Effusion"])["Pleural Effusion"] == "Pleural Effusion"
    assert columns_by_name(["Nodule/Mass", "Nodule or mass"])["Lung Lesion"] == "Nodule/Mass"


def test_a_space_is_read_under_other_names() -> None:
    raw = pd.DataFrame(np.eye(len(vindr.FINDINGS)), columns=list(vindr.FINDINGS))
    chosen = in_space(raw, "common7")
    assert tuple(chosen) == COMMON7
    assert chosen["Pleural Effusion"].equals(raw["Pleural effusion"].rename("Pleural Effusion"))


def test_findings_that_nobody_else_has() -> None:
    assert strangers(NIH14) == []
    assert "Aortic enlargement" in strangers(vindr.FINDINGS)
    assert "Rib fracture" not in strangers(vindr.FINDINGS)
