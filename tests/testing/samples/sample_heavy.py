"""Options in a module that imports torch."""

import torch
from pydantic import Field

from ssl_bench import Options


class Heavy(Options):
    """One option."""

    width: int = Field(torch.zeros(1).numel(), ge=1, description="of the head")
