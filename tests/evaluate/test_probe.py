import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from ssl_bench.errors import DataError
from ssl_bench.evaluate import probe, streamed
from ssl_bench.evaluate.probe import fit_logistic, fit_rows, fit_streamed, predict_logits, standardiser
from ssl_bench.evaluate.streamed import Standardised, mean_of

STRENGTHS = (1e-4, 1e-2, 1.0, 100.0)


def drawn(images=600, width=24, unknown=0.0, seed=0):
    """Correlated features and labels of different prevalence, the first rare."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(images, width)) @ rng.normal(size=(width, width))
    features = torch.tensor((features - features.mean(axis=0)) / features.std(axis=0), dtype=torch.float32)
    logits = features.numpy() @ rng.normal(size=(width, 3)) / 4 + rng.logistic(size=(images, 3))
    labels = (logits > np.quantile(logits, [0.97, 0.8, 0.4], axis=0).diagonal()).astype(float)
    labels[rng.random(labels.shape) < unknown] = np.nan
    return features, torch.tensor(labels)


def objective(features, labels, strength, weights, bias):
    """C * sum(log loss) + |w|^2 / 2 of one head, in float64."""
    known = ~np.isnan(labels)
    logits = features[known] @ weights + bias
    loss = np.logaddexp(0, logits) - labels[known] * logits
    return strength * loss.sum() + (weights**2).sum() / 2


def compare(features, labels, strengths, weights, bias, tolerance=1e-4):
    """Every head against scikit-learn: objective and AUROC."""
    x, y = features.double().numpy(), labels.numpy()
    for s, strength in enumerate(strengths):
        for k in range(y.shape[1]):
            known = ~np.isnan(y[:, k])
            reference = LogisticRegression(C=strength, solver="newton-cholesky", tol=1e-10, max_iter=1000).fit(
                x[known], y[known, k]
            )
            best = objective(x, y[:, k], strength, reference.coef_[0], reference.intercept_[0])
            head = weights[s, k].double().numpy(), bias[s, k].double().item()
            assert objective(x, y[:, k], strength, *head) <= best * (1 + tolerance)
            scores = [x[known] @ w + b for w, b in ((reference.coef_[0], reference.intercept_[0]), head)]
            assert np.diff([roc_auc_score(y[known, k], score) for score in scores]) == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize("unknown", [0.0, 0.3])
def test_finds_the_optimum_of_scikit_learn(unknown):
    features, labels = drawn(unknown=unknown)
    weights, bias = fit_logistic(features, labels, STRENGTHS)
    assert weights.shape == (4, 3, 24)
    assert bias.shape == (4, 3)
    compare(features, labels, STRENGTHS, weights, bias)


def test_more_features_than_images_and_separable_labels():
    features, labels = drawn(images=60, width=90)
    strengths = (1e-3, 1.0, 1e3)
    weights, bias = fit_logistic(features, labels, strengths)
    compare(features, labels, strengths, weights, bias)
    logits = predict_logits(features, weights, bias)[2]
    assert ((logits > 0) == (labels == 1)).all()


def test_features_need_no_centre_and_no_common_scale():
    features, labels = drawn()
    shifted = features * torch.logspace(-2, 2, 24) + 30
    weights, bias = fit_logistic(shifted.double(), labels, (1.0,))
    compare(shifted, labels, (1.0,), weights, bias)
    assert weights.dtype == torch.float64


def test_gradient_vanishes_at_the_optimum():
    features, labels = drawn()
    weights, bias = fit_logistic(features.double(), labels, (0.1,))
    weights.requires_grad_(), bias.requires_grad_()
    loss = torch.nn.functional.binary_cross_entropy_with_logits(
        predict_logits(features.double(), weights, bias)[0], labels, reduction="sum"
    )
    (0.1 * loss + (weights**2).sum() / 2).backward()
    assert weights.grad.abs().max() < 0.02
    assert bias.grad.abs().max() < 0.02


def test_heads_are_independent_of_those_fitted_beside_them(monkeypatch):
    features, labels = drawn(unknown=0.1)
    together = fit_logistic(features, labels, STRENGTHS)
    alone = fit_logistic(features, labels[:, 1:2], STRENGTHS[2:3])
    monkeypatch.setattr(probe, "BUDGET", 5 * len(features))  # in turns of 5 heads
    turns = fit_logistic(features, labels, STRENGTHS)
    torch.testing.assert_close(together[0][2, 1], alone[0][0, 0], atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(together, turns, atol=1e-3, rtol=1e-3)


def test_labels_with_one_class_have_zero_heads():
    features, labels = drawn()
    labels[:, 0] = torch.nan
    labels[:, 2] = 1
    weights, bias = fit_logistic(features, labels, STRENGTHS)
    assert weights[:, [0, 2]].eq(0).all()
    assert bias[:, [0, 2]].eq(0).all()
    assert weights[:, 1].ne(0).any()
    nothing = fit_logistic(features, labels[:, [0, 2]], STRENGTHS)
    assert nothing[0].eq(0).all()


def test_constant_and_half_precision_features():
    features, labels = drawn()
    features[:, 3] = 2.0
    mean, deviation = standardiser(features)
    assert deviation[3] == 1
    weights, _ = fit_logistic(((features - mean) / deviation).half(), labels, STRENGTHS)
    assert weights.dtype == torch.float32
    assert weights.isfinite().all()
    assert weights[:, :, 3].abs().max() < 1e-5


def test_predict_logits_shape_and_values():
    features, labels = drawn()
    weights, bias = fit_logistic(features, labels, STRENGTHS)
    logits = predict_logits(features, weights, bias)
    assert logits.shape == (4, 600, 3)
    torch.testing.assert_close(logits[1, :, 2], features @ weights[1, 2] + bias[1, 2])


def test_bad_input_is_refused():
    features, labels = drawn()
    with pytest.raises(DataError, match=r"positive strengths, found 0\.0"):
        fit_logistic(features, labels, (0.0,))
    with pytest.raises(DataError, match="features"):
        fit_logistic(features[:-1], labels, STRENGTHS)
    labels[17, 1] = -1
    with pytest.raises(DataError, match="rows 17"):
        fit_logistic(features, labels, STRENGTHS)
    features[5, 5] = torch.inf
    with pytest.raises(DataError, match="rows 5"):
        fit_logistic(features, labels, STRENGTHS)


@pytest.mark.parametrize("offset", [0.0, 300.0])
@pytest.mark.parametrize("unknown", [0.0, 0.3])
def test_features_in_blocks_give_the_optimum_of_a_matrix(monkeypatch, unknown, offset):
    features, labels = drawn(unknown=unknown)
    table = (features * torch.logspace(-2, 2, 24) + offset).numpy()
    mean, deviation = standardiser(torch.tensor(table))
    wanted = fit_logistic((torch.tensor(table) - mean) / deviation, labels, STRENGTHS)
    monkeypatch.setattr(streamed, "WHOLE", 1)
    monkeypatch.setattr(streamed, "BLOCK", 97)
    monkeypatch.setattr(probe, "BUDGET", 5 * len(table))
    rows = Standardised(table, "cpu")
    torch.testing.assert_close(rows.mean, mean, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(rows.deviation, deviation, rtol=1e-4, atol=0)
    fitted = fit_rows(rows, labels, STRENGTHS)
    exact = rows.whole()
    compare(exact, labels, STRENGTHS, *fitted)
    probabilities = [torch.sigmoid(predict_logits(exact, *heads)) for heads in (fitted, wanted)]
    torch.testing.assert_close(*probabilities, rtol=0, atol=1e-4 if offset == 0 else 1e-3)
    parts = [predict_logits(block, *fitted) for _, block in rows.like(table[:300]).blocks()]
    torch.testing.assert_close(torch.cat(parts, dim=1), predict_logits(exact[:300], *fitted))


def test_blocks_name_the_rows_that_are_wrong(monkeypatch):
    monkeypatch.setattr(streamed, "BLOCK", 100)
    features, labels = drawn()
    rows = Standardised(features, "cpu")
    with pytest.raises(DataError, match=r"^expected labels 0, 1 or NaN \(unknown\), found others in rows 250; map"):
        fit_streamed(rows, torch.cat([labels[:250], labels[250:251] + 3, labels[251:]]), STRENGTHS)
    broken = features.clone()
    broken[333, 1] = torch.inf
    with pytest.raises(DataError, match=r"^expected finite features, found others in rows 333; check the encoder"):
        fit_streamed(rows.like(broken), labels, STRENGTHS)


def test_a_constant_feature_and_the_mean_in_blocks(monkeypatch):
    features, _ = drawn()
    features[:, 3] = 2.0
    whole = mean_of(features, "cpu")
    monkeypatch.setattr(streamed, "WHOLE", 1)
    monkeypatch.setattr(streamed, "BLOCK", 100)
    rows = Standardised(features, "cpu")
    torch.testing.assert_close(rows.mean, whole, rtol=1e-5, atol=1e-6)
    assert rows.deviation[3] == 1
    assert [len(block) for _, block in rows.like(features[:0]).blocks()] == [0]
