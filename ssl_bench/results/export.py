"""The trained encoder as a folder that timm opens offline."""

from __future__ import annotations

from pathlib import Path

from safetensors.torch import save_file

from ssl_bench.contracts import Backbone
from ssl_bench.data.source import Grey
from ssl_bench.files import replacing, write_json


def export_encoder(encoder: Backbone, grey: Grey, folder: Path) -> None:
    """Write ``config.json`` and ``model.safetensors`` so that ``timm.create_model("local-dir:...")`` opens them."""
    folder.mkdir(parents=True, exist_ok=True)
    config, weights = encoder.export()
    config["pretrained_cfg"] |= {"mean": [grey.mean], "std": [grey.std], "interpolation": "bilinear", "crop_pct": 1.0}
    with replacing(folder / "model.safetensors") as temporary:
        save_file({name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}, temporary)
    write_json(folder / "config.json", config)
