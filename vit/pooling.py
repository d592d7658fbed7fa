"""From the pictures of a group to one answer for the group.

Each picture has logits, as a model of single pictures gives them, and a score. The logits of the
group are the mean of those of its pictures, weighted by the softmax of their scores: Javed et al.
2022, "Additive MIL", equation 5. Where the head is linear this is the attention pooling of class
tokens of Ilse et al. 2018, "Attention-based Deep Multiple Instance Learning", equations 7 and 9.
The order of the pictures does not matter, and a group of one picture has that picture's logits.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class PictureScore(nn.Module):
    """The score of a picture in its group, from its class token and its logits.

    It is the sum of two parts: the gated attention of Ilse et al. 2018, equation 9, and the log
    odds of the positive class times a learned factor, as in the adaptive pooling of McFee, Salamon
    and Bello 2018, "Adaptive pooling operators for weakly labeled sound event detection", equation
    4. Training begins with the second part alone: the most diseased pictures count most.

    Args:
        width: of a token.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.content = nn.Linear(width, width)
        self.gate = nn.Linear(width, width)
        self.score = nn.Linear(width, 1, bias=False)
        self.factor = nn.Parameter(torch.ones(1))

    def forward(self, tokens: Tensor, logits: Tensor) -> Tensor:
        """(B, D) class tokens and (B, K) logits, the positive class last, to (B, 1) scores."""
        gated = self.content(tokens).tanh() * self.gate(tokens).sigmoid()  # (B, D)
        odds = logits[:, -1:] - logits[:, :-1].logsumexp(dim=1, keepdim=True)  # (B, 1)
        scores: Tensor = self.score(gated) + self.factor * odds
        return scores


def shares(scores: Tensor, sizes: Sequence[int]) -> Tensor:
    """(n,) weight of each picture in its group; those of a group sum to 1.

    Args:
        scores: (n,) of all pictures, those of one group after those of the other.
        sizes: how many pictures each group has, summing to n.
    """
    return torch.cat([part.softmax(dim=0) for part in torch.split(scores, list(sizes))])


def pooled(answers: Tensor, sizes: Sequence[int]) -> Tensor:
    """(n, K + 1) logits and score of each picture to (G, K) logits of each group.

    Args:
        answers: of all pictures, those of one group after those of the other; the score is last.
        sizes: how many pictures each group has, summing to n.
    """
    weighted = answers[:, :-1] * shares(answers[:, -1], sizes)[:, None]  # (n, K)
    return torch.stack([part.sum(dim=0) for part in torch.split(weighted, list(sizes))])
