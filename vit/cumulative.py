"""A head for grades, which have an order: one score and a rising threshold between two grades."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

NEAREST = 1e-3  # that two thresholds may come, so that each grade keeps a share


class CumulativeLogits(nn.Module):
    """Logarithms of the probabilities of K grades, by the proportional odds model.

    logit P(grade >= k) = score - threshold k, k = 1 to K - 1 (McCullagh 1980, "Regression Models
    for Ordinal Data", J R Stat Soc B 42:109). As the thresholds rise, the cumulative probabilities
    are in order. Cao, Mirjalili and Raschka 2020, "Rank consistent ordinal regression for neural
    networks", have the same shared score; their loss is a sum over the thresholds, this one is the
    likelihood of the grade.

    They are logits like those of any other head: softmax leaves their probabilities as they are,
    and cross entropy is minus the log likelihood. The log odds of the highest grade against all
    others are score - threshold K - 1, so a map of evidence for it shows what raises the score.

    Args:
        width: of a token.
        grades: K, 2 or more.
    """

    def __init__(self, width: int, grades: int) -> None:
        super().__init__()
        self.score = nn.Linear(width, 1, bias=False)
        shares = torch.arange(1, grades) / grades
        usual = torch.logit(shares)  # (K - 1,) where a score of 0 makes all grades alike
        gaps = usual.diff() - NEAREST
        self.lowest = nn.Parameter(usual[:1])
        self.gaps = nn.Parameter(gaps.expm1().log())  # (K - 2,) before softplus

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, D) tokens to (B, K) log probabilities, all finite.

        With a and b the thresholds below and above a grade, its probability is
        sigmoid(b - s) - sigmoid(a - s) = sigmoid(b - s) * sigmoid(s - a) * (1 - exp(a - b)).
        """
        score = self.score(tokens).float()  # (B, 1)
        gaps = F.softplus(self.gaps) + NEAREST
        steps = F.pad(gaps, (1, 0)).cumsum(dim=0)  # (K - 1,) above the lowest threshold
        above = score - (self.lowest + steps)  # (B, K - 1) logits of each grade or more
        at_least = F.pad(F.logsigmoid(above), (1, 0))  # (B, K)
        at_most = F.pad(F.logsigmoid(-above), (0, 1))  # (B, K)
        between = F.pad((-torch.expm1(-gaps)).log(), (1, 1))  # (K,)
        return at_least + at_most + between
