"""Built-in datasets."""

from __future__ import annotations

from collections.abc import Iterable

from ssl_bench import Component, Dataset, hookimpl

FEATURES = ("age", "sex", "view")


@hookimpl
def sslbench_components() -> Iterable[Component]:
    """The built-in datasets."""
    return (
        Dataset(
            name="synthetic",
            target="sslbench_datasets.synthetic:Synthetic",
            options="sslbench_datasets.options:SyntheticOptions",
            features=FEATURES,
            label_space="native",
            synthetic=True,
            presets={"smoke": {"images": 240}},
            summary="procedural chest radiographs with planted findings, written on first use in NIH layout",
        ),
        Dataset(
            name="nih14",
            target="sslbench_datasets.nih14:Nih14",
            options="sslbench_datasets.options:Nih14Options",
            features=FEATURES,
            label_space="nih14",
            summary="NIH ChestX-ray14: 112,120 frontal radiographs of 30,805 patients (Wang et al., CVPR 2017)",
        ),
    )
