"""Recipes of MSN and MSN-EHR: what the paper says, and what its public code does (docs/fidelity.md)."""

from __future__ import annotations

from typing import Any

from ssl_bench import Recipe

# The views, the join and the gaps of the data in arXiv 2407.04449: no admission counts as alive and not in the ICU.
PAPER_DATA: dict[str, Any] = {"views": ("AP", "PA", "LATERAL", "LL"), "ehr_join": "day"}
PAPER_SETTINGS: dict[str, Any] = {
    "method": {"hidden_dim": 0, "output_dim": 0, "flip": 0.5, "brightness": 0.0, "contrast": 0.0, "blur": 0.0},
    "data": {"size": 512},
    "ehr": {
        "impute": "train",
        "impute_features": ("view", "position"),
        "constants": {"mortality": "0", "icu": "0"},
        "age_bins": "right-closed",
    },
    "pretrain": {"lr": 1e-4, "weight_decay": 1e-3, "weight_decay_end": None, "optimizer": "adamw"},
}
# What else github.com/nyuad-cai/CXR-EHR-MSN does: see docs/fidelity.md.
RELEASED_SETTINGS: dict[str, Any] = {
    "method": {
        **PAPER_SETTINGS["method"],
        "train_prototypes": False, "mask_last_patch": False, "mask_focal": True, "mask_shared": False,
        "joined_head": True, "decay_all": True, "clip": None,
        "momentum": 0.996, "momentum_end": 0.996, "schedule_stretch": 1.0,
    },
    "data": {**PAPER_SETTINGS["data"], "pretrain_on": "all", "allow_test_in_pretraining": True},
    "ehr": PAPER_SETTINGS["ehr"],
    "pretrain": {**PAPER_SETTINGS["pretrain"], "warmup_epochs": 0, "lr_end": 0.0, "evaluated": "lowest-loss"},
}  # fmt: skip
MSN_RECIPES = {
    "paper": Recipe(
        summary="what arXiv 2407.04449 says; the official choice where it is silent",
        settings=PAPER_SETTINGS,
        dataset=PAPER_DATA,
    ),
    "released": Recipe(
        summary="what its public code does, test patients in pretraining included",
        settings=RELEASED_SETTINGS,
        dataset=PAPER_DATA,
        backbones={"vit-tiny": {"num_heads": 6}},
    ),
}
