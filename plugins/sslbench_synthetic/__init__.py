"""The synthetic cohort, and the writers of synthetic hospitals in the layouts of other datasets."""

from __future__ import annotations

from collections.abc import Iterable

from ssl_bench import Component, DatasetSpec, hookimpl


@hookimpl
def sslbench_components() -> Iterable[Component]:
    """The synthetic cohort; datasets name the writers of their layouts themselves."""
    return (
        DatasetSpec(
            name="synthetic",
            target="sslbench_synthetic.cohort.dataset:Synthetic",
            options="sslbench_synthetic.options:SyntheticOptions",
            features=("age", "sex", "view"),
            label_space="native",
            synthetic=True,
            thumbnails=True,
            presets={"smoke": {"images": 240}},
            summary="procedural chest radiographs with planted findings, written on first use in NIH layout",
        ),
    )
