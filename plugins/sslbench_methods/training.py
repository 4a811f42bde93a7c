"""Learning rates and weight decays by method and optimiser, as its authors state them. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping

from ssl_bench import Training

# 176 steps (demo) or fewer (smoke) are over before an official rate at batch 64 has moved anything: docs/results.md.
SHORT: Mapping[str, float] = {"demo": 2e-3, "smoke": 1e-3}
GENTLE: Mapping[str, float] = {"demo": 5e-4, "smoke": 1e-3}

MOCO_V3 = "arXiv 2104.02057"
DINO = Training(
    lr=5e-4,
    batch=256,
    weight_decay=0.04,
    weight_decay_end=0.4,
    presets=SHORT,
    source="github.com/facebookresearch/dino",
)
MSN = Training(
    lr=1e-3,
    batch=1024,
    weight_decay=0.04,
    weight_decay_end=0.4,
    # nih-small: of 2e-3 and 5e-4 the better one on validation patients (docs/real.md)
    presets={**SHORT, "nih-small": 5e-4},
    source="github.com/facebookresearch/msn",
)


def on_vits(presets: Mapping[str, float], whose: str = MOCO_V3) -> Training:
    """For methods whose authors trained no ViT: as MoCo v3 does, whose authors trained SimCLR and BYOL on ViTs too."""
    return Training(lr=1.5e-4, batch=256, weight_decay=0.1, presets=presets, source=whose)


def on_cnns(lr: float, source: str, weight_decay: float = 1e-6) -> Training:
    """LARS at a rate for 256 images."""
    return Training(lr=lr, batch=256, weight_decay=weight_decay, source=source)


TRAINING: Mapping[str, Mapping[str, Training]] = {
    "msn": {"adamw": MSN},
    "dino": {"adamw": DINO},
    "mae": {
        "adamw": Training(lr=1.5e-4, batch=256, presets=SHORT, source="github.com/facebookresearch/mae"),
    },
    "ijepa": {
        "adamw": Training(
            lr=1e-3,
            batch=2048,
            weight_decay=0.04,
            weight_decay_end=0.4,
            presets=SHORT,
            source="github.com/facebookresearch/ijepa",
        ),
    },
    "moco-v3": {
        "adamw": on_vits(SHORT, "github.com/facebookresearch/moco-v3"),
        "lars": on_cnns(0.6, "github.com/facebookresearch/moco-v3, 100 epochs"),
    },
    "simclr": {
        "adamw": on_vits(GENTLE),
        # 0.3 x batch / 256 is the same at 4096 images; the square root serves small batches better (their README).
        "lars": Training(
            lr=0.075, batch=1, scaling="sqrt", weight_decay=1e-4, source="github.com/google-research/simclr"
        ),
    },
    "byol": {
        "adamw": on_vits(SHORT),
        "lars": on_cnns(0.45, "github.com/google-deepmind/deepmind-research, 100 epochs"),
    },
    "vicreg": {
        "adamw": Training(
            lr=5e-4, batch=256, presets=SHORT, source="github.com/facebookresearch/VICRegL, by the same authors"
        ),
        "lars": on_cnns(0.2, "github.com/facebookresearch/vicreg"),
    },
    "simsiam": {"adamw": on_vits(GENTLE)},
    "supervised": {"adamw": Training(presets=SHORT, source="arXiv 2012.12877")},
}
