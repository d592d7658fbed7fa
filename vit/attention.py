"""Multi-head self-attention with a fused and an explicit path, equal in their results."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch.nn.functional as F
from torch import Tensor, nn


@contextmanager
def explicit_attention(module: nn.Module) -> Iterator[None]:
    """Inside this context every SelfAttention of ``module`` works out its probabilities.

    A hook can then read them.

    The fused kernel never holds them. Same weights, same logits: only memory and time differ.
    """
    attentions = [part for part in module.modules() if isinstance(part, SelfAttention)]
    before = [attention.fused for attention in attentions]
    try:
        for attention in attentions:
            attention.fused = False
        yield
    finally:
        for attention, fused in zip(attentions, before, strict=True):
            attention.fused = fused


class SelfAttention(nn.Module):
    """softmax(Q K^T / sqrt(d)) V in each head, heads joined and projected.

    Vaswani et al. 2017, "Attention Is All You Need", equation 1.

    Args:
        embedding_size: width of a token, D.
        num_heads: heads; D is a multiple of it, and d = D / heads.
        qkv_bias: whether the query, key and value projections have a bias.
        dropout: share of attention probabilities set to zero in training.
        projection_dropout: the same for the output of the projection.

    Raises:
        ValueError: D does not divide among the heads.
    """

    def __init__(
        self,
        embedding_size: int,
        num_heads: int,
        qkv_bias: bool = True,
        dropout: float = 0.0,
        projection_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if embedding_size % num_heads:
            raise ValueError(
                f"embedding_size {embedding_size} is not divisible by num_heads {num_heads}"
            )
        self.num_heads = num_heads
        self.fused = True
        self.query = nn.Linear(embedding_size, embedding_size, bias=qkv_bias)
        self.key = nn.Linear(embedding_size, embedding_size, bias=qkv_bias)
        self.value = nn.Linear(embedding_size, embedding_size, bias=qkv_bias)
        self.probabilities = (
            nn.Identity()
        )  # a place for hooks; only the explicit path passes through
        self.dropout = nn.Dropout(dropout)
        self.projection = nn.Linear(embedding_size, embedding_size)
        self.projection_dropout = nn.Dropout(projection_dropout)

    def forward(self, x: Tensor, num_outputs: int | None = None) -> Tensor:
        """(B, N, D) tokens to (B, M, D) tokens: the first M = ``num_outputs`` of them, by default
        all N.
        """
        query = self._split_heads(self.query(x[:, :num_outputs]))  # (B, heads, M, d)
        key = self._split_heads(self.key(x))  # (B, heads, N, d)
        value = self._split_heads(self.value(x))  # (B, heads, N, d)
        if self.fused:
            dropout = self.dropout.p if self.training else 0.0
            heads = F.scaled_dot_product_attention(query, key, value, dropout_p=dropout)
        else:
            scores = (query * query.shape[-1] ** -0.5) @ key.transpose(2, 3)  # (B, heads, M, N)
            probabilities = self.probabilities(scores.softmax(dim=-1))
            heads = self.dropout(probabilities) @ value
        return self.projection_dropout(
            self.projection(heads.transpose(1, 2).flatten(2))
        )  # (B, M, D)

    def _split_heads(self, x: Tensor) -> Tensor:
        return x.view(*x.shape[:2], self.num_heads, -1).transpose(
            1, 2
        )  # (B, N, D) -> (B, heads, N, d)
