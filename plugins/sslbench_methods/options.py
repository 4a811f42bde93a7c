"""Options of the built-in methods with the official defaults. Imports pydantic only."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ssl_bench import Options, Search

# What a tune searches, and where. The ranges hold the official values and those of every preset; they reach as far as
# the papers' own ablations, and a best value at an end is marked. Widths are left alone: they are capacity, not taste.
Temperature = Annotated[float, Search(low=0.03, high=1.0, scale="log")]
Momentum = Annotated[float, Search(low=0.9, high=0.9995, scale="one-minus")]
Crops = Annotated[tuple[float, float], Search(low=0.05, high=0.6, scale="log", item=0)]
Weight = Annotated[float, Search(low=0.1, high=10.0, scale="log", relative=True)]
Views = Annotated[int, Search(low=1, high=10, whole=True)]
Sharpening = Annotated[float, Search(low=0.1, high=0.6, scale="log")]
TeacherTemperature = Annotated[float, Search(low=0.02, high=0.08, scale="log")]
Dropped = Annotated[float, Search(low=0.05, high=0.7)]
Hidden = Annotated[float, Search(low=0.4, high=0.9)]
Positions = Annotated[Literal["sincos", "learnt"], Search(choices=("sincos", "learnt"))]
Side = Annotated[int, Search(low=8, high=32, scale="log", whole=True)]
Components = Annotated[int, Search(choices=(0, 16, 64))]


class MSNOptions(Options):
    """Masked Siamese Networks (arXiv 2204.07141, github.com/facebookresearch/msn)."""

    prototypes: int = Field(1024, ge=2, description="learnt prototypes")
    temperature: Temperature = Field(0.1, gt=0, description="of the anchors' softmax over prototypes")
    sharpen: Sharpening = Field(0.25, gt=0, le=1, description="temperature that sharpens the target assignment")
    sinkhorn_iterations: int = Field(3, ge=0, description="Sinkhorn steps on the targets, 0 for none")
    me_max_weight: Weight = Field(1.0, ge=0, description="weight of the mean-entropy maximisation")
    mask_ratio: Dropped = Field(0.15, ge=0, lt=1, description="share of the anchor's patches that is dropped")
    mask_shared: bool = Field(True, description="one mask for the batch; no: each image has its own (released)")
    mask_last_patch: bool = Field(True, description="no: the last patch is never seen (an index off by one, released)")
    focal_views: Views = Field(10, ge=0, description="focal crops per image")
    mask_focal: bool = Field(False, description="focal crops are masked too (released)")
    focal_size: int = Field(0, ge=0, description="px of a focal crop, 0 for 3/7 of the image (96 at 224)")
    anchor_scale: tuple[float, float] = Field((0.3, 1.0), description="area of target and anchor crops")
    focal_scale: tuple[float, float] = Field((0.05, 0.3), description="area of focal crops")
    hidden_dim: int = Field(2048, ge=0, description="width of the head's two hidden layers, 0 for 4 D")
    output_dim: int = Field(256, ge=0, description="width of the projection, 0 for the encoder's D")
    joined_head: bool = Field(False, description="anchors and focal crops share the head's batch statistics (released)")
    train_prototypes: bool = Field(True, description="no: prototypes stay as initialised (released)")
    decay_all: bool = Field(False, description="weight decay on biases and norms too (released)")
    momentum: Momentum = Field(0.996, ge=0, le=1, description="of the target network at the start")
    momentum_end: float = Field(1.0, ge=0, le=1, description="at the end of the stretched schedule, linear")
    schedule_stretch: float = Field(1.25, ge=1, description="schedules are computed for this multiple of the training")
    clip: float | None = Field(3.0, gt=0, description="gradient norm of backbone and head, prototypes left out")
    flip: float = Field(0.0, ge=0, le=1, description="probability of a flip; it swaps the heart's side")
    brightness: float = Field(0.4, ge=0, lt=1, description="brightness change (colour jitter on grey images)")
    contrast: float = Field(0.4, ge=0, lt=1, description="contrast change (colour jitter on grey images)")
    blur: float = Field(0.5, ge=0, le=1, description="probability of Gaussian blur")


class TwoViewOptions(Options):
    """The two crops that most methods train on: same groups, so the same crops for all of them.

    Blur and solarisation differ between the crops where the official code does that (arXiv 2006.07733, appendix B).
    """

    scale: Crops = Field((0.08, 1.0), description="area of a crop")
    flip: float = Field(0.0, ge=0, le=1, description="probability of a flip; it swaps the heart's side")
    brightness: float = Field(0.4, ge=0, lt=1, description="brightness change (colour jitter on grey images)")
    contrast: float = Field(0.4, ge=0, lt=1, description="contrast change (colour jitter on grey images)")
    blur: tuple[float, float] = Field((1.0, 0.1), description="probability of Gaussian blur, first and second crop")
    solarize: float = Field(0.0, ge=0, le=1, description="probability for the second crop (official: 0.2)")


class SimCLROptions(TwoViewOptions):
    """SimCLR (arXiv 2002.05709, github.com/google-research/simclr)."""

    temperature: Temperature = Field(0.1, gt=0, description="of the softmax over candidates")
    output_dim: int = Field(128, ge=1, description="width of the projection; hidden layers are as wide as the encoder")
    blur: tuple[float, float] = Field((0.5, 0.5), description="probability of Gaussian blur, first and second crop")
    fuse_branches: Literal["one", "both"] = Field("one", description="views that EHR features join")


class BYOLOptions(TwoViewOptions):
    """Bootstrap Your Own Latent (arXiv 2006.07733, github.com/google-deepmind/deepmind-research)."""

    hidden_dim: int = Field(4096, ge=1, description="hidden width of projector and predictor")
    output_dim: int = Field(256, ge=1, description="width of projection and prediction")
    momentum: Momentum = Field(
        0.99, ge=0, le=1, description="of the target at the start (official: .97, .99, .99, .996 at 40, 100, 300, 1000)"
    )


class VICRegOptions(TwoViewOptions):
    """Variance-invariance-covariance regularisation (arXiv 2105.04906, github.com/facebookresearch/vicreg)."""

    hidden_dim: int = Field(8192, ge=1, description="width of the projector's two hidden layers")
    output_dim: int = Field(8192, ge=2, description="width of the projection")
    invariance: Weight = Field(25.0, ge=0, description="weight of the distance between views")
    variance: Weight = Field(25.0, ge=0, description="weight of the hinge on standard deviations")
    covariance: Weight = Field(1.0, ge=0, description="weight of the squared covariances")
    fuse_branches: Literal["one", "both"] = Field("one", description="views that EHR features join")


class SmallCropOptions(Options):
    """Two global crops of an image and several small ones, as DINO and DINOv2 have them."""

    local_views: Views = Field(8, ge=0, description="small crops per image, seen by the student alone")
    local_size: int = Field(0, ge=0, description="px of a local crop, 0 for 3/7 of the image (96 at 224)")
    global_scale: tuple[float, float] = Field((0.4, 1.0), description="area of the two global crops")
    local_scale: tuple[float, float] = Field((0.05, 0.4), description="area of local crops")
    flip: float = Field(0.0, ge=0, le=1, description="probability of a flip; it swaps the heart's side")
    brightness: float = Field(0.4, ge=0, lt=1, description="brightness change (colour jitter on grey images)")
    contrast: float = Field(0.4, ge=0, lt=1, description="contrast change (colour jitter on grey images)")
    blur: tuple[float, float, float] = Field((1.0, 0.1, 0.5), description="probability: first, second global, local")
    solarize: float = Field(0.0, ge=0, le=1, description="probability for the second global crop (official: 0.2)")


class DINOOptions(SmallCropOptions):
    """Self-distillation without labels (arXiv 2104.14294, github.com/facebookresearch/dino).

    Times are shares of the training; the official ones are epochs of 100.
    """

    output_dim: int = Field(65536, ge=2, description="width K of the output; less for small data")
    hidden_dim: int = Field(2048, ge=1, description="width of the head's two hidden layers")
    bottleneck_dim: int = Field(256, ge=1, description="width before the last layer")
    norm_last_layer: bool = Field(True, description="rows of the last layer have unit length; usually off for ViT-S")
    student_temperature: Temperature = Field(0.1, gt=0, description="of the student's softmax")
    teacher_temperature: TeacherTemperature = Field(
        0.04, gt=0, description="of the teacher's softmax after the warm-up (.07 after .3 of the training for ViT-S)"
    )
    teacher_temperature_start: float = Field(0.04, gt=0, description="of the teacher's softmax at the start")
    teacher_temperature_warmup: float = Field(0.0, ge=0, le=1, description="share of the training")
    center_momentum: float = Field(0.9, ge=0, le=1, description="of the centre of the teacher's outputs")
    momentum: Momentum = Field(0.996, ge=0, le=1, description="of the teacher at the start, to 1 along a cosine")
    freeze_last_layer: float = Field(0.01, ge=0, le=1, description="share of the training (official: epoch 0)")
    drop_path: float = Field(0.1, ge=0, lt=1, description="stochastic depth of the student, ViTs only")
    clip: float = Field(3.0, gt=0, description="gradient norm of each parameter by itself")


class DINOv2Options(SmallCropOptions):
    """DINO, iBOT and KoLeo in one (arXiv 2304.07193, github.com/facebookresearch/dinov2, ``vitl14.yaml``).

    Times are shares of the training; the official ones are epochs of 500.
    """

    global_scale: tuple[float, float] = Field((0.32, 1.0), description="area of the two global crops")
    local_scale: tuple[float, float] = Field((0.05, 0.32), description="area of local crops")
    output_dim: int = Field(131072, ge=2, description="width K of the class tokens' output; less for small data")
    patch_output_dim: int = Field(131072, ge=2, description="width K of the patches' output, by a head of their own")
    hidden_dim: int = Field(2048, ge=1, description="width of both heads' two hidden layers")
    bottleneck_dim: int = Field(384, ge=1, description="width before the last layer of the class tokens' head")
    patch_bottleneck_dim: int = Field(256, ge=1, description="width before the last layer of the patches' head")
    dino_weight: float = Field(1.0, ge=0, description="weight of the loss on class tokens")
    ibot_weight: Weight = Field(1.0, ge=0, description="weight of the loss on hidden patches")
    koleo_weight: Weight = Field(0.1, ge=0, description="weight of the distance to the nearest, on both global crops")
    masked_share: float = Field(0.5, ge=0, le=1, description="share of the global crops with hidden patches")
    mask_ratio: tuple[float, float] = Field((0.1, 0.5), description="share of the patches that is hidden there")
    sinkhorn_iterations: int = Field(3, ge=0, description="Sinkhorn steps on the teacher's outputs, 0 for none")
    student_temperature: Temperature = Field(0.1, gt=0, description="of the student's softmax")
    teacher_temperature: TeacherTemperature = Field(
        0.07, gt=0, description="of the teacher's outputs after the warm-up"
    )
    teacher_temperature_start: float = Field(0.04, gt=0, description="of the teacher's outputs at the start")
    teacher_temperature_warmup: float = Field(0.06, ge=0, le=1, description="share of the training (30 epochs)")
    momentum: Momentum = Field(0.994, ge=0, le=1, description="of the teacher at the start, to 1 along a cosine")
    freeze_last_layer: float = Field(0.002, ge=0, le=1, description="share of the training (epoch 0)")
    drop_path: float = Field(0.4, ge=0, lt=1, description="stochastic depth of the student, the same in all blocks")
    patch_embed_lr: float = Field(0.2, ge=0, description="factor on the rate of the patch embedding")
    clip: float = Field(3.0, gt=0, description="gradient norm of the backbone, and of each head")


class SimSiamOptions(TwoViewOptions):
    """Simple Siamese representation learning (arXiv 2011.10566, github.com/facebookresearch/simsiam)."""

    scale: Crops = Field((0.2, 1.0), description="area of a crop")
    blur: tuple[float, float] = Field((0.5, 0.5), description="probability of Gaussian blur, first and second crop")
    output_dim: int = Field(2048, ge=1, description="width of the projection; hidden layers are as wide as the encoder")
    predictor_dim: int = Field(512, ge=1, description="hidden width of the predictor")
    constant_predictor_lr: bool = Field(True, description="the predictor's rate stays at its peak (official: yes)")


class MoCoV3Options(TwoViewOptions):
    """Momentum contrast, version 3 (arXiv 2104.02057, github.com/facebookresearch/moco-v3)."""

    hidden_dim: int = Field(4096, ge=1, description="hidden width of projector and predictor")
    output_dim: int = Field(256, ge=1, description="width of projection and prediction")
    temperature: Temperature = Field(
        0.2, gt=0, description="of the softmax over keys (official: 0.2 for ViTs, 1 for ResNet)"
    )
    momentum: Momentum = Field(0.99, ge=0, le=1, description="of the key encoder at the start, to 1 along a cosine")
    freeze_patches: bool = Field(True, description="a ViT's patch embedding stays as initialised (official for ViTs)")


class MAEOptions(Options):
    """Masked autoencoder (arXiv 2111.06377, github.com/facebookresearch/mae)."""

    mask_ratio: Hidden = Field(0.75, gt=0, lt=1, description="share of the patches that is hidden")
    decoder_dim: int = Field(512, ge=32, multiple_of=32, description="width of the decoder, 32 to a head")
    decoder_depth: int = Field(8, ge=1, description="blocks of the decoder")
    norm_pixels: bool = Field(True, description="pixels are normalised patch by patch before they are compared")
    scale: Crops = Field((0.2, 1.0), description="area of the crop")
    flip: float = Field(0.0, ge=0, le=1, description="probability of a flip; it swaps the heart's side")
    brightness: float = Field(0.0, ge=0, lt=1, description="brightness change (official: none)")
    contrast: float = Field(0.0, ge=0, lt=1, description="contrast change (official: none)")
    blur: float = Field(0.0, ge=0, le=1, description="probability of Gaussian blur (official: none)")


class IJEPAOptions(Options):
    """Image-based joint-embedding predictive architecture (arXiv 2301.08243, github.com/facebookresearch/ijepa)."""

    targets: int = Field(4, ge=1, description="target blocks of an image")
    target_scale: tuple[float, float] = Field((0.15, 0.2), description="share of the patches in a target block")
    target_ratio: tuple[float, float] = Field((0.75, 1.5), description="height by width of a target block")
    context_scale: tuple[float, float] = Field((0.85, 1.0), description="share of the context before targets are cut")
    min_keep: int = Field(10, ge=0, description="a block has more patches than this (less for grids below 9 x 9)")
    predictor_dim: int = Field(384, ge=4, multiple_of=4, description="width of the predictor")
    predictor_depth: int = Field(6, ge=1, description="blocks of the predictor (12 for ViT-L and ViT-H)")
    predictor_heads: int = Field(0, ge=0, description="heads of the predictor, 0 for as many as the encoder's")
    momentum: Momentum = Field(0.996, ge=0, le=1, description="of the target encoder at the start, linear")
    momentum_end: float = Field(1.0, ge=0, le=1, description="of the target encoder at the end")
    scale: Crops = Field((0.3, 1.0), description="area of the crop")
    flip: float = Field(0.0, ge=0, le=1, description="probability of a flip (official: none)")
    brightness: float = Field(0.0, ge=0, lt=1, description="brightness change (official: none)")
    contrast: float = Field(0.0, ge=0, lt=1, description="contrast change (official: none)")
    blur: float = Field(0.0, ge=0, le=1, description="probability of Gaussian blur (official: none)")


class SupervisedOptions(TwoViewOptions):
    """Binary cross-entropy on the training labels, on the crops of SimCLR."""

    blur: tuple[float, float] = Field((0.5, 0.5), description="probability of Gaussian blur, first and second crop")


class RandomOptions(Options):
    """The encoder as it is initialised."""

    positions: Positions = Field("sincos", description="of a ViT's patches: fixed, or as drawn")


class PixelsOptions(Options):
    """Thumbnails of the images as features."""

    size: Side = Field(16, ge=1, le=64, description="side of the thumbnail in px")
    components: Components = Field(
        0, ge=0, description="leading principal axes of the training thumbnails, 0 for grey values"
    )
