"""Options of the built-in methods with the official defaults. Imports pydantic only."""

from __future__ import annotations

from pydantic import Field

from ssl_bench import Options


class MSNOptions(Options):
    """Masked Siamese Networks (arXiv 2204.07141, github.com/facebookresearch/msn)."""

    prototypes: int = Field(1024, ge=2, description="learnt prototypes")
    temperature: float = Field(0.1, gt=0, description="of the anchors' softmax over prototypes")
    sharpen: float = Field(0.25, gt=0, le=1, description="temperature that sharpens the target assignment")
    sinkhorn_iterations: int = Field(3, ge=0, description="Sinkhorn steps on the targets, 0 for none")
    me_max_weight: float = Field(1.0, ge=0, description="weight of the mean-entropy maximisation")
    mask_ratio: float = Field(0.15, ge=0, lt=1, description="share of the anchor's patches that is dropped")
    focal_views: int = Field(10, ge=0, description="focal crops per image; they are not masked")
    focal_size: int = Field(0, ge=0, description="px of a focal crop, 0 for 3/7 of the image (96 at 224)")
    anchor_scale: tuple[float, float] = Field((0.3, 1.0), description="area of target and anchor crops")
    focal_scale: tuple[float, float] = Field((0.05, 0.3), description="area of focal crops")
    hidden_dim: int = Field(2048, ge=1, description="width of the projection head's two hidden layers")
    output_dim: int = Field(256, ge=1, description="width of the projection")
    momentum: float = Field(0.996, ge=0, le=1, description="of the target network at the start")
    momentum_end: float = Field(1.0, ge=0, le=1, description="at the end of the stretched schedule, linear")
    schedule_stretch: float = Field(1.25, ge=1, description="schedules are computed for this multiple of the training")
    clip: float = Field(3.0, gt=0, description="gradient norm of backbone and head; prototypes are not clipped")
    flip: float = Field(0.0, ge=0, le=1, description="probability of a flip; it swaps the heart's side")
    brightness: float = Field(0.4, ge=0, lt=1, description="brightness change (colour jitter on grey images)")
    contrast: float = Field(0.4, ge=0, lt=1, description="contrast change (colour jitter on grey images)")
    blur: float = Field(0.5, ge=0, le=1, description="probability of Gaussian blur")
