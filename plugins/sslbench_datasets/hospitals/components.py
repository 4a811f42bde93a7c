"""What the package offers of further hospitals: descriptors, which import nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping

from ssl_bench import DatasetSpec, Flag
from sslbench_datasets.flags import LABEL_SOURCE, VIEWS

DEMOGRAPHIC = ("age", "sex", "view")
SOCIAL = ("race", "ethnicity", "insurance", "bmi")


def _hospital(
    name: str, target: str, writer: str, summary: str, published: Mapping[str, int], *, options: str = "",
    features: tuple[str, ...] = DEMOGRAPHIC, optional: tuple[str, ...] = (), label_space: str = "native",
    flags: tuple[Flag, ...] = (),
) -> DatasetSpec:  # fmt: skip
    return DatasetSpec(
        name=name, target=f"sslbench_datasets.hospitals.{target}",
        options=f"sslbench_datasets.hospitals.options:{options}" if options else "",
        features=features, optional=optional, label_space=label_space, flags=flags, published=published,
        writer=f"sslbench_synthetic.hospitals.{writer}", summary=summary,
    )  # fmt: skip


HOSPITALS = (
    _hospital(
        "padchest", "padchest:Padchest", "padchest:write", options="PadchestOptions", flags=(VIEWS,),
        features=(*DEMOGRAPHIC, "year", "device"), optional=("device",),
        published={"images": 160_868, "studies": 109_931, "patients": 67_625},
        summary="PadChest: 160,868 radiographs of 67,625 patients in Alicante (Bustos et al., MedIA 2020)",
    ),
    _hospital(
        "vindr-cxr", "vindr:Vindr", "vindr:write", options="VindrOptions", optional=("age", "sex"),
        published={"train images": 15_000, "test images": 3_000},
        summary="VinDr-CXR: 18,000 radiographs of Vietnam, read by radiologists (Nguyen et al., Sci. Data 2022)",
    ),
    _hospital(
        "brax", "brax:Brax", "brax:write", options="BraxOptions", label_space="chexpert14",
        flags=(VIEWS,),
        features=(*DEMOGRAPHIC, "device"), optional=("device",),
        published={"images": 40_967, "studies": 24_959, "patients": 19_351},
        summary="BRAX: 40,967 radiographs of 19,351 patients in Sao Paulo (Reis et al., Sci. Data 2022)",
    ),
    _hospital(
        "chexpert-plus", "chexpert_plus:ChexpertPlus", "chexpert_plus:write", options="ChexpertPlusOptions",
        flags=(VIEWS, LABEL_SOURCE),
        features=(*DEMOGRAPHIC, *SOCIAL), optional=SOCIAL,
        label_space="chexpert14", published={"images": 223_228, "studies": 187_711, "patients": 64_725},
        summary="CheXpert Plus: CheXpert's patients with CheXbert's labels and demographics (Chambon et al., 2024)",
    ),
    _hospital(
        "taix-ray", "taix:Taix", "taix:write", options="TaixOptions", published={"images": 215_381, "patients": 47_724},
        summary="TAIX-Ray: 215,381 bedside radiographs of 47,724 intensive care patients in Aachen, with grades",
    ),
    _hospital(
        "rsna-pneumonia", "nih_others:Rsna", "nih_others:write_rsna", options="HeaderOptions", optional=DEMOGRAPHIC,
        published={"images": 26_684},
        summary="RSNA pneumonia challenge: 26,684 radiographs of NIH with boxes (Shih et al., Radiology: AI 2019)",
    ),
    _hospital(
        "siim-acr", "nih_others:Siim", "nih_others:write_siim", options="HeaderOptions", optional=DEMOGRAPHIC,
        published={"images": 12_047},
        summary="SIIM-ACR pneumothorax challenge: 12,047 radiographs of NIH with masks (2019)",
    ),
    _hospital(
        "nih14-experts", "nih_experts:NihExperts", "nih_others:write_experts", options="NihExpertsOptions",
        published={"validation_labels.csv": 2_412, "test_labels.csv": 1_962},
        summary="NIH ChestX-ray14 with four findings adjudicated by radiologists (Majkowska et al., Radiology 2020)",
    ),
    _hospital(
        "shenzhen", "tuberculosis:Shenzhen", "tuberculosis:write_shenzhen", features=("age", "sex"),
        published={"images": 662},
        summary="Shenzhen: 662 radiographs, half with tuberculosis (Jaeger et al., 2014)",
    ),
    _hospital(
        "montgomery", "tuberculosis:Montgomery", "tuberculosis:write_montgomery", features=("age", "sex"),
        published={"images": 138},
        summary="Montgomery County: 138 radiographs, 58 with tuberculosis (Jaeger et al., 2014)",
    ),
    _hospital(
        "openi", "openi:Openi", "openi:write", features=(), published={"images": 7_470},
        summary="Open-i: 7,470 radiographs of Indiana University with MeSH terms (Demner-Fushman et al., 2016)",
    ),
)  # fmt: skip
