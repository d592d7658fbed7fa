"""A value with its confidence interval."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval.

    The value is NaN if it is undefined. The interval is NaN if a class has fewer than two groups.
    """

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        interval = (
            "(no interval)" if math.isnan(self.low) else f"({self.low:.3f} to {self.high:.3f})"
        )
        return f"{self.value:.3f} {interval}"
