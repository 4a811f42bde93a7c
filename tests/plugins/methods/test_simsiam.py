import pytest
import torch
import torch.nn.functional as F
from torch import nn

from ssl_bench.config.config import PretrainConfig
from ssl_bench.distributed import BatchNorm
from ssl_bench.pretrain.optimizer import build_optimizer, rates, set_rates
from sslbench_methods.simsiam import simsiam_loss


def test_loss_is_the_papers(precision):
    p1, p2, z1, z2 = (precision.input(part) for part in torch.randn(4, 6, 8, dtype=torch.float64).unbind())
    loss = simsiam_loss(p1, p2, z1, z2)
    loss.backward()
    wanted = -sum((F.normalize(p) * F.normalize(z)).sum(1).mean() for p, z in ((p1, z2), (p2, z1))) / 2
    precision.assert_equal(loss, wanted.detach().double())
    assert p1.grad is not None
    assert z1.grad is None
    assert z2.grad is None


@pytest.mark.parametrize("kind", ["vit", "cnn"])
@pytest.mark.parametrize("fused", [False, True])
def test_every_parameter_learns(checks, kind, fused):
    checks.learns_everywhere("simsiam", kind, fused=fused)


def test_it_overfits_and_repeats(checks):
    checks.overfits("simsiam")
    checks.repeats("simsiam")


def test_targets_never_see_ehr(checks):
    method = checks.build("simsiam", fused=True)
    batch = checks.batch(method)
    encodings = [method.backbone(batch.views[name]) for name in ("first", "second")]
    targets = method._targets(encodings, [])
    wanted = [method.projector(encoding.pooled) for encoding in encodings]
    assert all(torch.equal(target, plain) for target, plain in zip(targets, wanted, strict=True))
    assert not any(target.requires_grad for target in targets)


def test_evaluated_is_the_backbone(checks):
    method = checks.build("simsiam")
    assert method.encoder is method.backbone


def test_heads_are_the_official_ones_across_ranks(checks):
    method = checks.build("simsiam")
    shapes = [tuple(layer.weight.shape) for layer in method.modules() if isinstance(layer, nn.Linear)][-5:]
    assert shapes == [(32, 32), (32, 32), (64, 32), (16, 64), (64, 16)]
    norms = [module for module in method.modules() if isinstance(module, nn.BatchNorm1d)]
    assert [norm.affine for norm in norms] == [True, True, False, True]
    assert all(isinstance(norm, BatchNorm) for norm in norms)


@pytest.mark.parametrize("constant", [True, False])
def test_the_predictors_rate_stays(checks, constant):
    method = checks.build("simsiam", constant_predictor_lr=constant)
    groups = method.parameter_groups()
    trainable = {parameter for parameter in method.parameters() if parameter.requires_grad}
    assert {parameter for group in groups for parameter in group.parameters} == trainable
    config = PretrainConfig(lr=0.1, warmup_epochs=0, epochs=10)
    optimizer = build_optimizer(groups, config)
    set_rates(optimizer, groups, rates(config, 1.0))
    predictor = set(method.predictor.parameters())
    for table in optimizer.param_groups:
        of_predictor = set(table["params"]) <= predictor
        assert table["lr"] == pytest.approx(0.1 if of_predictor and constant else config.lr_end)
