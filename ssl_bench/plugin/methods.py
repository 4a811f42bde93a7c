"""What the author of a method imports: a base class, heads, moving averages and the call of the fusion."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import TypeVar, cast

import torch
from torch import Tensor, nn

from ssl_bench.distributed import BatchNorm as BatchNorm
from ssl_bench.distributed import all_reduce_mean as all_reduce_mean
from ssl_bench.distributed import drawn_rows as drawn_rows
from ssl_bench.distributed import gather as gather
from ssl_bench.distributed import own_share
from ssl_bench.plugin.contracts import Backbone, Batch, Encoding, Fused, Fusion, Loss, ParameterGroup, ViewGroup

M = TypeVar("M", bound="nn.Module | Backbone")


class BaseMethod(nn.Module):
    """Defaults for everything of :class:`ssl_bench.plugin.contracts.Method` but views, loss and encoder."""

    views: Sequence[ViewGroup]
    schedule_stretch: float = 1.0
    null_parameters: Sequence[str] = ()
    frozen: Sequence[nn.Parameter] = ()
    detaches: bool = False

    @property
    def encoder(self) -> Backbone:
        """The network that is evaluated."""
        raise NotImplementedError(f"{type(self).__name__} must state which network is evaluated")

    def fit(self, images: Iterable[Tensor]) -> None:
        """Nothing to learn of the training images but by steps."""

    def training_loss(self, batch: Batch, progress: float) -> Loss:
        """The loss of one batch, with gradients."""
        raise NotImplementedError(f"{type(self).__name__} must define its training loss")

    def before_step(self, progress: float) -> None:
        """Nothing to prepare."""

    def after_step(self, progress: float) -> Mapping[str, float]:
        """Nothing to do after the optimiser."""
        return {}

    def parameter_groups(self) -> Sequence[ParameterGroup]:
        """Two groups: weights with decay; biases and normalisation (1-D parameters) without."""
        return split_by_decay(self.named_parameters())


def split_by_decay(
    named: Iterator[tuple[str, nn.Parameter]], *, clip: float | None = None, clip_each: bool = False
) -> list[ParameterGroup]:
    """Trainable parameters as two groups: with weight decay, and (1-D ones) without."""
    trainable = [parameter for _, parameter in named if parameter.requires_grad]
    matrices = [parameter for parameter in trainable if parameter.ndim > 1]
    vectors = [parameter for parameter in trainable if parameter.ndim <= 1]
    return [
        ParameterGroup(matrices, clip=clip, clip_each=clip_each),
        ParameterGroup(vectors, weight_decay=0.0, clip=clip, clip_each=clip_each),
    ]


def frozen_copy(module: M) -> M:
    """A copy whose parameters take no gradient, for a teacher that starts from its student."""
    twin = copy.deepcopy(module)
    network(twin).requires_grad_(False)
    return twin


def network(module: nn.Module | Backbone) -> nn.Module:
    """A backbone as the network that it is, which its contract says in words alone."""
    return cast("nn.Module", module)


def offset_positions(backbone: Backbone, offset: float) -> None:
    """Resample learnt positions to another size as DINO's code does, ``offset`` added to the sides."""
    if hasattr(backbone, "position_offset"):
        backbone.position_offset = offset


@torch.no_grad()
def ema_update(teacher: nn.Module | Backbone, student: nn.Module | Backbone, momentum: float) -> None:
    """``teacher = momentum * teacher + (1 - momentum) * student`` for all parameters at once."""
    # lightly's update_momentum multiplies and then adds: two passes over the memory, and rounded twice
    old = [parameter.data for parameter in network(teacher).parameters()]
    new = [parameter.data for parameter in network(student).parameters()]
    torch._foreach_lerp_(old, new, 1.0 - momentum)


def reads_tokens(fusion: Fusion | None) -> bool:
    """Whether a backbone must give its tokens for a fusion: its descriptor says so; one built by hand may read them."""
    return fusion is not None and getattr(fusion, "needs_tokens", True)


def apply_fusion(fusion: Fusion | None, encoding: Encoding, batch: Batch) -> Fused:
    """Fuse the EHR rows of a batch with an encoding of one or more views of it.

    Args:
        fusion: None leaves the encoding's pooled features as they are.
        encoding: of ``V * B`` view-major rows.
        batch: of B images; its EHR rows are repeated view-major to match.
    """
    if fusion is None:
        return Fused(encoding.pooled)
    views = len(encoding.pooled) // len(batch.ehr)
    return fusion.fuse(encoding, batch.ehr.repeat(views, 1), batch.present.repeat(views, 1))


def zero_padded(features: Tensor, width: int) -> Tensor:
    """Image features ``(B, D)`` as wide as fused ones: zeros stand where EHR would, for a branch that has none.

    With a fusion that keeps the width they stay as they are.
    """
    return torch.nn.functional.pad(features, (0, width - features.shape[1]))


def cancelled_offsets(backbone: Backbone, fusion: Fusion | None) -> tuple[str, ...]:
    """Names of parameters that add the same constant to the features of every image.

    A head that begins with a linear layer and a BatchNorm cancels them, so a method with such a head declares them as
    ``null_parameters``. A backbone names its own in ``offset_parameters``, a fusion in the field of that name of its
    descriptor; a fusion without any is taken to use the features in another way than linearly, so that the backbone's
    matter.
    """
    own = tuple(f"fusion.{name}" for name in getattr(fusion, "offset_parameters", ()))
    passed = own or fusion is None
    return own + (tuple(f"backbone.{name}" for name in getattr(backbone, "offset_parameters", ())) if passed else ())


def projection_head(
    sizes: Sequence[int],
    *,
    activation: type[nn.Module] = nn.ReLU,
    hidden_bias: bool = False,
    last_bias: bool = False,
    last_norm: bool = False,
    last_scale: bool = False,
    norm: bool = True,
) -> nn.Sequential:
    """A multi-layer perceptron: Linear, BatchNorm, activation on the hidden layers; Linear on the last.

    Args:
        sizes: widths from input to output.
        activation: of the hidden layers.
        hidden_bias: hidden layers have a bias.
        last_bias: the last layer has a bias.
        last_norm: a BatchNorm without a shift ends the head.
        last_scale: that BatchNorm has a scale.
        norm: hidden layers have a BatchNorm.
    """
    # lightly's ProjectionHead takes each layer ready-made, a bias wherever there is no BatchNorm; its own heads have
    # BatchNorm of one process, a wrong gradient on two
    layers: list[nn.Module] = []
    for wide, narrow in pairwise(sizes[:-1]):
        layers.append(nn.Linear(wide, narrow, bias=hidden_bias))
        layers += [BatchNorm(narrow)] if norm else []
        layers.append(activation())
    layers.append(nn.Linear(sizes[-2], sizes[-1], bias=last_bias))
    if last_norm:
        layers.append(BatchNorm(sizes[-1], affine=last_scale))
        layers[-1].register_parameter("bias", None)
    return nn.Sequential(*layers)


def random_keep(rows: int, patches: int, drop: float, device: torch.device, views: int = 1) -> Tensor:
    """Patch numbers ``(rows, K)`` that stay, drawn per row without replacement, in ascending order.

    K is rounded down, as in the official code of MAE and MSN: 166 of 196 patches stay where 0.15 are dropped.

    Args:
        rows: images of this process, view-major.
        patches: patches of an image, the class token not counted.
        drop: share that is dropped.
        device: of the result.
        views: of an image among the rows.
    """
    return random_subset(rows, patches, int(patches * (1 - drop)), device, views)


def random_subset(rows: int, patches: int, kept: int, device: torch.device, views: int = 1) -> Tensor:
    """As :func:`random_keep`, for a number of patches that is kept.

    On several processes the rows of all are drawn everywhere and the own ones are kept, as one process would draw.
    """
    # lightly's random_token_mask draws on the device and for one process alone, and counts the class token
    share = own_share()
    joined = rows * share.world
    noise = torch.rand(joined, patches)[share.rows(joined, views)]  # on the CPU generator: the same on every device
    return noise.argsort(dim=1)[:, :kept].sort(dim=1).values.to(device)


def truncated_normal(module: nn.Module, std: float = 0.02) -> None:
    """Initialise linear layers as ViTs and the heads of DINO and MSN are: truncated normal weights, no bias."""
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            nn.init.trunc_normal_(layer.weight, std=std)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


@contextmanager
def full_precision(*tensors: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Autocast off, and the tensors in float32 (float64 stays): losses are computed in it."""
    wide = tuple(tensor if tensor.dtype == torch.float64 else tensor.float() for tensor in tensors)
    if tensors[0].is_meta:  # size estimates run on shapes alone, where there is no autocast
        yield wide
        return
    with torch.autocast(tensors[0].device.type, enabled=False):
        yield wide


def joined_losses(total: Tensor, auxiliary: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
    """The method's loss with a fusion's auxiliary losses added, and those as named parts."""
    parts = {f"fusion_{name}": loss for name, loss in auxiliary.items()}
    return total + sum(parts.values()), parts
