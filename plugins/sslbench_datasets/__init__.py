"""Built-in datasets."""

from __future__ import annotations

from collections.abc import Iterable

from ssl_bench import Component, DatasetSpec, hookimpl
from ssl_bench.plugin.feature_specs import SHARED
from sslbench_datasets.flags import COLUMNS, EHR, LABEL_SOURCE, VIEWS
from sslbench_datasets.hospitals.components import HOSPITALS
from sslbench_datasets.mimic_cxr.items import BY_NAME, ITEMS

FEATURES = ("age", "sex", "view")
STAY = ("age", "sex", "view", "position", "mortality", "icu")
PEOPLE = ("race", "insurance", "year", "bmi", "height")
ALL = tuple(SHARED)


@hookimpl
def sslbench_components() -> Iterable[Component]:
    """The built-in datasets."""
    return (
        # No thumbnails: its terms permit any use, but with a link, a citation and an acknowledgement beside the images.
        DatasetSpec(
            name="nih14",
            target="sslbench_datasets.nih14:Nih14",
            options="sslbench_datasets.options:Nih14Options",
            features=FEATURES,
            label_space="nih14",
            # FAQ_CHESTXRAY.pdf of the release, Q04: use is unrestricted, with its link, a citation and a thank-you
            share_predictions=True,
            published={"images": 112_120, "patients": 30_805, "train_val_list.txt": 86_524, "test_list.txt": 25_596},
            writer="sslbench_synthetic.hospitals.nih14:write",
            writer_options="sslbench_synthetic.hospitals.options:Nih14WriterOptions",
            summary="NIH ChestX-ray14: 112,120 frontal radiographs of 30,805 patients (Wang et al., CVPR 2017)",
        ),
        DatasetSpec(
            name="chexpert",
            target="sslbench_datasets.chexpert:Chexpert",
            options="sslbench_datasets.options:ChexpertOptions",
            flags=(VIEWS,),
            features=FEATURES,
            label_space="chexpert14",
            aggregate="max",
            published={"train.csv": 223_414, "valid.csv": 234, "test.csv": 668},
            writer="sslbench_synthetic.hospitals.chexpert:write",
            writer_options="sslbench_synthetic.hospitals.options:ChexpertWriterOptions",
            summary="CheXpert: 224,316 radiographs of 65,240 patients (Irvin et al., AAAI 2019)",
        ),
        DatasetSpec(
            name="table",
            target="sslbench_datasets.table:Table",
            options="sslbench_datasets.options:TableOptions",
            flags=(COLUMNS,),
            features=ALL,
            optional=ALL,
            label_space="native",
            summary="your own images: a CSV or Parquet table and a YAML file that says which column is what",
        ),
        DatasetSpec(
            name="mimic-cxr",
            target="sslbench_datasets.mimic_cxr.dataset:MimicCxr",
            options="sslbench_datasets.mimic_cxr.options:MimicCxrOptions",
            flags=(VIEWS, LABEL_SOURCE, *EHR),
            features=(*STAY, *PEOPLE, *BY_NAME),
            optional=("age", "sex", "mortality", "icu", *PEOPLE, *BY_NAME),
            declares=tuple(item.spec for item in ITEMS),
            label_space="chexpert14",
            published={"images": 377_110, "studies": 227_835, "patients": 65_379},
            writer="sslbench_synthetic.hospitals.mimic_cxr:write",
            writer_options="sslbench_synthetic.hospitals.options:MimicCxrWriterOptions",
            summary="MIMIC-CXR-JPG: 377,110 radiographs of 65,379 patients with MIMIC-IV (Johnson et al., 2019)",
        ),
        *HOSPITALS,
    )
