"""Options of the built-in fusions. Imports pydantic only."""

from __future__ import annotations

from pydantic import Field

from ssl_bench import Options


class ConcatOptions(Options):
    """Concatenation as in the paper (arXiv 2407.04449)."""

    ehr_dim: int = Field(128, ge=1, description="width of the embedded EHR features")


class FilmOptions(Options):
    """Feature-wise linear modulation (arXiv 1709.07871)."""

    hidden_dim: int = Field(128, ge=1, description="width of the hidden layer that reads the EHR features")


class CrossAttentionOptions(Options):
    """EHR features attend image tokens."""

    heads: int = Field(4, ge=1, description="attention heads, at most; fewer where these do not divide the width")


class AlignOptions(Options):
    """InfoNCE between image and EHR (arXiv 2103.00020)."""

    dim: int = Field(128, ge=1, description="width of both projections")
    temperature: float = Field(0.1, gt=0, description="of the softmax over counterparts")
    weight: float = Field(1.0, gt=0, description="of the loss beside the method's")


class PredictOptions(Options):
    """EHR predicted from the image."""

    weight: float = Field(1.0, gt=0, description="of the mean loss over features beside the method's")
