"""The configuration: layers, shorthands, and keys that do not exist."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ssl_bench.config.config import DEFAULT_METHOD, PRESETS, RunConfig, assignment, load, preset, read_file, resolve
from ssl_bench.config.layers import merge
from ssl_bench.errors import UsageError

YAML = """
preset: smoke
method: {name: msn, prototypes: 64}
pretrain: {epochs: 7, lr: 0.01}
ehr: {features: [age, sex]}
"""

TOML = """
preset = "smoke"
[method]
name = "msn"
prototypes = 64
[pretrain]
epochs = 7
lr = 0.01
[ehr]
features = ["age", "sex"]
"""


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_the_default_is_the_demo_of_the_papers_method() -> None:
    config = load({})
    assert config.preset == "demo"
    assert config.method.name == DEFAULT_METHOD == "msn-ehr"
    assert config.data.name == "synthetic"
    assert config.backbone.name == "vit-micro"
    assert config.evaluate.protocols == ("linear", "knn")


def test_layers_defaults_preset_file_flags(tmp_path: Path) -> None:
    file = write(tmp_path, "run.yaml", "pretrain: {epochs: 7, lr: 0.01}\n")
    config = load({"pretrain": {"lr": 0.5}}, name="smoke", file=file)
    assert config.pretrain.lr == 0.5  # flags over the file
    assert config.pretrain.epochs == 7  # the file over the preset
    assert config.pretrain.batch_size == 16  # the preset over the defaults
    assert config.pretrain.lr_end == RunConfig().pretrain.lr_end  # the defaults, where nothing else speaks


def test_yaml_and_toml_say_the_same(tmp_path: Path) -> None:
    from_yaml = load({}, file=write(tmp_path, "run.yaml", YAML))
    from_toml = load({}, file=write(tmp_path, "run.toml", TOML))
    assert from_yaml == from_toml
    assert from_yaml.preset == "smoke"
    assert from_yaml.method.options == {"prototypes": 64}
    assert from_yaml.ehr.features == ("age", "sex")


def test_the_preset_comes_from_the_command_line_before_the_file(tmp_path: Path) -> None:
    file = write(tmp_path, "run.yaml", "preset: paper\n")
    assert load({}, file=file).preset == "paper"
    assert load({}, file=file).backbone.name == "vit-tiny"
    assert load({}, name="smoke", file=file).preset == "smoke"
    assert load({"preset": "smoke"}, file=file).backbone.image_size == 32


@pytest.mark.parametrize("name", PRESETS)
def test_presets_hold_known_keys_only(name: str) -> None:
    assert resolve([preset(name)]) == load({}, name=name).model_copy(
        update={"preset": "demo", "method": RunConfig().method}
    )


def test_the_batch_of_large_films_is_the_papers_and_comes_in_parts() -> None:
    large, paper = load({}, name="paper-512"), load({}, name="paper")
    assert large.pretrain.batch_size == paper.pretrain.batch_size
    assert (large.pretrain.accumulate, large.pretrain.checkpoint_activations) == (4, True)
    assert large.data.size == large.backbone.image_size == 512


def test_presets_do_not_name_a_method() -> None:
    assert all("method" not in preset(name) for name in PRESETS)


def test_an_unknown_preset_is_refused() -> None:
    with pytest.raises(UsageError, match=r"unknown preset 'smok'; did you mean 'smoke'\?"):
        load({}, name="smok")


@pytest.mark.parametrize("bare", ["method", "fusion"])
def test_a_bare_name_stands_for_a_component(bare: str) -> None:
    assert getattr(resolve([{bare: "toy"}]), bare) == getattr(resolve([{bare: {"name": "toy"}}]), bare)
    assert getattr(resolve([{bare: "toy"}, {bare: {"width": 3}}]), bare).options == {"width": 3}


def test_another_method_drops_the_options_of_the_one_before(tmp_path: Path) -> None:
    file = write(tmp_path, "run.yaml", YAML)
    assert load({"method": "simclr"}, file=file).method.options == {}
    assert load({"method": "msn"}, file=file).method.options == {"prototypes": 64}
    assert load({"method": {"name": "simclr", "temperature": 1}}, file=file).method.options == {"temperature": 1}
    assert load({"method": {"mask_ratio": 0.3}}, file=file).method.options == {"prototypes": 64, "mask_ratio": 0.3}


def test_an_option_that_is_called_like_a_choice_is_left_alone() -> None:
    layers = [{"method": {"name": "toy", "fusion": "one"}}, {"method": {"fusion": "both", "method": "x"}}]
    assert resolve(layers).method.options == {"fusion": "both", "method": "x"}


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"pretrain": {"epoch": 3}}, r"unknown key 'pretrain.epoch' of the configuration; did you mean 'epochs'\?"),
        ({"pretrian": {}}, r"unknown key 'pretrian' of the configuration; did you mean 'pretrain'\?"),
        ({"data": {"rooot": "x"}}, r"unknown key 'data.rooot' of the configuration; did you mean 'root'\?"),
        ({"pretrain": {"batch_size": 1}}, "'pretrain.batch_size' of the configuration: .*equal to 2, found 1"),
        ({"pretrain": {"lr": "fast"}}, "'pretrain.lr' of the configuration: .*found 'fast'"),
        ({"data": {"uncertain": "maybe"}}, "'data.uncertain' of the configuration: .*'ignore', 'zeros' or 'ones'"),
        ({"fusion": {"ehr_dim": 64}}, "'fusion.name' of the configuration: field required"),
        ({"method": 3}, "'method' of the configuration: "),
        ({"seed": -1}, "'seed' of the configuration: .*equal to 0, found -1"),
    ],
)
def test_what_does_not_fit_is_refused(values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError, match=f"^{sentence}") as raised:
        load(values)
    assert "\n" not in str(raised.value)


def test_everything_wrong_is_told_at_once() -> None:
    with pytest.raises(UsageError, match=r"(?s)^3 problems\n.*epoch.*seed.*sede"):
        load({"pretrain": {"epoch": 3}, "seed": -1, "sede": 1})


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("run.yaml", "a: [1", "cannot be read: expected ',' or"),
        ("run.toml", "a = ", "cannot be read: invalid value"),
        ("run.yaml", "- 1\n", "must hold keys and values, found list"),
        ("run.yaml", "", "must hold keys and values, found NoneType"),
        ("run.yaml", "!!python/object/apply:os.system ['true']", "cannot be read: could not determine a constructor"),
    ],
)
def test_a_file_that_is_no_configuration_is_refused(tmp_path: Path, name: str, text: str, why: str) -> None:
    with pytest.raises(UsageError, match=why) as raised:
        read_file(write(tmp_path, name, text))
    assert "\n" not in str(raised.value)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"config .*nowhere\.yaml cannot be read: no such file"):
        read_file(tmp_path / "nowhere.yaml")


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("seed=3", {"seed": 3}),
        ("method.prototypes=512", {"method": {"prototypes": 512}}),
        ("pretrain.weight_decay_end=null", {"pretrain": {"weight_decay_end": None}}),
        ("ehr.features=age,sex", {"ehr": {"features": "age,sex"}}),
        ("evaluate.options.linear.strengths=[0.1, 1]", {"evaluate": {"options": {"linear": {"strengths": [0.1, 1]}}}}),
        ("data.root=a=b", {"data": {"root": "a=b"}}),
    ],
)
def test_assignments_are_keys_and_yaml_values(text: str, values: dict[str, Any]) -> None:
    assert assignment(text) == values


@pytest.mark.parametrize("text", ["seed", "=3", " =3"])
def test_an_assignment_needs_key_and_value(text: str) -> None:
    with pytest.raises(UsageError, match="--set expects KEY=VALUE"):
        assignment(text)


def test_an_assignment_of_broken_yaml_is_refused() -> None:
    with pytest.raises(UsageError, match=r"--set seed: '\[1' is not a YAML value; quote it"):
        assignment("seed=[1")


def test_names_split_at_commas() -> None:
    assert load({"ehr": {"features": " age , sex,"}}).ehr.features == ("age", "sex")


def test_a_configuration_is_frozen() -> None:
    with pytest.raises(ValidationError):
        load({}).pretrain.epochs = 3  # type: ignore[misc]


TABLES = st.recursive(
    st.none() | st.integers() | st.text(max_size=3),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=6,
).filter(lambda value: isinstance(value, dict))


def leaves(table: dict[str, Any], above: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    found: dict[tuple[str, ...], Any] = {}
    for key, value in table.items():
        found |= leaves(value, (*above, key)) if isinstance(value, dict) else {(*above, key): value}
    return found


@pytest.mark.slow
@given(TABLES, TABLES)
def test_merging_keeps_every_value_on_top_and_changes_nothing_given(base: Any, over: Any) -> None:
    before = repr((base, over))
    merged = merge(base, over)
    assert leaves(over).items() <= leaves(merged).items()
    assert leaves(merged).items() <= {**leaves(base), **leaves(over)}.items()
    assert merge(merged, over) == merged
    assert merge(base, {}) == base
    assert repr((base, over)) == before


@pytest.mark.parametrize("name", PRESETS)
def test_a_kept_configuration_reads_back_as_it_was(tmp_path: Path, name: str) -> None:
    config = load({"method": {"name": "msn", "anchor_scale": (0.2, 1.0)}, "fusion": "concat"}, name=name)
    text = yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False)
    again = resolve([read_file(write(tmp_path, "config.yaml", text))])
    assert again.model_dump(mode="json") == config.model_dump(mode="json")


@pytest.mark.parametrize(
    ("value", "told"),
    [("[" * 3000, "nested too deeply"), ("2024-13-45", "month must be in 1..12"), ("9" * 5000, "digits")],
)
def test_yaml_that_python_cannot_hold_is_one_sentence(tmp_path: Path, value: str, told: str) -> None:
    (tmp_path / "a.yaml").write_text(f"seed: {value}")
    with pytest.raises(UsageError, match=f"a.yaml cannot be read: .*{told}"):
        read_file(tmp_path / "a.yaml")
    with pytest.raises(UsageError, match=r"--set seed: .* is not a YAML value; quote it"):
        assignment(f"seed={value}")


def test_toml_that_python_cannot_hold_is_one_sentence(tmp_path: Path) -> None:
    for value in ("[" * 3000, "9" * 5000, "2024-13-45"):
        (tmp_path / "a.toml").write_text(f"seed = {value}")
        with pytest.raises(UsageError, match=r"a\.toml cannot be read"):
            read_file(tmp_path / "a.toml")
