"""Heads of the run on other datasets, heads of their own, and several datasets at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from ssl_bench.build.modules import build_backbone
from ssl_bench.build.prepared import PreparedData, prepare_data, prepare_external
from ssl_bench.config.config import load
from ssl_bench.evaluate.protocols import evaluate
from ssl_bench.plan.plan import Plan, make_plan
from ssl_bench.plugin.registry import Registry
from ssl_bench.results.row import MetricRow
from ssl_bench.results.rundir import RunDirectory

Row = Mapping[str, Any]
Make = Callable[..., Path]
CPU = torch.device("cpu")
COPY = {"first": 1001}
"""The same images and the same share of test patients, under other patients' ids."""


class Evaluated:
    """An untrained encoder through all that a plan asks for."""

    def __init__(self, registry: Registry, folder: Path, data: Mapping[str, Any], **settings: Any) -> None:
        values = {
            "method": "random", "data": data, "evaluate": {"replicates": 100, **settings},
            "backbone": {"name": "vit-micro", "options": {"embed_dim": 16, "depth": 1, "num_heads": 2}},
        }  # fmt: skip
        self.plan: Plan = make_plan(load(values, name="smoke"), registry, folder / "cache")
        self.run = RunDirectory(folder / "run")
        self.said: list[str] = []
        self.prepared: PreparedData = prepare_data(self.plan, CPU, lambda done, total: None)
        self.external = prepare_external(self.plan, self.prepared, lambda done, total: None, self.said.append)
        self.rows = self.evaluate()

    def evaluate(self, *, reuse: bool = False) -> list[MetricRow]:
        encoders = {"random": build_backbone(self.plan)}
        return evaluate(
            self.plan, self.run, encoders, self.prepared, self.said.append, externals=self.external, reuse=reuse
        )[0]

    def predictions(self, name: str) -> pd.DataFrame:
        (path,) = (self.run.path / "predictions" / "random").glob(f"{name}-????????.parquet")
        return pd.read_parquet(path)

    def values(self, **wanted: object) -> list[float | None]:
        return [row.value for row in self.rows if all(row.named(key) == value for key, value in wanted.items())]


def nih(root: Path, **more: Any) -> dict[str, Any]:
    return {"name": "nih14", "root": str(root), **more}


@pytest.fixture
def copied(registry: Registry, tiny_nih: Make, tmp_path: Path) -> Evaluated:
    """Tested by head on a copy of its own images that has other patients' ids."""
    return Evaluated(
        registry, tmp_path, nih(tiny_nih()), protocols=("linear", "knn", "linear-paper", "clusters"),
        options={"linear-paper": {"epochs": 1}}, test_on=f"nih14={tiny_nih(**COPY)}", label_fractions="0.5,1.0",
        label_draws=1,
    )  # fmt: skip


def test_a_copy_of_the_test_images_abroad_has_the_scores_and_values_of_home(copied: Evaluated) -> None:
    for protocol in ("linear", "knn", "linear-paper"):
        for fraction in (0.5, 1.0):
            where = {"protocol": protocol, "split": "test", "fraction": fraction, "metric": "auroc", "subgroup": "all"}
            home, away = (copied.values(**where, dataset=name) for name in ("nih14", "nih14-2"))
            assert home == pytest.approx(away, nan_ok=True)
            assert len(home) == 15, "14 findings and the macro mean"
    kept = [np.load(copied.run.embeddings("random", f"{name}-test"))["embeddings"] for name in ("nih14", "nih14-2")]
    np.testing.assert_allclose(*kept, atol=1e-6)


def test_rows_say_where_the_head_was_fitted_and_where_it_was_tested(copied: Evaluated) -> None:
    away = [row for row in copied.rows if row.dataset == "nih14-2"]
    assert {(row.fitted_on, row.split) for row in away} == {("nih14", "test")}
    assert {row.n_images for row in away if row.subgroup == "all"} == {24}
    assert {"all", "sex=M", "sex"} <= {row.subgroup for row in away}
    assert {row.metric for row in away} >= {"auroc", "auprc", "brier", "ece"}
    assert set(copied.plan.external[0].cohort.frame["patient_id"].astype(int) // 1000) == {1}


def test_a_protocol_that_predicts_nothing_is_left_out_with_a_sentence(copied: Evaluated) -> None:
    assert not copied.values(protocol="clusters", dataset="nih14-2")
    assert copied.said.count("protocol 'clusters' predicts nothing on other datasets, so nih14-2 is left out") == 1


def test_embeddings_are_used_again_for_the_same_images_alone(
    copied: Evaluated, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ssl_bench.evaluate.embedder.embed", None)  # nothing is embedded any more
    assert copied.evaluate(reuse=True) == copied.rows
    path = copied.run.embeddings("random", "nih14-2-test")
    kept = dict(np.load(path))
    np.savez(path, **{**kept, "fingerprint": np.array("of other images")})
    with pytest.raises(TypeError):
        copied.evaluate(reuse=True)


def test_labels_of_a_smaller_space_are_tested_under_their_common_names(
    registry: Registry, tiny_nih: Make, tmp_path: Path
) -> None:
    """The head for NIH's ``Effusion`` meets ``Pleural Effusion``, and no other finding is in the rows."""
    externals = nih(tiny_nih(**COPY), labels="common7", mode="head")
    found = Evaluated(registry, tmp_path, nih(tiny_nih()), protocols="linear", test_on=[externals])
    where = {"split": "test", "metric": "auroc", "subgroup": "all"}
    labels = {row.label for row in found.rows if row.dataset == "nih14-2"}
    assert labels == {"Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Pleural Effusion", "Pneumonia",
                      "Pneumothorax", "macro"}  # fmt: skip
    (away,) = found.values(**where, dataset="nih14-2", label="Pleural Effusion")
    (home,) = found.values(**where, dataset="nih14", label="Effusion")
    assert away == pytest.approx(home)
    assert away is not None
    notes = [row.note for row in found.rows if row.dataset == "nih14-2" and row.label == "Edema"]
    assert notes
    assert all(notes), "a finding without positive images has a reason instead of a value"


def test_refit_equals_a_run_of_its_own(registry: Registry, tiny_nih: Make, tmp_path: Path) -> None:
    other = tiny_nih(seed=1, patients=40, first=1001)
    externals = Evaluated(
        registry, tmp_path / "a", nih(tiny_nih()), protocols="linear,knn", test_on=f"nih14:refit={other}"
    )
    alone = Evaluated(registry, tmp_path / "b", nih(other), protocols="linear,knn")
    away = [row for row in externals.rows if row.dataset == "nih14-2" and row.subgroup == "all"]
    assert {row.fitted_on for row in away} == {"nih14-2"}
    assert {row.split for row in away} == {"validate", "test"}
    assert [row.label for row in away] == [row.label for row in alone.rows if row.subgroup == "all"]
    # The grey values are scaled as in training, so the features differ by what two trainings would.
    values = [(row.value, row.n_images, row.n_positive) for row in away if row.metric == "auroc"]
    own = [(row.value, row.n_images, row.n_positive)
           for row in alone.rows if row.metric == "auroc" and row.subgroup == "all"]  # fmt: skip
    assert [counts for _, *counts in values] == [counts for _, *counts in own]
    assert [value for value, *_ in values if value] == pytest.approx([value for value, *_ in own if value], abs=0.15)


def test_several_datasets_have_joint_rows_and_rows_of_their_own(
    registry: Registry, tiny_nih: Make, tmp_path: Path
) -> None:
    first, second = tiny_nih(patients=30), tiny_nih(seed=1, patients=20, first=1001)
    found = Evaluated(registry, tmp_path, nih(first, more=[nih(second)]), protocols="linear")
    name = "nih14+nih14-2"
    assert {(row.dataset, row.fitted_on) for row in found.rows} == {
        (name, name), ("nih14", name), ("nih14-2", name)
    }  # fmt: skip
    joint = found.predictions(f"{name}-test-linear").set_index("image_id")
    parts = [found.predictions(f"{part}-test-linear") for part in ("nih14", "nih14-2")]
    assert [len(part) for part in parts] == [12, 8]
    together = pd.concat(parts).set_index("image_id")
    pd.testing.assert_frame_equal(together, joint.loc[together.index])
    assert {row.n_images for row in found.rows if row.dataset == name and row.split == "test"
            and row.subgroup == "all"} == {20}  # fmt: skip


def test_prepared_stores_are_those_of_single_runs(registry: Registry, tiny_nih: Make, tmp_path: Path) -> None:
    first, second = tiny_nih(patients=30), tiny_nih(seed=1, patients=20, first=1001)
    for data in (nih(first), nih(second), nih(first, more=[nih(second)])):
        plan = make_plan(load({"data": data}, name="smoke"), registry, tmp_path)
        material = prepare_data(plan, CPU, lambda done, total: None)
    assert len(list((tmp_path / "stores").iterdir())) == 2
    assert len(material.stores) == 2
    ids = [
        f"{name}/{image}"
        for name, store in zip(plan.sources, material.stores, strict=True)
        for image in store.image_ids
    ]
    assert [ids[row] for row in material.rows] == material.cohort.frame["image_id"].tolist()
    whole = np.concatenate([store.images for store in material.stores])
    rows = material.rows[[70, 3, 99]]
    assert torch.equal(material.source.read(rows)[:, 0], torch.from_numpy(whole[rows]))
