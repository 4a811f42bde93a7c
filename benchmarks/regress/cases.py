"""What the gate compares: a case is a function that sets something up in a folder and returns what is timed.

Everything of sslbench is imported late, in the worker, so that a base that lacks something lacks that case alone.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

Timed = Callable[[], object]


def processor_seconds() -> float:
    """Seconds that this process and the commands which it has waited for computed."""
    waited = os.times()  # its own part is known to a hundredth of a second alone
    return time.process_time() + waited.children_user + waited.children_system


clock = processor_seconds if os.environ.get("REGRESS_CLOCK") == "processor" else time.perf_counter
"""Seconds of a timing: on a busy machine ``REGRESS_CLOCK=processor`` counts those of computing alone."""

ARGUMENTS = """run --preset demo --method msn-ehr --features age,sex --epochs 3 --eval linear --seed 0
    --set data.options.images=1200 --set evaluate.replicates=100"""
"""The fixed pretraining behind the quality figure."""

NIH = """run --preset nih-small --method simclr --data nih14 --on-unlisted skip --epochs 1 --eval linear --seed 0
    --set pretrain.precision=32-true --set evaluate.replicates=100 --set evaluate.baselines=[]"""
"""The same on one archive of NIH ChestX-ray14, where it lies at SSLBENCH_NIH or in ../shared."""

CHECKOUT = Path(__file__).parents[2]

STARTED = (
    "import sys; from importlib.machinery import PathFinder; sys.path[:] = sys.argv[1].split({sep!r}); "
    "sys.meta_path.insert(0, PathFinder); sys.argv = ['sslbench', {command!r}]; "
    "from ssl_bench.cli import main; main()"
)
"""A command in a process of its own, on this process's code."""


def step(folder: Path) -> Timed:
    """A training step of MSN-EHR at the demo's size: forward, backward, optimiser, moving average."""
    from benchmarks.steps import OneBatch, build, random_batch, trainer
    from ssl_bench.plugin.registry import discover

    method = build(discover(), "msn-ehr", "vit-micro", preset="demo")
    stream = OneBatch(random_batch(method, 16))
    made = trainer(method, stream, folder / "step", batch_size=16, accelerator="cpu", precision="32-true")
    return lambda: made._step(0)


def views(folder: Path) -> Timed:
    """Views of a batch of 32 images of 256 px: two of 224 px and four of 96 px."""
    import torch

    from ssl_bench.data.views import draw_views
    from ssl_bench.plugin.contracts import Photometric, ViewGroup

    change = Photometric(brightness=0.4, contrast=0.4, blur_probability=0.5)
    groups = [ViewGroup("large", 2, 224, (0.3, 1.0), change), ViewGroup("small", 4, 96, (0.05, 0.3), change)]
    drawn = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (32, 1, 256, 256), dtype=torch.uint8, generator=drawn)
    return lambda: draw_views(images, groups, drawn, mean=0.5, std=0.25)


def store_batch(folder: Path) -> Timed:
    """A batch of 64 images from the memory-mapped store."""
    import numpy as np
    import torch

    from ssl_bench.data.source import ImageSource

    path = folder / "images.npy"
    np.save(path, np.random.default_rng(0).integers(0, 256, (512, 256, 256), dtype=np.uint8))
    source = ImageSource(np.load(path, mmap_mode="r"), torch.device("cpu"), "disk")
    rows = np.random.default_rng(0).permutation(512)[:64]
    return lambda: source.read(rows)


def pictures(folder: Path, ending: str, side: int, number: int) -> Any:
    """A cohort of grey pictures with ribs and film grain, of about the bytes per pixel of a radiograph."""
    import numpy as np
    import pandas as pd
    from PIL import Image

    try:
        from ssl_bench.plugin.cohort import Cohort
    except ImportError:  # a base from before there was this package
        from ssl_bench.data.cohort import Cohort  # type: ignore[no-redef, import-not-found, unused-ignore]

    root = folder / f"{side}-{ending}"
    root.mkdir(parents=True)
    y, x = np.mgrid[:side, :side] / side
    shading = 120 + 60 * np.cos(6 * (x - 0.5)) + 20 * np.sin(60 * y + 10 * (x - 0.5) ** 2)
    names = [f"{row:03d}.{ending}" for row in range(number)]
    for row, name in enumerate(names):
        grain = np.random.default_rng(row).normal(0, 2, shading.shape)
        Image.fromarray((shading + grain).clip(0, 255).astype(np.uint8)).save(root / name, quality=95)
    frame = pd.DataFrame({"image_id": names, "patient_id": names, "study_id": names, "image_path": names})
    frame["split"] = ["train", "validate", "test", "train"] * (number // 4)
    frame["Edema"] = [1.0, 0.0] * (number // 2)
    return Cohort("pictures", root, frame, ("Edema",), ())


def preparing(ending: str, side: int, number: int) -> Callable[[Path], Timed]:
    """Pictures decoded into a store of 256 px, by two threads, each time a new one."""

    def case(folder: Path) -> Timed:
        from shutil import rmtree

        from ssl_bench.data.decode import DecodeOptions
        from ssl_bench.data.store import prepare

        cohort, cache = pictures(folder, ending, side, number), folder / f"store-{side}-{ending}"

        def timed() -> None:
            prepare(cohort, cache, DecodeOptions(256), workers=2)
            rmtree(cache)

        return timed

    return case


def checking(ending: str, side: int, number: int) -> Callable[[Path], Timed]:
    """``data check`` of a table whose pictures are all decoded."""

    def case(folder: Path) -> Timed:
        from ssl_bench.data.check import Sample, check_download
        from ssl_bench.data.decode import DecodeOptions

        cohort = pictures(folder / "checked", ending, side, number)
        return lambda: check_download(lambda: cohort, {}, Sample(number, 0, DecodeOptions(256)))

    return case


def embedding(folder: Path) -> Timed:
    """Features of 128 images by the demo's encoder."""
    import numpy as np
    import torch

    from benchmarks.steps import build
    from ssl_bench.data.source import ImageSource, PixelStatistics
    from ssl_bench.evaluate.embed import embed
    from ssl_bench.plugin.registry import discover

    encoder = build(discover(), "msn", "vit-micro", preset="demo").encoder
    images = np.random.default_rng(0).integers(0, 256, (128, 72, 72), dtype=np.uint8)
    source = ImageSource(images, torch.device("cpu"), "ram")
    return lambda: embed(encoder, source, np.arange(128), PixelStatistics(0.5, 0.25))


def predictions(images: int) -> tuple[Any, Any, Any]:
    """Labels (N, 14) of 2 to 40 % prevalence, some unknown, scores (N, 14) with a few ties, and patients (N,)."""
    import numpy as np

    rng = np.random.default_rng(0)
    labels = (rng.random((images, 14)) < np.geomspace(0.02, 0.4, 14)).astype(float)
    scores = (rng.normal(size=labels.shape) + labels).round(3)
    labels[rng.random(labels.shape) < 0.05] = np.nan
    return labels, scores, rng.integers(0, images // 3, images)


def intervals(folder: Path) -> Timed:
    """1,000 resamples of patients, 14 labels, both metrics."""
    from ssl_bench.stats.bootstrap import bootstrap

    labels, scores, patients = predictions(2000)
    return lambda: bootstrap(labels, scores, patients=patients, replicates=1000)


def probe(folder: Path) -> Timed:
    """Logistic regression of 14 labels at 10 strengths on 1,000 images."""
    import numpy as np
    import torch

    from ssl_bench.evaluate.probe import fit_logistic

    labels = torch.from_numpy(predictions(1000)[0])
    features = torch.from_numpy(np.random.default_rng(1).normal(size=(1000, 128)).astype(np.float32))
    return lambda: fit_logistic(features, labels, np.geomspace(1e-5, 10, 10).tolist())


def command(argument: str) -> Timed:
    """A command in a process of its own."""
    code = STARTED.format(sep=os.pathsep, command=argument)
    call = [sys.executable, "-P", "-c", code, os.pathsep.join(sys.path)]
    return lambda: subprocess.run(call, check=True, capture_output=True)


CASES: Mapping[str, Callable[[Path], Timed]] = {
    "step": step,
    "views": views,
    "store batch": store_batch,
    "prepare jpg 256": preparing("jpg", 256, 256),
    "prepare png 256": preparing("png", 256, 256),
    "prepare jpg 2048": preparing("jpg", 2048, 16),
    "prepare png 1024": preparing("png", 1024, 32),
    "check jpg 256": checking("jpg", 256, 256),
    "check png 1024": checking("png", 1024, 32),
    "embed": embedding,
    "intervals": intervals,
    "probe": probe,
    "start --help": lambda folder: command("--help"),
    "start plugins": lambda folder: command("plugins"),
}


def quality(folder: Path) -> dict[str, Any]:
    """Test predictions of a linear probe after fixed small pretrainings, and how far the intervals are off."""
    return {**predicted(folder, "run", ARGUMENTS.split()), "deviation": deviation(), "real": real(folder)}


def real(folder: Path) -> dict[str, Any]:
    """The same of real films, or why there are none."""
    root = Path(os.environ.get("SSLBENCH_NIH") or CHECKOUT.parent / "shared" / "real" / "nih14-archive2")
    if not root.is_dir():
        return {"skipped": f"no real films: SSLBENCH_NIH names no folder of NIH ChestX-ray14, and {root} is not there"}
    split = CHECKOUT / "docs" / "measurements" / "nih-archive2-split.csv"
    try:
        return predicted(folder, "real", [*NIH.split(), "--root", str(root), "--split", str(split)])
    except Exception as error:
        return {"error": f"{type(error).__name__}: {' '.join(str(error).split())}"[:300]}


def predicted(folder: Path, name: str, arguments: list[str]) -> dict[str, Any]:
    """Test predictions of the linear probe of a run, with labels and patients."""
    import pandas as pd

    from ssl_bench.cli import main

    out = folder / name
    sys.argv = ["sslbench", *arguments, "--out", str(out), "--cache", str(folder / "cache")]
    try:
        main()
    except SystemExit as end:
        if end.code:
            raise RuntimeError(f"the run left with {end.code}") from None
    (file,) = (out / "predictions" / "trained").glob("*-test-linear*.parquet")
    frame = pd.read_parquet(file)
    tables = {key: frame.filter(regex=f"^{key}_").to_numpy().tolist() for key in "yp"}
    return {
        "patients": frame["patient_id"].astype(str).tolist(),
        "labels": tables["y"],
        "scores": tables["p"],
    }


def deviation(replicates: int = 5) -> float:
    """Largest difference of resampled AUROC and AUPRC from scikit-learn's on the same resampled images."""
    import numpy as np
    from sklearn.metrics import average_precision_score, roc_auc_score

    from ssl_bench.stats.bootstrap import bootstrap

    labels, scores, patients = predictions(600)
    found = bootstrap(labels, scores, patients=patients, replicates=replicates, seed=0)
    ids, rng, worst = np.unique(patients), np.random.default_rng(0), 0.0
    for r in range(replicates):
        # Patients are drawn by their place among the sorted ids, all images of each: what the docstring promises.
        drawn = ids[rng.integers(len(ids), size=len(ids))]
        rows = np.concatenate([np.flatnonzero(patients == patient) for patient in drawn])
        for k in range(labels.shape[1]):
            kept = rows[~np.isnan(labels[rows, k])]
            for metric, values in ((roc_auc_score, found[0]), (average_precision_score, found[1])):
                worst = max(worst, abs(float(metric(labels[kept, k], scores[kept, k])) - float(values[r, k])))
    return worst
