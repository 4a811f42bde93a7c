"""Cross-attention: the patient's features ask, the image's tokens answer.

[1] Vaswani et al., Attention Is All You Need, arXiv 1706.03762.
[2] Gorishniy et al., Revisiting Deep Learning Models for Tabular Data, arXiv 2106.11959 (a token for each feature).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ssl_bench.plugin.contracts import Encoding, Fused
from ssl_bench.plugin.features import FeatureSchema, column_slices
from sslbench_fusions.missing import filled
from sslbench_fusions.options import CrossAttentionOptions


class CrossAttention(nn.Module):
    """One token a feature [2] attends the image tokens [1]; their mean is added to the pooled feature.

    Any number of image tokens will do: small crops and masked views have fewer.
    """

    member: Tensor

    def __init__(self, options: CrossAttentionOptions, dim: int, schema: FeatureSchema) -> None:
        super().__init__()
        self.out_dim, self.heads = dim, heads(dim, options.heads)
        columns = list(column_slices(schema).values())
        self.absence = nn.Parameter(torch.zeros(len(schema)))
        self.embed = nn.Parameter(torch.empty(len(schema), dim))
        self.kind = nn.Parameter(torch.empty(len(columns), dim))
        for weight in (self.embed, self.kind):
            nn.init.normal_(weight, std=dim**-0.5)
        member = torch.zeros(len(columns), len(schema))
        for row, place in zip(member, columns, strict=True):
            row[place] = 1
        self.register_buffer("member", member, persistent=False)
        # no bias: one on the keys shifts all scores of a query alike, one on the rest shifts every row alike
        self.query, self.key, self.value, self.out = (nn.Linear(dim, dim, bias=False) for _ in range(4))

    def fuse(self, encoding: Encoding, ehr: Tensor, present: Tensor) -> Fused:
        """Add what ``ehr (B, F)`` found among ``tokens (B, N, D)`` to ``pooled (B, D)``."""
        known = filled(ehr, present, self.absence)
        asking = (known.unsqueeze(1) * self.member) @ self.embed + self.kind  # (B, features, D)
        parts = (self.query(asking), self.key(encoding.tokens), self.value(encoding.tokens))
        query, key, value = map(self._split, parts)
        answer = F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)  # (B, features, D)
        return Fused(encoding.pooled + self.out(asking + answer).mean(1))

    def _split(self, tokens: Tensor) -> Tensor:
        """``(B, N, D)`` as ``(B, heads, N, D / heads)``."""
        split: Tensor = tokens.unflatten(-1, (self.heads, -1))
        return split.transpose(1, 2)


def heads(dim: int, most: int) -> int:
    """The largest number of heads, at most ``most``, that divides the width."""
    return max(number for number in range(1, most + 1) if dim % number == 0)
