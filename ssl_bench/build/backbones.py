"""Image encoders: any timm model behind one interface, single channel, with patches dropped before the blocks."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from typing import Any, cast

import timm
import torch
from timm.models import vision_transformer
from timm.models.vision_transformer import Block, VisionTransformer
from torch import Tensor, nn
from torch.nn import functional

from ssl_bench.build.activations import recomputed
from ssl_bench.distributed import across_ranks
from ssl_bench.errors import UsageError, unknown
from ssl_bench.plugin.contracts import Encoding, Hidden
from ssl_bench.plugin.positions import sincos_positions


class TimmViT(nn.Module):
    """A timm VisionTransformer; its pooled feature is timm's: mostly the class token after the final norm.

    Args:
        model: a timm model with ``dynamic_img_size``.
        recipe: architecture name and arguments that rebuild it.
        image_size: px of the evaluated view.
    """

    # lightly's MaskedVisionTransformerTIMM draws the weights anew, antialiases resampled positions, gives pooled
    # features or tokens of a pass but not both, and cannot leave out the last block's patches
    masks = True
    position_offset = 0.0
    """Added to the sides of a grid of patches whose positions are resampled; 0.1 in the code of DINO."""

    def __init__(self, model: VisionTransformer, recipe: Mapping[str, Any], image_size: int) -> None:
        super().__init__()
        self.model = model
        self.recipe = {**recipe, "model_args": dict(recipe["model_args"])}
        self.image_size = image_size
        self.dim = int(model.num_features)
        # A constant that the last norm adds to every image, which a head that begins with a BatchNorm cancels.
        last = () if model.global_pool == "map" else ("norm.bias", "fc_norm.bias")
        self.offset_parameters = tuple(f"model.{name}" for name, _ in model.named_parameters() if name in last)
        self.patch_size = int(model.patch_embed.patch_size[0])
        self.class_token_alone = model.global_pool == "token" and _is_plain(model.blocks[-1])

    def forward(
        self, images: Tensor, keep: Tensor | None = None, *, tokens: bool = True, hidden: Hidden | None = None
    ) -> Encoding:
        """Encode ``images (B, 1, H, W)``; ``keep (B, K)`` numbers the patches that enter the blocks.

        Without ``tokens`` the last block computes the class token alone.
        """
        vit = self.model
        rows = self._placed(covered(vit.patch_embed(images), hidden))  # (B, P + N, D)
        prefix = vit.num_prefix_tokens
        if keep is not None:
            chosen = keep.unsqueeze(-1).expand(-1, -1, rows.shape[-1])
            rows = torch.cat([rows[:, :prefix], rows[:, prefix:].gather(1, chosen)], dim=1)
        rows = vit.norm_pre(rows)
        if tokens or not self.class_token_alone:
            rows = self._through(vit.blocks, rows)
        else:
            rows = class_token(cast("Block", vit.blocks[-1]), self._through(vit.blocks[:-1], rows))
        rows = vit.norm(rows)
        return Encoding(vit.forward_head(rows, pre_logits=True), rows[:, prefix:])

    def _through(self, blocks: nn.Sequential, rows: Tensor) -> Tensor:
        """Rows ``(B, N, D)`` through blocks, whose activations may be computed again in the backward pass."""
        if not (self.model.grad_checkpointing and torch.is_grad_enabled()):
            return cast("Tensor", blocks(rows))
        for block in blocks:
            rows = recomputed(block, rows)
        return rows

    def _placed(self, patches: Tensor) -> Tensor:
        """Patches ``(B, H, W, D)`` with their positions, behind the class token and registers: ``(B, P + N, D)``.

        A grid of another size than the model's gets positions by plain bicubic interpolation, as in the official code
        of MSN and DINO; timm antialiases them, which other small crops than theirs would see.
        """
        vit = self.model
        if vit.pos_embed is None:
            return vit._pos_embed(patches)
        first = 0 if vit.no_embed_class else vit.num_prefix_tokens
        grid = cast("tuple[int, int]", vit.patch_embed.grid_size)
        positions = resampled(vit.pos_embed, grid, patches.shape[1:3], prefix=first, offset=self.position_offset)
        found = (vit.cls_token, vit.reg_token, getattr(vit, "dist_token", None))
        prefix = [token.expand(len(patches), -1, -1) for token in found if token is not None]
        rows = patches.flatten(1, 2)
        if vit.no_embed_class:
            rows = torch.cat([*prefix, rows + positions], dim=1)
        else:
            rows = torch.cat([*prefix, rows], dim=1) + positions
        return cast("Tensor", vit.pos_drop(rows))

    def patches(self, size: int) -> int:
        """Patches of a square image of ``size`` px."""
        return (size // self.patch_size) ** 2

    def fix_positions(self) -> None:
        """Give every patch its place by sines and cosines that are not trained."""
        vit = self.model
        if vit.pos_embed is None:
            return
        places = sincos_positions(*cast("tuple[int, int]", vit.patch_embed.grid_size), self.dim)
        with torch.no_grad():
            vit.pos_embed.zero_()  # the class token's, where it has one
            vit.pos_embed[:, -len(places) :] = places.to(vit.pos_embed)
        vit.pos_embed.requires_grad_(False)

    def pool_patches(self) -> None:
        """Leave class token and registers out; pooled is then the mean of the patches after the last norm.

        Raises:
            UsageError: the model pools in a way of its own.
        """
        vit = self.model
        if vit.global_pool not in ("token", "avg") or getattr(vit, "dist_token", None) is not None:
            raise UsageError(
                f"timm model '{self.recipe['architecture']}' pools by more than a class token or a mean, which cannot "
                "be left out; choose another ViT"
            )
        if vit.pos_embed is not None and not vit.no_embed_class:
            places = vit.pos_embed.detach()[:, vit.num_prefix_tokens :].clone()
            vit.pos_embed = nn.Parameter(places, vit.pos_embed.requires_grad)
        self.recipe["model_args"] |= {"class_token": False, "reg_tokens": 0, "global_pool": "avg"} | (
            {"fc_norm": False} if vit.global_pool == "token" else {}  # the norm stays in front of the pooling
        )
        vit.cls_token = vit.reg_token = None
        vit.has_class_token, vit.num_prefix_tokens, vit.num_reg_tokens = False, 0, 0
        vit.global_pool, self.class_token_alone = "avg", False

    def export(self) -> tuple[dict[str, Any], Mapping[str, Tensor]]:
        """The ``config.json`` and weights that timm opens from a folder."""
        return _hub_config(self.recipe, self.dim, self.image_size, str(self.model.global_pool)), self.model.state_dict()


def covered(patches: Tensor, hidden: Hidden | None) -> Tensor:
    """Patches ``(B, H, W, D)`` without places, a token instead of those that are hidden."""
    if hidden is None:
        return patches
    where = hidden.where.view(*patches.shape[:3], 1)
    return torch.where(where, hidden.token.to(patches.dtype), patches)


def resampled(
    positions: Tensor, old: tuple[int, int], new: Sequence[int], *, prefix: int = 1, offset: float = 0.0
) -> Tensor:
    """Positions ``(1, prefix + H * W, D)`` for another grid of patches, by bicubic interpolation.

    Args:
        positions: of a grid of ``old`` rows and columns, behind those of ``prefix`` tokens that have no place.
        old: rows and columns.
        new: rows and columns.
        prefix: tokens without a place.
        offset: added to the new sides before the scale is computed.
    """
    if tuple(new) == tuple(old):
        return positions
    table = positions[:, prefix:].reshape(1, *old, positions.shape[-1]).permute(0, 3, 1, 2)  # (1, D, H, W)
    if offset:
        scale = [(side + offset) / before for side, before in zip(new, old, strict=True)]
        table = functional.interpolate(table, scale_factor=scale, mode="bicubic")
    else:
        table = functional.interpolate(table, size=tuple(new), mode="bicubic")
    return torch.cat([positions[:, :prefix], table.flatten(2).transpose(1, 2)], dim=1)


def _is_plain(block: nn.Module) -> bool:
    """Whether a block is timm's usual one, which :func:`class_token` repeats for one token."""
    usual = cast("Any", vision_transformer).Attention
    layer = cast("Any", getattr(block, "attn", None))
    plain = type(block) is Block and type(layer) is usual
    return plain and layer.attn_drop.p == 0 and getattr(layer, "gate", None) is None


def class_token(block: Block, rows: Tensor) -> Tensor:
    """The first token ``(B, 1, D)`` after a block, of ``rows (B, N, D)``: it asks, all of them answer.

    The same as ``block(rows)[:, :1]`` for a sixth of the operations.
    """
    first = rows[:, :1]
    first = first + block.drop_path1(block.ls1(_attend(cast("Any", block.attn), block.norm1(rows))))
    return cast("Tensor", first + block.drop_path2(block.ls2(block.mlp(block.norm2(first)))))


def _attend(layer: Any, rows: Tensor) -> Tensor:
    """What the first of the rows ``(B, N, D)`` gets from all, ``(B, 1, D)``, with the weights of an attention layer."""
    width = len(layer.qkv.weight) // 3
    weights, biases = layer.qkv.weight.split([width, 2 * width]), (None, None)
    if layer.qkv.bias is not None:
        biases = layer.qkv.bias.split([width, 2 * width])
    query = functional.linear(rows[:, :1], weights[0], biases[0])
    key, value = functional.linear(rows, weights[1], biases[1]).chunk(2, dim=-1)
    query, key, value = (
        part.reshape(*part.shape[:2], layer.num_heads, -1).transpose(1, 2) for part in (query, key, value)
    )  # (B, heads, 1 or N, D / heads)
    asked = layer.q_norm(query) * layer.scale @ layer.k_norm(key).transpose(-2, -1)
    answer = asked.softmax(dim=-1) @ value
    return cast("Tensor", layer.proj_drop(layer.proj(layer.norm(answer.transpose(1, 2).flatten(2)))))


class TimmCNN(nn.Module):
    """Any other timm model: CNNs, Swin, DaViT, BEiT, EVA, DINOv3, hybrid ViTs; patches cannot be dropped.

    Pooled is timm's. The tokens are the pixels of the last map ``(B, D, H, W)`` or ``(B, H, W, D)``, or the sequence
    ``(B, P + N, D)`` without its P class tokens and registers.

    Args:
        model: a timm model without classifier.
        recipe: architecture name and arguments that rebuild it.
        image_size: px of the evaluated view.

    Attributes:
        patch_size: of a model that is named after one, else 0.

    Raises:
        UsageError: the model widens its features after pooling, so tokens and pooled features differ in width.
    """

    masks = False

    def __init__(self, model: nn.Module, recipe: Mapping[str, Any], image_size: int) -> None:
        super().__init__()
        self.model = across_ranks(model)
        self.recipe = dict(recipe)
        self.image_size = image_size
        self.dim = int(cast("int", model.num_features))
        self.patch_size = _patch(model) if "patch" in str(recipe["architecture"]) else 0
        self.prefix = int(cast("Any", getattr(model, "num_prefix_tokens", 0)) or 0)
        stages = cast("Any", getattr(model, "feature_info", None))
        self.reduction = int(stages[-1].get("reduction", 32)) if isinstance(stages, list) and stages else 32
        if getattr(model, "head_hidden_size", self.dim) != self.dim:
            raise UsageError(
                f"timm model '{recipe['architecture']}' widens its features after pooling ({self.dim} to "
                f"{model.head_hidden_size}), which no method here expects; choose another CNN or a ViT"
            )

    def forward(
        self, images: Tensor, keep: Tensor | None = None, *, tokens: bool = True, hidden: Hidden | None = None
    ) -> Encoding:
        """Encode ``images (B, 1, H, W)``; the tokens cost nothing.

        Raises:
            ValueError: patches are to be dropped or hidden, which such a model cannot do.
            UsageError: the model takes no images of this size, or gives neither a map nor a sequence.
        """
        if keep is not None or hidden is not None:
            raise ValueError(f"timm model '{self.recipe['architecture']}' has no patches to drop or hide")
        model = cast("Any", self.model)
        try:
            features = model.forward_features(images)
        except (AssertionError, RuntimeError) as error:
            if images.shape[-1] == self.image_size:
                raise
            raise UsageError(
                f"timm model '{self.recipe['architecture']}' takes no images of {images.shape[-1]} px ({error}); "
                f"choose views of {self.image_size} px"
            ) from None
        return Encoding(model.forward_head(features, pre_logits=True), self._tokens(features))

    def _tokens(self, features: Tensor) -> Tensor:
        """The tokens ``(B, N, D)`` of features in any of timm's layouts."""
        last = getattr(self.model, "output_fmt", "NCHW") == "NHWC"
        if features.ndim == 3 and features.shape[2] == self.dim:
            return features[:, self.prefix :]
        if features.ndim == 4 and features.shape[3 if last else 1] == self.dim:
            return features.flatten(1, 2) if last else features.flatten(2).transpose(1, 2)
        raise UsageError(
            f"timm model '{self.recipe['architecture']}' gives features of shape {tuple(features.shape)}, expected a "
            f"map or a sequence of width {self.dim}; choose another model"
        )

    def patches(self, size: int) -> int:
        """Tokens of a square image of ``size`` px."""
        return math.ceil(size / self.reduction) ** 2

    @property
    def _pool(self) -> str:
        pool = getattr(self.model, "global_pool", "avg")
        return pool if isinstance(pool, str) else "avg"

    def export(self) -> tuple[dict[str, Any], Mapping[str, Tensor]]:
        """The ``config.json`` and weights that timm opens from a folder."""
        return _hub_config(self.recipe, self.dim, self.image_size, self._pool), self.model.state_dict()


def build(image_size: int, model: str, **arguments: Any) -> TimmViT | TimmCNN:
    """A timm model as a backbone, randomly initialised.

    Args:
        image_size: side of the evaluated view in px.
        model: a timm architecture name.
        **arguments: further arguments of the architecture.

    Raises:
        UsageError: timm has no such model, or it refuses the arguments.
    """
    if not timm.is_model(model):
        raise UsageError(unknown("timm model", model, _near(model)))
    created, recipe = _created(model, arguments, image_size)
    if _is_vit(model):
        return TimmViT(cast("VisionTransformer", created), recipe, image_size)
    return TimmCNN(created, recipe, image_size)


def _created(model: str, arguments: Mapping[str, Any], image_size: int) -> tuple[nn.Module, dict[str, Any]]:
    """The model at a size, with the freest argument for other sizes that its family knows, and what rebuilds it."""
    own = dict(arguments)
    refused = ""
    for sized in _sizes(model, image_size):
        recipe: dict[str, Any] = {"architecture": model, "model_args": {"in_chans": 1, **own, **sized}}
        try:
            return timm.create_model(model, pretrained=False, num_classes=0, **recipe["model_args"]), recipe
        except (TypeError, AssertionError, RuntimeError) as error:
            refused = refused or f"timm model '{model}' refuses {recipe['model_args']}: {error}"
            if not any(f"'{name}'" in str(error) for name in sized):
                break
    raise UsageError(refused)


def _sizes(model: str, image_size: int) -> list[dict[str, Any]]:
    """Arguments for the size of images, to be tried in their order."""
    given = {"img_size": image_size}
    if _is_vit(model):
        return [given | {"dynamic_img_size": True}]
    known = timm.get_pretrained_cfg(model)
    fixed = bool(known and known.fixed_input_size) or timm.model_entrypoint(model).__module__ == "timm.models.eva"
    if not fixed:
        return [{}]
    return [given | {"strict_img_size": False}, given | {"dynamic_img_size": True}, given, {}]


def _patch(model: nn.Module) -> int:
    size = getattr(getattr(model, "patch_embed", None), "patch_size", 0)
    return int(size[0] if isinstance(size, tuple | list) else size or 0)


def _near(model: str) -> list[str]:
    """The models with the nearest names: the whole list has over a thousand."""
    near = difflib.get_close_matches(model, timm.list_models(), n=10)
    return near or ["resnet18", "resnet50", "vit_tiny_patch16_224", "vit_small_patch16_224"]


def _is_vit(model: str) -> bool:
    return timm.model_entrypoint(model).__module__ in ("timm.models.vision_transformer", "timm.models.deit")


def _hub_config(recipe: Mapping[str, Any], dim: int, image_size: int, pool: str) -> dict[str, Any]:
    size = [1, image_size, image_size]
    return {
        "architecture": recipe["architecture"],
        "num_classes": 0,
        "num_features": dim,
        "global_pool": pool,
        "model_args": recipe["model_args"],
        "pretrained_cfg": {"input_size": size, "num_classes": 0, "fixed_input_size": False},
    }
