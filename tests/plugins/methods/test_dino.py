import numpy as np
import pytest
import torch
from timm.layers import DropPath

from ssl_bench.pretrain.schedules import ramp
from sslbench_methods.dino import DinoLoss, view_groups
from sslbench_methods.options import DINOOptions


def test_losses_gradients_and_centers_are_the_official_ones(golden, precision):
    wanted = golden("dino")
    loss = DinoLoss(wanted["student_0"].shape[1])
    for call, epoch in enumerate(wanted["epochs"].tolist()):
        student, teacher = precision.input(wanted[f"student_{call}"]), precision.input(wanted[f"teacher_{call}"])
        # The official schedule has one value an epoch, 30 of them from the first to the last.
        temperature = ramp(epoch / 29, 0.04, 0.07, 1.0)
        value = loss(student, teacher, temperature)
        value.backward()
        precision.assert_equal(value, wanted[f"loss_{call}"])
        precision.assert_equal(student.grad, wanted[f"grad_student_{call}"])
        precision.assert_equal(loss.center, wanted[f"center_after_{call}"])
        assert teacher.grad is None


def test_autocast_does_not_touch_the_loss():
    student, teacher = torch.randn(12, 8), torch.randn(6, 8)
    inside, outside = DinoLoss(8), DinoLoss(8)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = inside(student, teacher, 0.04)
    assert torch.equal(value, outside(student, teacher, 0.04))
    assert torch.equal(inside.center, outside.center)


@pytest.mark.parametrize("kind", ["vit", "cnn"])
@pytest.mark.parametrize("fused", [False, True])
def test_every_parameter_learns(checks, kind, fused):
    checks.learns_everywhere("dino", kind, fused=fused)


def test_length_of_the_last_layer_learns_where_it_is_free(checks):
    checks.learns_everywhere("dino", norm_last_layer=False)


def test_it_overfits_a_teacher_that_stands_still_and_repeats(checks):
    # With a moving centre the task changes from step to step, and the loss of one batch rises at first.
    checks.overfits("dino", momentum=1.0, center_momentum=1.0, teacher_temperature_start=0.07, freeze_last_layer=0.0)
    checks.repeats("dino")


def test_teacher_follows_and_never_sees_ehr(checks):
    checks.follows("dino", "teacher_backbone", "backbone")
    checks.follows("dino", "teacher_head", "head")
    checks.keeps_ehr_out("dino", "teacher_head")


def test_evaluated_is_the_teacher(checks):
    method = checks.build("dino")
    assert method.encoder is method.teacher_backbone


def test_student_alone_drops_paths(checks):
    method = checks.build("dino", drop_path=0.2)
    rates = [module.drop_prob for module in method.backbone.modules() if isinstance(module, DropPath)]
    assert rates == [0.0, 0.0, 0.2, 0.2]
    assert not any(isinstance(module, DropPath) for module in method.teacher_backbone.modules())
    method.teacher_backbone.load_state_dict(method.backbone.state_dict())


def test_last_layer_rests_at_first(checks):
    method = checks.build("dino", freeze_last_layer=0.25, norm_last_layer=False)
    last = set(method.head.last_layer.parameters())
    method.before_step(0.2)
    assert set(method.frozen) == last
    assert len(last) == 2
    method.before_step(0.25)
    assert method.frozen == ()


def test_a_run_leaves_the_resting_layer_as_it_was(sslbench, tiny_nih, tmp_path):
    from safetensors.torch import load_file

    flags = ["--preset", "smoke", "--method", "dino", "--data", "nih14", "--root", tiny_nih(), "--eval", "linear"]
    small = ["--epochs", 1, "--set", "pretrain.checkpoint_every=0.5", "--set", "method.freeze_last_layer=0.8"]
    assert sslbench("run", *flags, *small, "--out", tmp_path / "run").code == 0
    early, late = [load_file(path) for path in sorted((tmp_path / "run" / "checkpoints").glob("*.safetensors"))]
    name = "method.head.last_layer.parametrizations.weight.original1"
    # The teacher starts as the student: the same to this point, so the student's last layer has not moved.
    assert torch.equal(early[name], early[name.replace("head", "teacher_head")])
    assert not torch.equal(late[name], early[name])


def test_teacher_temperature_stands_by_default_and_may_warm_up(checks):
    method = checks.build("dino")
    assert {method.after_step(progress)["teacher_temperature"] for progress in (0.0, 0.5, 0.9)} == {0.04}
    method = checks.build("dino", teacher_temperature=0.07, teacher_temperature_warmup=0.5)
    values = [method.after_step(progress)["teacher_temperature"] for progress in (0.0, 0.25, 0.5, 0.9)]
    assert values == pytest.approx([0.04, 0.055, 0.07, 0.07])


def test_every_parameter_is_clipped_by_itself(checks):
    method = checks.build("dino")
    groups = method.parameter_groups()
    assert all(group.clip == 3.0 and group.clip_each for group in groups)
    trainable = [parameter for parameter in method.parameters() if parameter.requires_grad]
    assert sum(len(group.parameters) for group in groups) == len(trainable)


@pytest.mark.parametrize(("image", "patch", "local"), [(224, 16, 96), (224, 0, 96), (64, 8, 24), (32, 0, 14)])
def test_local_crops_are_whole_patches(image, patch, local):
    groups = view_groups(DINOOptions(), image, patch)
    assert [(group.name, group.count, group.size) for group in groups] == [
        ("global_1", 1, image), ("global_2", 1, image), ("local", 8, local)
    ]  # fmt: skip
    assert [group.name for group in view_groups(DINOOptions(local_views=0), image, patch)] == ["global_1", "global_2"]


def test_outputs_have_unit_length_inputs(checks):
    method = checks.build("dino")
    outputs, bottleneck = method.head(torch.randn(5, 32, dtype=torch.float64))
    np.testing.assert_allclose(bottleneck.detach().norm(dim=1), 1.0)
    assert outputs.abs().max() <= 1  # rows of the last layer have unit length as well
