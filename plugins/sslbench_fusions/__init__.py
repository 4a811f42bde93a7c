"""The built-in fusions of EHR features with image features. A new fusion is one line here."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ssl_bench import Component, FusionSpec, hookimpl


def fusion(name: str, target: str, summary: str, options: str = "", **fields: Any) -> FusionSpec:
    """A fusion of this package."""
    return FusionSpec(
        name=name,
        target=f"sslbench_fusions.{target}",
        summary=summary,
        options=f"sslbench_fusions.options:{options}" if options else "",
        **fields,
    )


@hookimpl
def sslbench_components() -> Iterable[Component]:
    """The built-in fusions."""
    return [
        fusion("concat", "concat:Concat", "image and embedded EHR features side by side, projected to the image width "
               "(the paper)", "ConcatOptions", offset_parameters=("embed.bias", "project.bias")),
        fusion("concat-noproj", "concat:ConcatNoProjection", "side by side without a projection: a wider head",
               "ConcatOptions", keeps_width=False, offset_parameters=("embed.bias",)),
        fusion("gated", "gated:Gated", "a gate for each feature mixes image and EHR"),
        fusion("film", "film:Film", "EHR features scale and shift the image features", "FilmOptions"),
        fusion("cross-attention", "cross_attention:CrossAttention", "EHR features attend the image tokens",
               "CrossAttentionOptions", needs_tokens=True),
        fusion("align", "align:Align", "an auxiliary loss aligns image and EHR; nothing is fused", "AlignOptions",
               fuses=False),
        fusion("predict", "predict:Predict", "an auxiliary loss predicts the EHR from the image; nothing is fused",
               "PredictOptions", fuses=False),
        fusion("none", "nothing:Nothing", "the image alone, for comparison", fuses=False),
    ]  # fmt: skip
