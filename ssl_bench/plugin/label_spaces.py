"""Label spaces: which findings belong together, what else they are called, and which are unions of others.

Those here are the published ones; a dataset's descriptor brings others (``DatasetSpec.label_spaces``), which
:func:`declare` adds when plugins are discovered. Nothing heavy is imported.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from ssl_bench.errors import PluginError

NO_FINDING = "No Finding"

CHEXPERT14 = (
    NO_FINDING,
    "Enlarged Cardiomediastinum",
    "Cardiomegaly",
    "Lung Opacity",
    "Lung Lesion",
    "Edema",
    "Consolidation",
    "Pneumonia",
    "Atelectasis",
    "Pneumothorax",
    "Pleural Effusion",
    "Pleural Other",
    "Fracture",
    "Support Devices",
)
NIH14 = (
    "Atelectasis",
    "Cardiomegaly",
    "Effusion",
    "Infiltration",
    "Mass",
    "Nodule",
    "Pneumonia",
    "Pneumothorax",
    "Consolidation",
    "Edema",
    "Emphysema",
    "Fibrosis",
    "Pleural_Thickening",
    "Hernia",
)
COMMON7 = (
    "Atelectasis",
    "Cardiomegaly",
    "Consolidation",
    "Edema",
    "Pleural Effusion",
    "Pneumonia",
    "Pneumothorax",
)

WORDS = ("native", "auto", "shared")
"""What ``--labels`` and records say where no label space is meant."""

SPACES: dict[str, tuple[str, ...]] = {"chexpert14": CHEXPERT14, "nih14": NIH14, "common7": COMMON7}
"""Findings of each label space, in their published order."""

OTHER_NAMES: dict[str, tuple[str, ...]] = {
    "No Finding": ("No finding", "normal"),
    "Atelectasis": (),
    "Cardiomegaly": (),
    "Consolidation": (),
    "Edema": ("Pulmonary edema", "Pulmonary Congestion"),
    "Emphysema": (),
    "Enlarged Cardiomediastinum": (),
    "Fibrosis": ("Pulmonary fibrosis",),
    "Fracture": (),
    "Hernia": ("Hiatal hernia",),
    "Infiltration": ("Infiltrate",),
    "Lung Lesion": ("Nodule/Mass", "Nodule or mass"),
    "Lung Opacity": ("Airspace Opacity",),
    "Mass": (),
    "Nodule": (),
    "Pleural Effusion": ("Effusion",),
    "Pleural Other": (),
    "Pleural_Thickening": (),
    "Pneumonia": (),
    "Pneumothorax": (),
    "Support Devices": (),
    "Tuberculosis": ("TB",),
}
"""By the name across datasets: what else it is called. TAIX-Ray grades edema as congestion; CheXpert's Lung Lesion is a
nodule or a mass (Irvin et al., 2019); MIMIC-CXR's radiologists call Lung Opacity Airspace Opacity."""

UNIONS: dict[str, tuple[str, ...]] = {
    "Lung Lesion": ("Nodule", "Mass"),
    "Fracture": ("Rib fracture", "Clavicle fracture"),
}
"""Findings that an image has where it has one of others; used where a dataset has not the finding, and all of these."""


def key(name: str) -> str:
    """What two spellings of a finding share."""
    return " ".join(name.lower().replace("_", " ").split())


_COMMON = {key(other): name for name, others in OTHER_NAMES.items() for other in (name, *others)}


def common_name(finding: str) -> str:
    """The name of a finding across datasets: ``Effusion`` is ``Pleural Effusion``; an unknown one keeps its own."""
    return _COMMON.get(key(finding), finding)


def known(finding: str) -> bool:
    """Whether any vocabulary has a finding, or a union of it."""
    return key(finding) in _COMMON or key(finding) in {key(part) for parts in UNIONS.values() for part in parts}


@dataclass(frozen=True, kw_only=True)
class LabelSpace:
    """A label space that a plugin brings, with its mapping to others.

    Args:
        name: for ``--labels`` and ``DatasetSpec.label_space``; lower case.
        findings: in their order.
        other_names: what findings are called in other spaces or datasets: ``{"Heart enlarged": ("Cardiomegaly",)}``.
        unions: findings that are the union of others: ``{"Lung Lesion": ("Nodule", "Mass")}``.
    """

    name: str
    findings: tuple[str, ...]
    other_names: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    unions: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))


def declare(space: LabelSpace) -> None:
    """Make a label space known; once more is no harm.

    Raises:
        PluginError: its name, or what it says of a finding, is not what is known already.
    """
    names = _names(space)
    unions = {names.get(key(finding), common_name(finding)): parts for finding, parts in space.unions.items()}
    if space.name in WORDS or SPACES.get(space.name, space.findings) != space.findings:
        raise PluginError(f"label space '{space.name}' is there already with other findings; give it another name")
    for finding, parts in unions.items():
        if UNIONS.get(finding, parts) != parts:
            raise PluginError(f"label space '{space.name}' makes {finding} a union of others than {UNIONS[finding]}")
    SPACES[space.name] = space.findings
    UNIONS.update(unions)
    for spelling, common in names.items():
        also = () if spelling == key(common) or spelling in _COMMON else (spelling,)
        OTHER_NAMES[common] = (*OTHER_NAMES.get(common, ()), *also)
        _COMMON[spelling] = common


def _names(space: LabelSpace) -> dict[str, str]:
    """The common name of each spelling that a space brings.

    Raises:
        PluginError: two names of one finding are known as different findings.
    """
    names: dict[str, str] = {}
    for finding in dict.fromkeys((*space.findings, *space.other_names)):
        spellings = [finding, *space.other_names.get(finding, ())]
        before = list(dict.fromkeys(common_name(one) for one in spellings if key(one) in _COMMON))
        if len(before) > 1:
            raise PluginError(f"label space '{space.name}' calls {' and '.join(before)} one finding")
        names |= {key(one): (before or [finding])[0] for one in spellings}
    return names
