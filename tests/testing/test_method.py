"""The suite for methods: one that keeps the contract passes, and each thing that can be wrong is named."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import torch

from ssl_bench import MethodSpec
from ssl_bench.errors import UsageError
from ssl_bench.testing import Check, check_method, method_checks

Sentence = Callable[[Sequence[Check], str], str]


def sample(name: str, **fields: object) -> MethodSpec:
    values = {"target": f"sample_methods:{name}", "options": "sample_options:Plain", "summary": "a sample",
              "same_width": True}  # fmt: skip
    return MethodSpec(name="sample", **{**values, **fields})  # type: ignore[arg-type]


def test_a_method_that_keeps_the_contract_passes() -> None:
    check_method(sample("Good"))


@pytest.mark.parametrize("name", ["Siamese", "Rescaled"])
def test_what_detaches_its_targets_or_changes_parameters_before_a_step_passes(name: str) -> None:
    checks = dict(method_checks(sample(name)))
    for check in ("loss", "fusion_joins", "views_matter", "targets"):
        checks[check]()


@pytest.mark.parametrize("name", ["BiasedHonestly", "Thawing", "StartsAtZero"])
def test_what_is_declared_or_learns_later_passes(name: str) -> None:
    dict(method_checks(sample(name)))["gradients"]()


WRONG = [
    ("views", "Viewless", "states no views"),
    ("views", "OddViews", "has first views with a size that is no multiple of 8 px"),
    ("views", "WideViews", "has first views with a scale beyond the whole image (1.0), found (0.5, 1.5)"),
    ("views", "SameViews", "has two groups of views of one name: first, first"),
    ("views", "DictViews", "must state its views as ViewGroups, found {'name': 'first'}"),
    ("encoder", "OthersEncoder", "evaluates a network that is no module of its own"),
    ("encoder", "BareEncoder", "must evaluate a Backbone (an nn.Module with model, dim, image_size, patch_size, masks, "
     "patches, export), found VisionTransformer"),
    ("loss", "Vector", "must give a scalar loss, found shape (8,)"),
    ("loss", "Tuple", "must return a ssl_bench.plugin.contracts.Loss, found tuple"),
    ("loss", "Infinite", "gives a loss of nan on the vit"),
    ("loss", "Detached", "gives a loss without gradient"),
    ("loss", "StrangePart", "has a part 'rows' that is no finite scalar"),
    ("loss", "Unwatched", "gives no features to its Loss"),
    ("loss", "AttachedFeatures", "must detach the features that it gives to its Loss"),
    ("loss", "NoProbabilities", "gives probabilities whose rows do not sum to 1"),
    ("autocast", "Half", "computes its loss in torch.bfloat16 under bf16 autocast; wrap it in ssl_bench.plugin."),
    ("shapes_alone", "Valued", "cannot run on shapes alone (meta device)"),
    ("determinism", "Unseeded", "gives another loss with the same seed"),
    ("fusion_joins", "Deaf", "leaves the fusion's own losses out of its total"),
    ("fusion_joins", "Alone", "ignores its fusion: other EHR values give the same loss"),
    ("views_matter", "OneCrop", "never looks at view 0 of second: its loss is the same whatever that crop shows"),
    ("targets", "LiveTeacher", "lets the gradient flow into what teacher_backbone gives, which is a copy that only"),
    ("targets", "OwnTarget", "lets the gradient flow into what teacher_head gives"),
    ("targets", "LiveSiamese", "declares detaches = True, but gives the whole derivative of its loss: its targets are"),
    ("targets", "QuietSiamese", "gives a gradient that is not the derivative of its loss, for backbone"),
    ("parameter_groups", "Ungrouped", "has head.0.weight in 0 parameter groups instead of one"),
    ("parameter_groups", "Twice", "has head.0.weight in 2 parameter groups instead of one"),
    ("gradients", "Unused", "never uses prototypes in its loss"),
    ("gradients", "Biased", "or they are frozen throughout): head.0.bias; fix"),
    ("gradients", "Modest", "declares null_parameters that do learn (vit): head.0.weight"),
    ("gradients", "Misspelt", "declares null_parameters that are none of its trainable ones: heads.0.bias"),
    ("gradients", "Frozen", "trains parameters that do not learn (vit; their gradient is rounding noise, or they are"),
    ("moving_average", "Still", "reports a momentum of 0.9, by which these do not move: teacher_backbone."),
    ("moving_average", "Silent", "keeps copies of trained parameters (teacher_backbone."),
    ("moving_average", "Stranger", "no parameter without gradient starts as a copy of a trained one"),
    ("moving_average", "Stopped", "must report a momentum in [0, 1) before the training's end, found 1.0"),
    ("loss_falls", "Upwards", "cannot overfit a single batch: on the vit its loss goes from"),
    ("encoder_is_trained", "Untrained", "evaluates a network that its training leaves as it was (vit)"),
    ("state_is_whole", "Remembers", "has state that state_dict does not hold: loaded again, its loss is"),
    ("less_memory", "DrawsAlone", "trains otherwise with its encoder given 3 parts of a batch: "),
    ("two_processes", "LocalNorm", "trains otherwise on two processes than on one with the same images"),
    ("two_processes", "LocalRows", "reach the other ranks' rows by gather, all_reduce_mean and BatchNorm"),
    ("two_processes", "FailsOnTwo", "fails on two processes: ValueError: eight rows are not enough"),
]  # fmt: skip


@pytest.mark.parametrize(("check", "name", "wanted"), WRONG, ids=[name for _, name, _ in WRONG])
def test_what_is_wrong_is_said_in_one_sentence(check: str, name: str, wanted: str, sentence: Sentence) -> None:
    said = sentence(method_checks(sample(name)), check)
    assert said.startswith("method 'sample' ")
    assert wanted in said


@pytest.mark.parametrize(
    ("fields", "check", "wanted"),
    [
        ({"summary": " "}, "descriptor", "has no summary"),
        ({"target": "sample_methods:Missing"}, "descriptor", "cannot be used: method 'sample' cannot be loaded from"),
        ({"presets": {"demo": {"width": 0}}}, "descriptor", "has values for the preset 'demo' that its own options"),
        ({"options": "sample_options:Mute"}, "options", "has an option 'width' without a description"),
        ({"options": "sample_options:Foreign"}, "options", "must derive its options from ssl_bench.Options, found"),
        ({"options": "sample_options:Elsewhere"}, "options", "is tuned within 32 to 64, which lacks 16, 'width'"),
        ({"options": "sample_options:Tuned", "presets": {"demo": {"width": 4}}}, "options",
         "is tuned within 8 to 64, log, which lacks 4, 'width' of preset demo"),
        ({"options": "sample_options:Beyond"}, "options", "is tuned within 0 to 64, and its own 'width' refuses 0"),
        ({"options": "sample_heavy:Heavy"}, "options", "imports numpy, torch with its options (sample_heavy:Heavy)"),
        ({"target": "sample_source:Nosy"}, "source", "an import of os on line 3; an import of torch.distributed on "
         "line 5; a call of print() on line 13; a call of open() on line 14; a call of .cuda() on line 16; a device in "
         "rows.to('cuda:0') on line 16; a device in device('cpu') on line 17 (this check"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_the_descriptor(
    fields: dict[str, object], check: str, wanted: str, sentence: Sentence
) -> None:
    assert wanted in sentence(method_checks(sample("Good", **fields)), check)


def test_a_head_is_built_from_the_fusions_width(sentence: Sentence) -> None:
    said = sentence(method_checks(sample("Good", same_width=False)), "fused_width")
    assert "cannot take fused features of another width (36 instead of 32)" in said
    assert "build the head from fusion.out_dim, or declare same_width=True" in said


def test_a_method_that_masks_is_built_on_a_vit_alone() -> None:
    said = [dict(method_checks(sample("Infinite", masks=masks)))["views"]() for masks in (True, False)]
    assert said == [None, None]


def test_an_untrained_baseline_is_checked_for_what_it_has() -> None:
    names = [check.name for check in method_checks(sample("Good", trains=False))]
    assert names == ["descriptor", "options", "source", "encoder"]


def test_options_are_given_as_keywords_and_checked() -> None:
    dict(method_checks(sample("Good"), width=3))["loss"]()
    with pytest.raises(UsageError, match=r"unknown key 'with' of method 'sample'; did you mean 'width'\?"):
        check_method(sample("Good"), **{"with": 3})


def test_an_unknown_name_lists_what_exists() -> None:
    with pytest.raises(UsageError, match=r"unknown method 'msm'; did you mean 'msn'\?"):
        check_method("msm")


def test_another_kind_is_refused() -> None:
    from ssl_bench import FusionSpec

    with pytest.raises(AssertionError, match="fusion 'other' is no MethodSpec"):
        check_method(FusionSpec(name="other", target="a:b", summary="c"))  # type: ignore[arg-type]


def test_an_exception_of_the_method_says_during_which_check_it_came() -> None:
    with pytest.raises(TypeError) as raised:
        dict(method_checks(sample("Good", target="sample_options:Plain")))["views"]()
    assert raised.value.__notes__[0].startswith("while checking method 'sample', check_views: Views are ViewGroups")


def test_the_caller_keeps_its_random_numbers() -> None:
    torch.manual_seed(0)
    wanted = torch.rand(3)
    torch.manual_seed(0)
    dict(method_checks(sample("Good")))["loss"]()
    assert torch.equal(torch.rand(3), wanted)
