"""Options of the built-in evaluators. Imports pydantic only."""

from __future__ import annotations

from pydantic import Field

from ssl_bench import Options


class LinearOptions(Options):
    """Logistic regression on frozen, standardised features."""

    strengths: tuple[float, ...] = Field(
        (1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 1e1, 1e2, 1e3, 1e4),
        min_length=1,
        description="inverse L2 penalties C to choose from, as in scikit-learn",
    )


class KnnOptions(Options):
    """Weighted nearest neighbours as in DINO's evaluation (arXiv 2104.14294)."""

    neighbours: tuple[int, ...] = Field((10, 20, 100), min_length=1, description="values of k to choose from")
    temperature: float = Field(0.07, gt=0, description="of the weights exp(cosine / temperature)")


class ClustersOptions(Options):
    """Cluster indices on the test split."""

    images: int = Field(5000, ge=10, description="largest number of test images; a larger split is sampled")
    restarts: int = Field(10, ge=1, description="runs of k-means, of which the best is kept")
