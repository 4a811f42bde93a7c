"""The suite for fusions: those that keep the contract pass, and each thing that can be wrong is named."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from ssl_bench import FusionSpec
from ssl_bench.testing import Check, check_fusion, fusion_checks


def sample(name: str, **fields: object) -> FusionSpec:
    values = {"target": f"sample_fusions:{name}", "options": "sample_options:Plain", "summary": "a sample"}
    return FusionSpec(name="sample", **{**values, **fields})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "fields"),
    [("Good", {}), ("Attending", {"needs_tokens": True}), ("HonestlyWide", {"keeps_width": False}),
     ("HonestlyNull", {"needs_tokens": True})],
)  # fmt: skip
def test_a_fusion_that_keeps_the_contract_passes(name: str, fields: dict[str, object]) -> None:
    check_fusion(sample(name, **fields))


@pytest.mark.parametrize(
    ("check", "name", "wanted"),
    [
        ("width", "Wide", "states out_dim 32 and gives features of 8 rows as (8, 64)"),
        ("width", "HonestlyWide", "promises to keep the width and makes 64 of 32"),
        ("width", "Tensors", "must return a ssl_bench.plugin.contracts.Fused, found Tensor"),
        ("losses", "VectorLoss", "has a loss 'rows' that is no finite scalar"),
        (
            "missing_values",
            "ReadsMissing",
            "reads values that are missing: with 1 where present is 0, its output changes",
        ),
        ("ehr_joins", "ImageOnly", "ignores the EHR values"),
        ("ehr_joins", "EhrOnly", "ignores the image features"),
        ("views", "Neighbours", "gives a row other features when other rows stand beside it"),
        ("tokens", "Attending", "reads the tokens; say needs_tokens=True"),
        ("shapes_alone", "Valued", "cannot run on shapes alone (meta device)"),
        ("autocast", "Overflows", "gives features or losses under bf16 autocast that are not finite"),
        ("determinism", "Unseeded", "gives other features with the same seed"),
        ("gradients", "Unused", "never uses absence"),
        ("gradients", "Null", "trains parameters whose gradient is rounding noise: keys.bias"),
        ("state_is_whole", "Remembers", "has state that state_dict does not hold"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(
    check: str, name: str, wanted: str, sentence: Callable[[Sequence[Check], str], str]
) -> None:
    said = sentence(fusion_checks(sample(name)), check)
    assert said.startswith("fusion 'sample' ")
    assert wanted in said


def test_declared_offsets_are_parameters(sentence: Callable[[Sequence[Check], str], str]) -> None:
    said = sentence(fusion_checks(sample("Good", offset_parameters=("project.bias",))), "gradients")
    assert "names offset_parameters that are none of its trainable parameters: project.bias" in said


def test_a_promise_of_tokens_is_kept(sentence: Callable[[Sequence[Check], str], str]) -> None:
    said = sentence(fusion_checks(sample("Good", needs_tokens=True)), "tokens")
    assert said == "fusion 'sample' says needs_tokens=True and reads no tokens"
