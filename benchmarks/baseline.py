"""The standard recipe for Masked Siamese Networks, composed from public packages: what sslbench is measured against.

torchvision's ViT-Tiny/16 in lightly's masked wrapper, lightly's head, loss, moving average and transform, Pillow RGB
images in a DataLoader, AdamW; put together as in lightly's documentation of MSN. Where that leaves a choice, the one
that is faster for the recipe is taken, unless it would train something else; every such choice has its comment.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from lightly.loss import MSNLoss
from lightly.models.modules import MaskedVisionTransformerTorchvision
from lightly.models.modules.heads import MSNProjectionHead
from lightly.models.utils import random_token_mask, update_momentum
from lightly.transforms.msn_transform import MSNViewTransform
from lightly.transforms.multi_view_transform import MultiViewTransform
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision.models.vision_transformer import VisionTransformer

from ssl_bench.build.backbones import TimmViT
from sslbench_methods.msn import MSN

IMAGE, FOCAL_IMAGE, FOCAL_VIEWS, PATCH, WIDTH, PROTOTYPES = 224, 96, 10, 16, 192, 1024


class Recipe(nn.Module):
    """Network, loss, optimiser and moving average of the recipe.

    Tried and left out, because it gains nothing here: channels-last images and patch embedding (13 ms against 10 ms),
    the target in ``eval`` mode.

    Args:
        bf16: run the networks under bf16 autocast.
        mask_ratio: share of the anchor's patches that is dropped.
    """

    def __init__(self, *, bf16: bool = False, mask_ratio: float = 0.15) -> None:
        super().__init__()
        self.bf16, self.mask_ratio = bf16, mask_ratio
        vit = VisionTransformer(IMAGE, PATCH, num_layers=12, num_heads=3, hidden_dim=WIDTH, mlp_dim=4 * WIDTH)
        vit.heads = nn.Identity()  # the classifier is not used
        self.backbone = MaskedVisionTransformerTorchvision(vit)
        self.head = MSNProjectionHead(WIDTH)
        # Not marked as frozen, as the examples do: torch then multiplies attention's input by a copy of the weight for
        # each token, and the target's forward takes 2.5 times as long in bf16 (as long in float32). It runs in no_grad.
        self.target_backbone, self.target_head = copy.deepcopy(self.backbone), copy.deepcopy(self.head)
        self.prototypes = nn.Parameter(nn.Linear(256, PROTOTYPES, bias=False).weight.detach())
        self.loss = MSNLoss()
        self.network = [*self.backbone.parameters(), *self.head.parameters()]
        # Fused where the examples have the default, which on a CPU is a loop over the parameters.
        self.optimizer = torch.optim.AdamW([*self.network, self.prototypes], lr=1e-4, weight_decay=1e-3, fused=True)

    def forward(self, views: Sequence[Tensor]) -> Tensor:
        """The loss of ``MSNTransform``'s views ``(B, 3, H, W)``: the target, the anchor, then the focal ones.

        The examples also mask the focal views; the official code does not, nor does sslbench, so this does not either.
        """
        target, anchor, focal = views[0], views[1], torch.cat(list(views[2:]))  # one forward for all focal views
        with torch.autocast(target.device.type, torch.bfloat16, enabled=self.bf16):
            with torch.no_grad():
                wanted = self.target_head(self.target_backbone(target))
            pooled = [self.backbone(anchor, idx_keep=self.kept_tokens(anchor)), self.backbone(focal)]
            given = self.head(torch.cat(pooled))
        # In float32 in both precisions: under bf16 autocast this loss is off by a fifth, and not faster. The prototypes
        # are passed themselves, not their ``.data`` as in the examples, which would never train them.
        return self.loss(given.float(), wanted.float(), self.prototypes)

    def kept_tokens(self, images: Tensor) -> Tensor:
        """Numbers of the tokens that stay, the class token among them."""
        size = (len(images), 1 + (images.shape[-1] // PATCH) ** 2)
        return random_token_mask(size, self.mask_ratio, device=images.device)[0]

    def step(self, views: Sequence[Tensor]) -> None:
        """One training step, everything that sslbench's has: moving average, loss, gradients, clipping, AdamW."""
        update_momentum(self.backbone, self.target_backbone, 0.996)  # foreach already
        update_momentum(self.head, self.target_head, 0.996)
        self.forward(views).backward()
        nn.utils.clip_grad_norm_(self.network, 3.0)  # as the official code, prototypes aside
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)

    @torch.no_grad()
    def load(self, method: MSN) -> None:
        """Take over the weights of sslbench's network, so that both compute the same function of a grey image."""
        self.prototypes.copy_(method.prototypes)
        for wrapper, ours in ((self.backbone, method.backbone), (self.target_backbone, method.target_backbone)):
            wrapper.vit.load_state_dict(torchvision_weights(ours))
        for head, ours in ((self.head, method.head), (self.target_head, method.target_head)):
            # The biases in front of a BatchNorm, which cancel, are the only parameters that lightly's head lacks.
            head.layers.load_state_dict({k: v for k, v in ours.state_dict().items() if k in head.layers.state_dict()})


TIMM_NAMES = {
    "norm1": "ln_1",
    "attn.qkv.": "self_attention.in_proj_",
    "attn.proj": "self_attention.out_proj",
    "norm2": "ln_2",
    "mlp.fc1": "mlp.0",
    "mlp.fc2": "mlp.3",
    "blocks.": "encoder.layers.encoder_layer_",
    "cls_token": "class_token",
    "pos_embed": "encoder.pos_embedding",
    "patch_embed.proj": "conv_proj",
}
"""timm's names of a ViT's parameters and torchvision's."""


def torchvision_weights(backbone: TimmViT) -> dict[str, Tensor]:
    """Weights of a single-channel timm ViT under torchvision's names, the patch embedding spread over RGB."""
    weights = {}
    for name, value in backbone.model.state_dict().items():
        for ours, theirs in TIMM_NAMES.items():
            name = name.replace(ours, theirs)
        name = f"encoder.ln{name.removeprefix('norm')}" if name.startswith("norm") else name
        weights[name] = value.repeat(1, 3, 1, 1) / 3 if name == "conv_proj.weight" else value
    return weights


class PillowImages(Dataset[list[Tensor]]):
    """Image files, opened as RGB, as the transform's views."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = paths
        # ``MSNTransform`` itself cannot switch hue and saturation off for the focal views. A grey image has neither,
        # and they cost more than the rest, so the same transform is put together from its parts without them.
        same = {"cj_bright": 0.8, "cj_contrast": 0.8, "cj_sat": 0.0, "cj_hue": 0.0, "random_gray_scale": 0.0}
        wide = MSNViewTransform(crop_size=IMAGE, crop_scale=(0.3, 1.0), **same)
        narrow = MSNViewTransform(crop_size=FOCAL_IMAGE, crop_scale=(0.05, 0.3), **same)
        self.transform = MultiViewTransform([wide] * 2 + [narrow] * FOCAL_VIEWS)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, row: int) -> list[Tensor]:
        with Image.open(self.paths[row]) as image:
            return self.transform(image.convert("RGB"))


def loader(paths: Sequence[Path], batch_size: int, workers: int) -> DataLoader[list[Tensor]]:
    """Shuffled batches of views; worker processes stay from one epoch to the next."""
    keep = {"persistent_workers": True, "prefetch_factor": 2} if workers else {}
    images, pin = PillowImages(paths), torch.cuda.is_available()
    return DataLoader(images, batch_size, shuffle=True, num_workers=workers, drop_last=True, pin_memory=pin, **keep)


def train(recipe: Recipe, batches: DataLoader[list[Tensor]]) -> None:
    """An epoch of the recipe."""
    device = recipe.prototypes.device
    for views in batches:
        recipe.step([view.to(device, non_blocking=True) for view in views])


def rgb_views(views: dict[str, Tensor]) -> Iterator[Tensor]:
    """Views ``(V * B, 1, H, W)`` of sslbench as ``MSNTransform`` gives them: one ``(B, 3, H, W)`` tensor for each."""
    size = len(views["target"])
    for name in ("target", "anchor", "focal"):
        yield from views[name].expand(-1, 3, -1, -1).contiguous().split(size)
