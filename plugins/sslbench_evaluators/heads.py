"""Heads trained by gradient descent on augmented images, on a frozen encoder or together with it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.lr_scheduler import CosineAnnealingLR, ReduceLROnPlateau

from ssl_bench.errors import UsageError
from ssl_bench.plugin.contracts import Backbone, EvalContext, Predictions, Split
from ssl_bench.seeds import generator, seed_torch
from ssl_bench.stats.logits import probabilities
from ssl_bench.stats.metrics import macro_auroc
from sslbench_evaluators.augment import augmented, draw_affine
from sslbench_evaluators.choose import has_both_classes
from sslbench_evaluators.options import HeadOptions

Array = npt.NDArray[Any]


class Classifier(nn.Module):
    """A linear layer on the pooled features of an encoder.

    Args:
        encoder: frozen: it stays in evaluation mode and gets no gradient.
        labels: number of findings L.
        frozen: the head alone is trained.
        seed: of the head's first weights.
        width: of the features; 0: the encoder's.
    """

    def __init__(self, encoder: Backbone, labels: int, *, frozen: bool, seed: int, width: int = 0) -> None:
        super().__init__()
        self.encoder = cast("nn.Module", encoder)
        head = nn.Linear(width or encoder.dim, labels, device="meta")  # torch's own stream is left
        self.head = head.to_empty(device="cpu")
        self.frozen = frozen
        nn.init.normal_(self.head.weight, std=0.01, generator=generator(seed, "head"))
        nn.init.zeros_(self.head.bias)

    @property
    def trained(self) -> nn.Module:
        """The part whose weights change."""
        return self.head if self.frozen else self

    def train(self, mode: bool = True) -> Classifier:
        """Training mode for what is trained."""
        super().train(mode)
        if self.frozen:
            self.encoder.eval()
        return self

    def beside(self, split: Split, chosen: Array) -> tuple[Tensor, ...]:
        """What else than images the network reads of some rows of a split: nothing."""
        return ()

    def forward(self, images: Tensor, *beside: Tensor) -> Tensor:
        """Logits (B, L) of images (B, 1, H, W), and what stands beside them."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            features = self.encoder(images, tokens=False).pooled
        return cast("Tensor", self.head(features))


def masked_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean binary cross entropy over the known labels; logits and labels (B, L), NaN where unknown."""
    known = ~labels.isnan()
    loss = functional.binary_cross_entropy_with_logits(logits, labels.nan_to_num(), reduction="none")
    return (loss * known).sum() / known.sum().clamp(min=1)


@dataclass(frozen=True)
class Training:
    """The training of a classifier: early stop, and the epoch that is kept, by validation macro AUROC.

    Args:
        purpose: the protocol's name, which its random streams go by.
        context: with images.
        options: of the protocol.
        network: moved to the context's device.
        optimizer: of the part that is trained.
    """

    purpose: str
    context: EvalContext
    options: HeadOptions
    network: Classifier
    optimizer: torch.optim.Optimizer

    def run(self) -> Iterator[Predictions]:
        """Train, and predict every held-out split with the weights of the best epoch."""
        devices = [self.context.device] if self.context.device.startswith("cuda") else []
        with torch.random.fork_rng(devices):  # dropout and stochastic depth draw from torch's global generators
            settings = self.fit()
        fitted = has_both_classes(torch.tensor(self.context.splits["train"].labels)).numpy()
        for name, split in self.context.held_out().items():
            scores = np.where(fitted, self.predict(split), np.nan)
            yield Predictions(name, scores, probabilities=True, settings=settings)

    def fit(self) -> dict[str, Any]:
        """Train until validation no longer rises, go back to the best epoch, and tell which one that was."""
        follow, best, waited, chosen, kept = self.schedule(), -math.inf, 0, 0, {}
        bar = -math.inf
        for number in range(1, self.options.epochs + 1):
            seed_torch(self.context.seed, self.purpose, number)
            self.epoch(number)
            value = self.validation(number)
            waited, bar = (0, value) if value > bar + self.options.min_delta else (waited + 1, bar)
            if value > best:
                best, chosen = value, number
                kept = {name: part.clone() for name, part in self.network.trained.state_dict().items()}
            if waited >= self.options.patience:
                break
            follow(value)
        self.network.trained.load_state_dict(kept)
        return {"epoch": chosen, "epochs": number, "lr": self.options.lr}

    def validation(self, number: int) -> float:
        """Macro AUROC after an epoch; where no label has both classes its number, so that the last one is kept."""
        split = self.context.splits["validate"]
        value = macro_auroc(split.labels, self.predict(split))
        return float(number) if math.isnan(value) else value

    def epoch(self, number: int) -> None:
        """One pass over the training images in batches of nearly equal size, none left out."""
        self.network.train()
        split, seed = self.context.splits["train"], self.context.seed
        order = torch.randperm(len(split.rows), generator=generator(seed, self.purpose, "order", number)).numpy()
        draws = generator(seed, self.purpose, "views", number)
        for batch in np.array_split(order, math.ceil(len(order) / self.options.batch_size)):
            maps = draw_affine(self.options, len(batch), draws)
            views = augmented(self.images(split.rows[batch]), maps, self.context.black)
            labels = torch.tensor(split.labels[batch], dtype=torch.float32, device=self.context.device)
            self.optimizer.zero_grad()
            logits = self.network(views, *self.network.beside(split, batch))
            torch.autograd.backward(masked_loss(logits, labels))
            self.optimizer.step()

    @torch.inference_mode()
    def predict(self, split: Split) -> Array:
        """Probabilities (N, L) of a split's images, without augmentation."""
        self.network.eval()
        parts = np.array_split(np.arange(len(split.rows)), math.ceil(len(split.rows) / (4 * self.options.batch_size)))
        logits = [self.network(self.images(split.rows[at]), *self.network.beside(split, at)) for at in parts]
        return probabilities(np.concatenate([part.float().cpu().numpy() for part in logits]))

    def images(self, rows: Array) -> Tensor:
        """The encoder's views of some rows.

        Raises:
            UsageError: there are embeddings alone.
        """
        if self.context.images is None:
            raise UsageError(f"protocol '{self.purpose}' trains on images, found embeddings alone; choose another")
        return self.context.images(rows)

    def schedule(self) -> Callable[[float], None]:
        """What moves the learning rate after an epoch, given the validation macro AUROC."""
        if self.options.schedule == "cosine":
            cosine = CosineAnnealingLR(self.optimizer, T_max=self.options.epochs)
            return lambda _: cosine.step()
        options = self.options
        plateau = ReduceLROnPlateau(
            self.optimizer, mode="max", factor=options.plateau_factor, patience=options.plateau_patience
        )
        return plateau.step
