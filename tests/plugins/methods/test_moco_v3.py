import pytest
import torch
from torch import nn

from sslbench_methods.moco_v3 import info_nce


def test_loss_is_the_papers(precision):
    queries, keys = (precision.input(part) for part in torch.randn(2, 5, 8, dtype=torch.float64).unbind())
    loss = info_nce(queries, keys, temperature=0.2)
    loss.backward()
    terms = []
    for row in range(5):
        cosine = torch.cosine_similarity(queries[row].double(), keys.double()).detach() / 0.2
        terms.append(torch.logsumexp(cosine, 0) - cosine[row])
    precision.assert_equal(loss, 2 * 0.2 * torch.stack(terms).mean())
    assert keys.grad is None


@pytest.mark.parametrize("kind", ["vit", "cnn"])
@pytest.mark.parametrize("fused", [False, True])
def test_every_parameter_learns(checks, kind, fused):
    checks.learns_everywhere("moco-v3", kind, fused=fused)


def test_it_overfits_and_repeats(checks):
    checks.overfits("moco-v3")
    checks.repeats("moco-v3")


def test_keys_follow_and_never_see_ehr(checks):
    checks.follows("moco-v3", "key_backbone", "backbone")
    checks.follows("moco-v3", "key_projector", "projector")
    checks.keeps_ehr_out("moco-v3", "key_projector")


def test_evaluated_is_the_query_backbone(checks):
    method = checks.build("moco-v3")
    assert method.encoder is method.backbone


def test_patch_embedding_is_frozen_in_a_vit_alone(checks):
    frozen = [name for name, p in checks.build("moco-v3").backbone.named_parameters() if not p.requires_grad]
    assert frozen == ["model.patch_embed.proj.weight", "model.patch_embed.proj.bias"]
    assert all(p.requires_grad for p in checks.build("moco-v3", freeze_patches=False).backbone.parameters())
    assert all(p.requires_grad for p in checks.build("moco-v3", "cnn").backbone.parameters())


@pytest.mark.parametrize(("kind", "layers", "predictor_norms"), [("vit", 3, 2), ("cnn", 2, 1)])
def test_heads_are_the_official_ones(checks, kind, layers, predictor_norms):
    method = checks.build("moco-v3", kind)
    assert sum(isinstance(layer, nn.Linear) for layer in method.projector) == layers
    assert isinstance(method.projector[-1], nn.BatchNorm1d)
    assert not method.projector[-1].affine or method.projector[-1].weight is None
    assert sum(isinstance(layer, nn.BatchNorm1d) for layer in method.predictor) == predictor_norms
    assert not any(layer.bias is not None for head in (method.projector, method.predictor) for layer in head
                   if isinstance(layer, nn.Linear))  # fmt: skip
