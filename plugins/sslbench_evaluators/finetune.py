"""Fine-tuning: a copy of the encoder and a head on it, trained end to end on augmented images."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import cast

import torch
from torch import nn

from ssl_bench.plugin.contracts import Backbone, EvalContext, Predictions
from sslbench_evaluators.heads import Classifier, Training
from sslbench_evaluators.options import FinetuneOptions

PURPOSE = "finetune"


class Finetune:
    """AdamW with one learning rate for all layers; validation macro AUROC stops the training and chooses the epoch."""

    def __init__(self, options: FinetuneOptions) -> None:
        self.options = options

    def network(self, encoder: Backbone, context: EvalContext) -> Classifier:
        """The encoder with a head on it."""
        return Classifier(encoder, len(context.labels), frozen=False, seed=context.seed)

    def evaluate(self, context: EvalContext) -> Iterator[Predictions]:
        """Train a copy of the encoder and predict both held-out splits once; the encoder itself stays as it is."""
        encoder = copy.deepcopy(cast("nn.Module", context.encoder)).requires_grad_(True)
        network = self.network(cast("Backbone", encoder), context).to(context.device)
        optimizer = torch.optim.AdamW(network.parameters(), lr=self.options.lr, weight_decay=self.options.weight_decay)
        yield from Training(PURPOSE, context, self.options, network, optimizer).run()
