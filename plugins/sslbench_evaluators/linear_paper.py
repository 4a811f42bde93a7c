"""The paper's linear evaluation: a head trained by gradient descent on augmented images, the encoder frozen.

Optimiser, schedules, stop and augmentation as in the released code of arXiv 2407.04449 (``evaluate.py`` with
``freeze 1`` and ``src/models/evaluationmodels.py`` of github.com/nyuad-cai/CXR-EHR-MSN at b3755c0); unlike there no
image is dropped, and unknown labels are left out of the loss.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch

from ssl_bench.plugin.contracts import EvalContext, Predictions
from sslbench_evaluators.heads import Classifier, Training
from sslbench_evaluators.options import HeadOptions

PURPOSE = "linear-paper"


class LinearPaper:
    """Adam on the head alone; validation macro AUROC stops the training and chooses the epoch."""

    def __init__(self, options: HeadOptions) -> None:
        self.options = options

    def evaluate(self, context: EvalContext) -> Iterator[Predictions]:
        """Train the head and predict both held-out splits once."""
        network = Classifier(context.encoder, len(context.labels), frozen=True, seed=context.seed).to(context.device)
        optimizer = torch.optim.Adam(
            network.head.parameters(), lr=self.options.lr, weight_decay=self.options.weight_decay
        )
        yield from Training(PURPOSE, context, self.options, network, optimizer).run()
