"""What tells arms apart is said in words, never as a path of a configuration."""

from __future__ import annotations

import re
from typing import Any

import pytest
from pydantic import BaseModel

from ssl_bench.comparison.naming import FORMS, WITHOUT, named, numbered, said
from ssl_bench.config.config import RunConfig

FEATURES = ("age", "sex")


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({}, "msn-ehr (age, sex)"),
        ({"ehr.control": "none"}, "msn-ehr (age, sex)"),
        ({"ehr.control": "shuffled"}, "msn-ehr (age, sex; shuffled)"),
        ({"fusion.name": "film", "ehr.control": "noise"}, "msn-ehr (age, sex; film; noise)"),
        ({"fusion.name": "none"}, "msn-ehr (age, sex; not joined)"),
        ({"pretrain.epochs": 9, "ehr.control": "shuffled"}, "msn-ehr (age, sex; shuffled), 9 epochs"),
        ({"pretrain.lr": 0.002, "pretrain.batch_size": 64}, "msn-ehr (age, sex), learning rate 0.002, batches of 64"),
        ({"method.prototypes": 512}, "msn-ehr (age, sex), prototypes 512"),
        ({"pretrain.compile": True}, "msn-ehr (age, sex), with compile"),
        ({"data.options": {"quality_lists": ["a", "b"]}}, "msn-ehr (age, sex), quality lists a/b"),
        ({"pretrain.tflop": None, "knn.neighbours": [5, 20]}, "msn-ehr (age, sex), knn neighbours 5/20"),
    ],
)
def test_an_arm_is_named_as_a_person_would(settings: dict[str, Any], name: str) -> None:
    assert named("msn-ehr", FEATURES, settings) == name


def test_an_arm_without_features_has_what_is_done_with_ehr_in_brackets() -> None:
    assert named("msn", (), {"ehr.dropout": 0.5, "recipe": "paper"}) == "msn (dropout 0.5), recipe paper"


def settings(model: type[BaseModel], above: str = "") -> list[str]:
    """Every path of a configuration, as the names of arms have them: a section and a key."""
    return [
        f"{above}{key}"
        for key, field in model.model_fields.items()
        for key in ([f"{key}.{inner}" for inner in field.annotation.model_fields]
                    if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel) else [key])
    ]  # fmt: skip


@pytest.mark.parametrize("key", settings(RunConfig))
def test_no_setting_is_said_as_a_path(key: str) -> None:
    text = said(key, "value")
    assert "value" in text
    assert not re.search(r"\w\.\w|[=_]", text)


def test_every_form_is_of_a_setting_that_there_is() -> None:
    assert {*FORMS, *WITHOUT} - {*settings(RunConfig)} == {"fusion.name", "encoder"}


def test_arms_of_one_name_are_numbered() -> None:
    assert numbered(["msn", "dino", "msn"]) == ["msn (1)", "dino", "msn (2)"]
