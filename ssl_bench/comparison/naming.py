"""How the settings that tell arms apart are said: as a person would write them, never as paths of a configuration."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

ENCODER = "encoder"
"""Key that tells encoders apart which were not pretrained in their runs."""

WEIGHTS = "backbone.encoder"
"""Key of weights of others: said by its name where there are some, and not at all where there are none."""

JOINED = ("fusion", "ehr")
"""Sections that say what is done with EHR features: said beside the features."""

FORMS = {
    "pretrain.epochs": "{} epochs", "pretrain.batch_size": "batches of {}", "pretrain.lr": "learning rate {}",
    "pretrain.lr_end": "last learning rate {}", "pretrain.warmup_epochs": "{} epochs of warm-up",
    "pretrain.tflop": "{} TFLOP", "pretrain.optimizer": "optimiser {}", "pretrain.evaluated": "{} encoder",
    "backbone.name": "{}", "backbone.image_size": "{} px", "backbone.init": "from {}", WEIGHTS: "encoder {}",
    "backbone.options": "{}", "data.options": "{}",
    "data.name": "{} data", "data.size": "{} px prepared", "data.pretrain_on": "pretrained on {}",
    "ehr.control": "{}", "ehr.features": "asked for as {}", "ehr.start": "from {} of the steps",
    "ehr.until": "until {} of the steps", "fusion.name": "{}", "method.name": "{}", ENCODER: "encoder {}",
}  # fmt: skip
"""Settings that people say otherwise than by the name of the key."""

WITHOUT = {"fusion.name": "not joined"}
"""What is said where a setting asks for nothing."""

NOTHING: tuple[Any, ...] = (None, "none", "", [], {})
"""Values that ask for nothing: not said, but for :data:`WITHOUT`."""

SECTIONS = ("", "method", "fusion", "data", "ehr", "backbone", "pretrain", "tuning")
"""Whose settings are known by their own word; those of a protocol, such as neighbours, say whose they are."""


def named(arm: str, features: Sequence[str], settings: Mapping[str, Any]) -> str:
    """An arm with its features and what tells it apart: ``msn-ehr (age, sex; shuffled), 9 epochs``."""
    told = {key: text for key, value in settings.items() if (text := said(key, value))}
    joined = {key: text for key, text in told.items() if key.partition(".")[0] in JOINED}
    inside = "; ".join(part for part in (", ".join(features), *joined.values()) if part)
    return ", ".join([f"{arm} ({inside})" if inside else arm, *(told[key] for key in told if key not in joined)])


def said(key: str, value: Any) -> str:
    """A setting in words; empty where it asks for nothing."""
    if key.startswith("backbone.init") and isinstance(value, str):
        value = PurePath(value).name  # where a file lies is of this machine; the key ``encoder`` tells two apart
    if key == ENCODER:
        value = str(value)[:12]
    if key == WEIGHTS and isinstance(value, Mapping):
        value = value.get("name", "")
    if value in NOTHING:
        return WITHOUT.get(key, "")
    section, _, last = key.rpartition(".")
    words = last.replace("_", " ")
    if isinstance(value, bool):
        return f"{'with' if value else 'without'} {words}"
    return FORMS.get(key, f"{'' if section in SECTIONS else section} {words} {{}}".strip()).format(_value(value))


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(filter(None, (said(str(key), part) for key, part in value.items())))
    return "/".join(map(_value, value)) if isinstance(value, list | tuple) else str(value)


def numbered(names: Sequence[str]) -> list[str]:
    """Names of arms that differ in what is not said, such as a folder, with a number."""
    total, seen, found = Counter(names), Counter[str](), []
    for name in names:
        seen[name] += 1
        found.append(f"{name} ({seen[name]})" if total[name] > 1 else name)
    return found
