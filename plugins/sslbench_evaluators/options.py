"""Options of the built-in evaluators. Imports pydantic only."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ssl_bench import Options

STRENGTHS = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 1e1, 1e2, 1e3, 1e4)


class LinearOptions(Options):
    """Logistic regression on frozen, standardised features."""

    strengths: tuple[float, ...] = Field(
        STRENGTHS,
        min_length=1,
        description="inverse L2 penalties C to choose from, as in scikit-learn",
    )


class KnnOptions(Options):
    """Weighted nearest neighbours as in DINO's evaluation (arXiv 2104.14294)."""

    neighbours: tuple[int, ...] = Field((10, 20, 100, 200), min_length=1, description="values of k to choose from")
    centre: bool = Field(True, description="the mean of the training features is subtracted before cosines are taken")
    temperature: float = Field(0.07, gt=0, description="of the weights exp(cosine / temperature)")


class ClustersOptions(Options):
    """Cluster indices on the test split."""

    images: int = Field(5000, ge=10, description="largest number of test images; a larger split is sampled")
    restarts: int = Field(10, ge=1, description="runs of k-means, of which the best is kept")


class LocaliseOptions(Options):
    """Where frozen patch tokens see a finding, against boxes."""

    images: int = Field(2000, ge=10, description="largest number of training images whose tokens are read")
    strength: float = Field(0.01, gt=0, description="inverse L2 penalty C of the logistic regression of a patch")
    area: float = Field(0.1, gt=0, lt=1, description="share of the patches that is taken for the finding")
    replicates: int = Field(1000, ge=10, description="resamples of patients for the intervals")


class LeakageOptions(Options):
    """Linear probes of age, sex and view on frozen, standardised features."""

    strengths: tuple[float, ...] = Field(
        STRENGTHS,
        min_length=1,
        description="inverse L2 penalties to choose from: C, and 1 / alpha of ridge",
    )
    replicates: int = Field(1000, ge=100, description="resamples of patients behind the intervals")


class HeadOptions(Options):
    """A head trained on augmented images, as the code of arXiv 2407.04449 trains it."""

    epochs: int = Field(50, ge=1, description="passes over the training images, at most")
    batch_size: int = Field(64, ge=2, description="images in a step")
    lr: float = Field(1e-4, gt=0, description="learning rate at the start")
    weight_decay: float = Field(0.0, ge=0, description="of the optimiser")
    schedule: Literal["cosine", "plateau"] = Field(
        "cosine", description="learning rate: to 0 over all epochs, or lower where validation no longer rises"
    )
    plateau_factor: float = Field(0.5, gt=0, lt=1, description="what a plateau multiplies the rate by")
    plateau_patience: int = Field(3, ge=0, description="epochs without a rise that a plateau bears")
    patience: int = Field(5, ge=1, description="epochs in a row without a rise of validation macro AUROC that end it")
    min_delta: float = Field(1e-5, ge=0, description="what counts as a rise")
    degrees: float = Field(45.0, ge=0, le=180, description="largest rotation either way")
    shift: float = Field(0.15, ge=0, le=1, description="largest shift, as a share of the side")
    zoom: float = Field(0.15, ge=0, lt=1, description="largest change of scale, as a share")
    flip: float = Field(0.5, ge=0, le=1, description="probability of a horizontal flip")


class FinetuneOptions(HeadOptions):
    """End to end training of a copy of the encoder."""

    lr: float = Field(1e-4, gt=0, description="learning rate of all layers at the start")
    weight_decay: float = Field(1e-3, ge=0, description="of the optimiser")
