"""The pre-norm transformer encoder."""

from torch import Tensor, nn

from vit.attention import SelfAttention


class MLP(nn.Module):
    """Linear, GELU, linear, on each token alone (Dosovitskiy et al. 2021, eq. 3)."""

    def __init__(self, embedding_size: int, hidden_size: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.fc1 = nn.Linear(embedding_size, hidden_size)
        self.activation = nn.GELU()
        self.fc2 = nn.Linear(hidden_size, embedding_size)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        return self.dropout(self.fc2(self.dropout(self.activation(self.fc1(x)))))


class EncoderBlock(nn.Module):
    """x + attention(norm(x)), then x + MLP(norm(x)) (Dosovitskiy et al. 2021, eq. 2 and 3)."""

    def __init__(
        self,
        embedding_size: int,
        num_heads: int,
        mlp_ratio: float = 4.0,
        qkv_bias: bool = True,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        eps: float = 1e-6,
    ) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(embedding_size, eps=eps)
        self.attention = SelfAttention(
            embedding_size, num_heads, qkv_bias, attention_dropout, dropout
        )
        self.norm2 = nn.LayerNorm(embedding_size, eps=eps)
        self.mlp = MLP(embedding_size, int(embedding_size * mlp_ratio), dropout)

    def forward(self, x: Tensor, num_outputs: int | None = None) -> Tensor:
        """(B, N, D) tokens to (B, M, D) tokens: the first M = ``num_outputs`` of them, by default
        all N.
        """
        x = x[:, :num_outputs] + self.attention(self.norm1(x), num_outputs)
        x = x + self.mlp(self.norm2(x))
        return x
