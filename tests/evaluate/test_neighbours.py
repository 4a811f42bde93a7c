import numpy as np
import pytest
import torch

from ssl_bench.errors import DataError
from ssl_bench.evaluate import neighbours, streamed
from ssl_bench.evaluate.neighbours import knn_scores

NAN = float("nan")


def drawn(train=200, queries=50, labels=3, width=8, seed=0):
    generator = torch.Generator().manual_seed(seed)
    known = (torch.rand(train, labels, generator=generator) < 0.3).float()
    known[torch.rand(train, labels, generator=generator) < 0.2] = NAN
    return torch.randn(train, width, generator=generator), known, torch.randn(queries, width, generator=generator)


def one_by_one(train, labels, query, k, temperature):
    """The definition, query by query, in float64."""
    train, labels, query = (x.double().numpy() for x in (train, labels, query))
    cosine = (query / np.linalg.norm(query, axis=1)[:, None]) @ (train / np.linalg.norm(train, axis=1)[:, None]).T
    result = np.empty((len(k), len(query), labels.shape[1]))
    for row, count in enumerate(k):
        for m in range(len(query)):
            near = np.argsort(-cosine[m])[:count]
            weight = np.exp(cosine[m, near] / temperature)[:, None] * ~np.isnan(labels[near])
            share = np.nanmean(labels, axis=0)
            with np.errstate(invalid="ignore"):
                found = (weight * np.nan_to_num(labels[near])).sum(axis=0) / weight.sum(axis=0)
            result[row, m] = np.where(weight.sum(axis=0) > 0, found, share)
    return result


@pytest.mark.parametrize("temperature", [0.07, 1.0])
def test_equals_the_definition_across_chunks(monkeypatch, temperature):
    monkeypatch.setattr(neighbours, "CHUNK", 7)
    train, labels, query = drawn()
    found = knn_scores(train, labels, query, [1, 10, 200], temperature)
    assert found.shape == (3, 50, 3)
    np.testing.assert_allclose(found, one_by_one(train, labels, query, [1, 10, 200], temperature), atol=2e-5)


@pytest.mark.parametrize("block", [3, 20, 64, 199])
def test_blocks_of_training_rows_and_queries_change_nothing(monkeypatch, block):
    train, labels, query = drawn()
    centre = train.mean(dim=0)
    wanted = one_by_one(train - centre, labels, query - centre, [1, 10, 200], 0.07)
    monkeypatch.setattr(neighbours, "CHUNK", 7)
    monkeypatch.setattr(streamed, "BLOCK", block)
    found = knn_scores(train.numpy(), labels, query.numpy(), [1, 10, 200], 0.07, centre=centre)
    np.testing.assert_allclose(found, wanted, atol=2e-5)
    broken = train.clone()
    broken[123, 0] = np.nan
    with pytest.raises(DataError, match=r"^expected finite training embeddings, found others in rows 123$"):
        knn_scores(broken, labels, query, [1])


def test_only_the_direction_of_embeddings_counts():
    train, labels, query = drawn()
    scale = torch.rand(200, 1) + 0.1
    torch.testing.assert_close(
        knn_scores(train * scale, labels, 7 * query, [20]), knn_scores(train, labels, query, [20])
    )


def test_unknown_neighbours_are_passed_over():
    train = torch.tensor([[1.0, 0.0], [1.0, 0.01], [0.0, 1.0]])
    labels = torch.tensor([[1.0, NAN, NAN], [NAN, NAN, NAN], [0.0, 0.0, NAN]])
    found = knn_scores(train, labels, torch.tensor([[1.0, 0.0]]), [2, 3])
    assert found[0, 0].tolist() == [1.0, 0.0, 0.5]  # known neighbour, share in training, nothing known
    assert found[1, 0, 0] == pytest.approx(1.0, abs=1e-5)  # the far one weighs exp(-1 / 0.07)


def test_bad_input_is_refused():
    train, labels, query = drawn()
    with pytest.raises(DataError, match="from 1 to 200, found 10, 201"):
        knn_scores(train, labels, query, [10, 201])
    with pytest.raises(DataError, match=r"\(50, 4\)"):
        knn_scores(train, labels, query[:, :4], [1])
    query[11] = NAN
    with pytest.raises(DataError, match="query embeddings, found others in rows 11"):
        knn_scores(train, labels, query, [1])
