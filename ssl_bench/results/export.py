"""The trained encoder as a folder that timm opens offline."""

from __future__ import annotations

from pathlib import Path

from ssl_bench.data.source import PixelStatistics
from ssl_bench.files import sha256, write_json, write_tensors
from ssl_bench.plugin.contracts import Backbone


def export_encoder(encoder: Backbone, grey: PixelStatistics, folder: Path) -> list[Path]:
    """Write ``config.json`` and ``model.safetensors`` so that ``timm.create_model("local-dir:...")`` opens them.

    An encoder that timm has no network for (thumbnails) leaves nothing.

    The configuration also holds the hash of the weights, because a flipped byte in them loads without a word. Returns
    both files.
    """
    exported = encoder.export()
    if exported is None:
        return []
    folder.mkdir(parents=True, exist_ok=True)
    config, weights = exported
    config["pretrained_cfg"] |= {"mean": [grey.mean], "std": [grey.std], "interpolation": "bilinear", "crop_pct": 1.0}
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}
    write_tensors(folder / "model.safetensors", tensors)
    write_json(folder / "config.json", {**config, "sha256": sha256(folder / "model.safetensors")})
    return [folder / "config.json", folder / "model.safetensors"]
