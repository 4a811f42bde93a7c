"""Components that the suite names itself, each a built-in of the plugins that ship with it, and names in its tables.

Components are defaults where a user names none, and what every result is measured beside; the harness knows no other
by name.
"""

from __future__ import annotations

DEFAULT_METHOD = "msn-ehr"
"""What runs where the user names no method: the paper's."""

PRETRAINED = "pretrained"
"""The method that evaluates weights of the user, and so what runs where an encoder is given and no method."""

NO_FUSION = "none"
"""The fusion of the image alone, in the arm of an ablation that has no EHR."""

DEFAULT_BACKBONE = "vit-tiny"
DEFAULT_DATASET = "synthetic"
DEFAULT_PROTOCOLS = ("linear", "knn")
DEFAULT_LAUNCHER = "local"

PAPER_PROTOCOLS = ("linear", "linear-paper", "finetune")
"""Protocols of the paper's tables, in their order."""

RANDOM = "random"
"""The encoder that was never trained, which every run is measured beside, and the baseline of tables."""

PIXELS = "pixels"
"""The thumbnails of images: what training has to clear."""

TRAINED = "trained"
"""The pretrained encoder in the rows of a run; others are called as their baselines."""

MACRO = "macro"
"""The label of a mean over findings, so no finding's name."""

LEAKAGE = "leakage"
"""The protocol that reads EHR features from embeddings, shown beside ablations of them."""
