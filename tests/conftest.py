"""What several tests share: a tiny dataset in NIH's native layout, the registry, and the command line in-process."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ssl_bench.plugin.registry import Registry, discover

ROOT = Path(__file__).parents[1]

FINDINGS = {"Effusion": (slice(26, 38), 30), "Mass": (slice(4, 16), 24)}
"""Planted findings: the image rows that get brighter, and by how much."""

TEST_PATIENTS = 5
"""Every fifth patient is in the official test list."""


def write_nih(root: Path, *, seed: int = 0, patients: int = 60, size: int = 40, first: int = 1) -> Path:
    """Write NIH ChestX-ray14 in little: two images a patient, the label file and both official lists.

    Args:
        root: an empty folder.
        seed: of findings, ages and pixels.
        patients: their number.
        size: side of an image in px.
        first: the first patient's id; another one gives other patients with the same images.
    """
    rng = np.random.default_rng(seed)
    (root / "images").mkdir(parents=True)
    rows = []
    for patient in range(first, first + patients):
        age, sex = int(rng.integers(20, 90)), "MF"[rng.integers(2)]
        for visit in range(2):
            findings = [name for name in FINDINGS if rng.random() < 0.4]
            name = f"{patient:08d}_{visit:03d}.png"
            Image.fromarray(_image(rng, findings, size)).save(root / "images" / name)
            rows.append((name, "|".join(findings) or "No Finding", visit, patient, age, sex, ("PA", "AP")[visit]))
    columns = ["Image Index", "Finding Labels", "Follow-up #", "Patient ID", "Patient Age", "Patient Gender",
               "View Position"]  # fmt: skip
    table = pd.DataFrame(rows, columns=columns)
    table.to_csv(root / "Data_Entry_2017_v2020.csv", index=False)
    held_out = table["Patient ID"] % TEST_PATIENTS == 0
    (root / "test_list.txt").write_text("\n".join(table.loc[held_out, "Image Index"]))
    (root / "train_val_list.txt").write_text("\n".join(table.loc[~held_out, "Image Index"]))
    return root


def _image(rng: np.random.Generator, findings: list[str], size: int) -> np.ndarray:
    image = rng.normal(100, 30, (size, size))
    for name in findings:
        rows, brightness = FINDINGS[name]
        image[rows, 8:20] += brightness
    return image.clip(0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def tiny_nih(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """``tiny_nih(seed=0, patients=60, first=1)``: a folder with 2 images of 40 px a patient, in NIH's native layout.

    The same arguments give the same folder, so leave it as it is; ``fresh=True`` writes one to spoil.
    """
    made: dict[tuple[int, int, int], Path] = {}

    def make(seed: int = 0, patients: int = 60, *, first: int = 1, fresh: bool = False) -> Path:
        if fresh or (seed, patients, first) not in made:
            root = write_nih(tmp_path_factory.mktemp("nih"), seed=seed, patients=patients, first=first)
            if fresh:
                return root
            made[seed, patients, first] = root
        return made[seed, patients, first]

    return make


@pytest.fixture(scope="session")
def registry() -> Registry:
    """Everything installed."""
    return discover()


@dataclass(frozen=True)
class Answer:
    """What a command said, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def sentence(self) -> str:
        """The error without its prefix; it must be one line on standard error and nothing on standard output."""
        assert self.out == ""
        assert self.err.startswith("sslbench: error: ")
        assert self.err.count("\n") == 1, self.err
        return self.err.removeprefix("sslbench: error: ").strip()


@pytest.fixture
def sslbench(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Callable[..., Answer]:
    """``sslbench("run", "--method", "msn")`` in this process, in an empty working folder with an empty cache."""
    from ssl_bench.cli import main

    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.setenv("SSLBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: object) -> Answer:
        monkeypatch.setattr(sys, "argv", ["sslbench", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit_:
            main()
        code = exit_.value.code
        return Answer(int(code or 0), *capsys.readouterr())

    return run


def write_finished(folder: Path, method: str, seed: int, signal: float, **more: Any) -> Path:
    """A run whose trained encoder tells the findings as well as ``signal`` says; the truth is the same in all.

    Args:
        folder: where the run's folder is made.
        method: name of the method.
        seed: of the run; scores differ with it.
        signal: distance of positive and negative scores in standard deviations.
        **more: ``protocols``, ``labels``, ``images``, ``random``, ``pixels`` (signals of baselines), ``epochs``,
            ``options`` (of the protocols), ``replicates`` (as its configuration says), ``validated`` (scores are
            probabilities, and those of 60 validation images are kept; ``one_class``: none shows the last finding).
    """
    from ssl_bench.plugin.contracts import Predictions, Split
    from ssl_bench.results.record import SCHEMA, Record
    from ssl_bench.results.rows import Origin, Scored, metric_rows
    from ssl_bench.results.rundir import RunDirectory, prediction_file

    labels, images = more.get("labels", ("Edema", "Mass_50%")), more.get("images", 120)
    path = folder / f"{method}-{seed}{more.get('suffix', '')}"
    run = RunDirectory(path)
    path.mkdir()
    truth = np.random.default_rng(0).integers(0, 2, (120, 2)).astype(float)[:images, : len(labels)]
    ids = np.array([f"i{number}" for number in range(images)])
    patients = np.array([f"p{number // 2}" for number in range(images)])
    split = Split("test", ids, patients, np.zeros((images, 1)), truth, np.arange(images))
    rows: list[Any] = []
    for protocol in more.get("protocols", ("linear",)):
        baselines = {name: more[name] for name in ("random", "pixels") if name in more} or {"random": 0.2}
        for encoder, strength in {"trained": signal, **baselines}.items():
            noise = np.random.default_rng([seed, len(protocol), int(10 * strength)]).normal(size=truth.shape)
            scores = strength * truth + noise
            scores = 1 / (1 + np.exp(strength / 2 - scores)) if "validated" in more else scores
            scored = Scored(Origin(encoder, "toy", "toy", protocol, seed), split, Predictions("test", scores))
            found = list(metric_rows(scored, labels, 100))
            rows += found
            frame = pd.DataFrame({"image_id": ids, "patient_id": patients})
            for column, label in enumerate(labels):
                frame[f"y_{label}"], frame[f"p_{label}"] = truth[:, column], scored.predictions.scores[:, column]
            run.write_predictions(encoder, *prediction_file(found[0]), frame)
            if "validated" in more:
                chosen = frame.tail(60).assign(image_id=[f"v{number}" for number in range(60)])
                chosen = chosen.assign(**{f"y_{labels[-1]}": 0.0}) if more["validated"] == "one_class" else chosen
                run.write_predictions(encoder, *prediction_file(found[0].but(split="validate")), chosen)
    run.write_config({"seed": seed})
    config = {
        "seed": seed, "method": {"name": method}, "data": {"name": "toy", "root": str(path)},
        "backbone": {"name": "vit-micro"}, "pretrain": {"epochs": more.get("epochs", 2), "threads": seed},
        **({"evaluate": {"replicates": more["replicates"]}} if "replicates" in more else {}),
    }  # fmt: skip
    run.write_record(Record.model_validate({
        "schema": SCHEMA, "synthetic": False, "notes": [], "method": method, "fusion": None, "features": [],
        "options": {"evaluator": more.get("options", {})},
        "config": config, "data": {"name": "toy", "labels": list(labels)}, "metrics": rows, "comparisons": [],
    }))  # fmt: skip
    return path


@pytest.fixture(scope="session")
def write_arm() -> Callable[..., Path]:
    """``write_arm(folder, method, seed, signal)``: a finished run of predictions alone; see :func:`write_finished`."""
    return write_finished


@pytest.fixture(scope="session")
def genuine() -> Callable[[str], Path]:
    """``genuine("formats/nih")``: a file or folder that cannot be distributed, in ``shared`` beside the checkout.

    The only way of a test out of the repository; it skips where the path is absent.
    """

    def find(path: str) -> Path:
        found = ROOT.parent / "shared" / path
        if not found.exists():
            pytest.skip(f"needs '{path}' in a folder 'shared' beside the checkout")
        return found

    return find
