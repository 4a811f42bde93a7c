"""Descriptors point at code without importing it."""

from __future__ import annotations

import dataclasses

import pytest

from ssl_bench import (
    BackboneSpec,
    Component,
    DatasetSpec,
    EncoderSpec,
    EvaluatorSpec,
    FusionSpec,
    LauncherSpec,
    LoggerSpec,
    MethodSpec,
    MetricSpec,
    Options,
)
from ssl_bench.errors import PluginError
from ssl_bench.plugin.components import KINDS


def method(**changes: object) -> MethodSpec:
    return MethodSpec(**{"name": "toy", "target": "collections:OrderedDict", "summary": "a toy", **changes})  # type: ignore[arg-type]


def test_every_kind_is_listed_under_its_name() -> None:
    assert set(KINDS.values()) == {
        MethodSpec,
        FusionSpec,
        DatasetSpec,
        BackboneSpec,
        EncoderSpec,
        EvaluatorSpec,
        MetricSpec,
        LauncherSpec,
        LoggerSpec,
    }
    assert all(issubclass(kind, Component) and kind.kind == name for name, kind in KINDS.items())


def test_load_resolves_the_target() -> None:
    from collections import OrderedDict

    assert method().load() is OrderedDict


@pytest.mark.parametrize(
    ("target", "why"),
    [
        ("no_such_package.module:Toy", "ModuleNotFoundError"),
        ("collections:Toy", "AttributeError"),
        ("not a path", "ValueError"),
    ],
)
def test_a_target_that_cannot_be_loaded_is_a_plugin_error(target: str, why: str) -> None:
    with pytest.raises(PluginError, match=f"^method 'toy' cannot be loaded from '{target}': {why}: ") as raised:
        method(target=target).load()
    assert raised.value.exit_code == 4


def test_a_component_without_options_has_the_empty_model() -> None:
    assert method().options_model() is Options
    assert not Options.model_fields


def test_options_that_cannot_be_loaded_are_a_plugin_error() -> None:
    with pytest.raises(PluginError, match=r"'no_such_package:Model'"):
        method(options="no_such_package:Model").options_model()


def test_descriptors_do_not_change() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        method().name = "other"  # type: ignore[misc]
    with pytest.raises(TypeError):
        method().defaults["key"] = 1  # type: ignore[index]


def test_a_descriptor_needs_name_target_and_summary() -> None:
    with pytest.raises(TypeError, match="summary"):
        MethodSpec(name="toy", target="collections:OrderedDict")  # type: ignore[call-arg]
