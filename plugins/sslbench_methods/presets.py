"""Option values by preset, where the official defaults are too large for two cores."""

from __future__ import annotations

from typing import Any

# Fewer prototypes, fewer and larger focal views and a faster teacher where there are few images and few steps.
SMALL_MSN: dict[str, Any] = {
    "prototypes": 128,
    "focal_views": 2,
    "focal_size": 32,
    "hidden_dim": 512,
    "output_dim": 128,
    "momentum": 0.95,
    "momentum_end": 0.99,
}
MSN_PRESETS = {
    "smoke": SMALL_MSN | {"prototypes": 32, "focal_size": 16, "hidden_dim": 64, "output_dim": 32},
    "demo": SMALL_MSN,
    "demo-long": SMALL_MSN | {"momentum": 0.98, "momentum_end": 0.998},
}
# Heads that two cores train in seconds (smoke) or minutes (demo), and teachers that move within few steps. A crop of
# 8 % of a demo image, the official minimum, would be 18 px wide.
CROPS: dict[str, Any] = {"scale": (0.3, 1.0)}
PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    "simclr": {"smoke": {"output_dim": 32}, "demo": CROPS | {"output_dim": 64}},
    "byol": {
        "smoke": {"hidden_dim": 64, "output_dim": 32, "momentum": 0.9},
        "demo": CROPS | {"hidden_dim": 512, "output_dim": 128, "momentum": 0.97},
    },
    "vicreg": {"smoke": {"hidden_dim": 64, "output_dim": 64}, "demo": CROPS | {"hidden_dim": 512, "output_dim": 512}},
    "dino": {
        "smoke": {
            "output_dim": 64,
            "hidden_dim": 64,
            "bottleneck_dim": 32,
            "local_views": 2,
            "local_size": 16,
            "momentum": 0.99,
        },
        "demo": {
            "output_dim": 256,
            "hidden_dim": 512,
            "bottleneck_dim": 64,
            "local_views": 2,
            "local_size": 32,
            "momentum": 0.99,
            "teacher_temperature": 0.04,
            "freeze_last_layer": 1 / 8,
        },
    },
    "dinov2": {
        "smoke": {
            "output_dim": 64,
            "patch_output_dim": 64,
            "hidden_dim": 64,
            "bottleneck_dim": 32,
            "patch_bottleneck_dim": 32,
            "local_views": 2,
            "local_size": 16,
            "momentum": 0.99,
            "drop_path": 0.1,
        },
        "demo": {
            "output_dim": 256,
            "patch_output_dim": 256,
            "hidden_dim": 512,
            "bottleneck_dim": 64,
            "patch_bottleneck_dim": 64,
            "local_views": 2,
            "local_size": 32,
            "momentum": 0.98,
            "drop_path": 0.1,
            "freeze_last_layer": 1 / 8,
        },
    },
    "simsiam": {
        "smoke": {"output_dim": 64, "predictor_dim": 16},
        "demo": CROPS | {"output_dim": 512, "predictor_dim": 128},
    },
    "moco-v3": {
        "smoke": {"hidden_dim": 64, "output_dim": 32, "momentum": 0.9},
        "demo": CROPS | {"hidden_dim": 512, "output_dim": 128, "momentum": 0.97},
    },
    "mae": {"smoke": {"decoder_dim": 32, "decoder_depth": 1}, "demo": {"decoder_dim": 96, "decoder_depth": 2}},
    # On a grid of 4 x 4 patches a target has one or two of them, on one of 8 x 8 nine to twelve.
    "ijepa": {
        "smoke": {"predictor_dim": 32, "predictor_depth": 1, "min_keep": 0, "momentum": 0.9},
        "demo": {"predictor_dim": 64, "predictor_depth": 2, "min_keep": 4, "momentum": 0.97},
    },
    "supervised": {"demo": CROPS},
}
# With six times the steps of demo a teacher may lag behind by more of them; all else is as there.
SLOWER: dict[str, dict[str, Any]] = {
    "byol": {"momentum": 0.99},
    "dino": {"momentum": 0.996, "freeze_last_layer": 1 / 48},
    "dinov2": {"momentum": 0.994, "freeze_last_layer": 1 / 48},
    "moco-v3": {"momentum": 0.99},
    "ijepa": {"momentum": 0.99},
}
for _name, _values in SLOWER.items():
    PRESETS[_name]["demo-long"] = PRESETS[_name]["demo"] | _values  # fmt: skip
