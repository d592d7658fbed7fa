"""How many images and groups an interval of a wished width needs."""

import math
from dataclasses import dataclass

from scipy import special, stats

from metrics.intervals import TAIL, Estimate

Z = float(stats.norm.isf(TAIL))


@dataclass(frozen=True)
class Need:
    """What an interval of a width needs.

    Args:
        groups: patients, or whatever belongs together.
        images: of all of them.
        design_effect: how many times as many images it takes as if each were of its own group.
    """

    groups: int
    images: int
    design_effect: float


@dataclass(frozen=True)
class Sampling:
    """How a study was made, and a larger one would be.

    Args:
        images, groups: that it has.
        positive: share of its images that is positive, above 0 and below 1.
    """

    images: int
    groups: int
    positive: float

    def for_share(self, grouped: Estimate, single: Estimate, width: float) -> Need:
        """For a sensitivity: z^2 p (1 - p) / (width / 2)^2 positives (Buderer 1996, Acad Emerg Med
        3:895), times the design effect. A share near 1 has the binomial bound as its least.

        Args:
            grouped: the sensitivity that was seen, its interval by groups.
            single: the same with each image as a group.
            width: of the 95 % interval, above 0 and below 1.
        """
        p = grouped.value
        least = math.log(TAIL) / math.log(1 - width)
        positives = max(Z**2 * p * (1 - p) / (width / 2) ** 2, least)
        return self._need(positives / self.positive, self._design_effect(grouped, single))

    def for_auroc(self, grouped: Estimate, single: Estimate, width: float) -> Need:
        """For an AUROC: the standard error of Newcombe 2006, Stat Med 25:559, solved for the number
        of images (Riley et al. 2021, Stat Med 40:4230), times the design effect.

        Arguments are as of ``for_share``, of an AUROC.
        """
        a = grouped.value
        spread = a * (1 - a)
        pull = (1 - a) / (2 - a) + a / (1 + a)
        # error^2 * f * n^2 = spread * (1 + (n / 2 - 1) * pull), with f of the two classes
        square = (width / (2 * Z)) ** 2 * self.positive * (1 - self.positive)
        line = spread * pull / 2
        rest = spread * (1 - pull)
        images = (line + math.sqrt(line**2 + 4 * square * rest)) / (2 * square)
        least = math.log(TAIL) / math.log(1 - width) / min(self.positive, 1 - self.positive)
        return self._need(max(images, least), self._design_effect(grouped, single))

    def _need(self, independent: float, effect: float) -> Need:
        images = math.ceil(independent * effect)
        return Need(math.ceil(images * self.groups / self.images), images, effect)

    def _design_effect(self, grouped: Estimate, single: Estimate) -> float:
        """The ratio of the variances (Kish 1965); of a value of 0 or 1 the images of a group."""
        if not 0 < grouped.value < 1:
            return self.images / self.groups
        of_groups, of_images = (
            special.logit(each.high) - special.logit(each.low) for each in (grouped, single)
        )
        return max(1.0, float((of_groups / of_images) ** 2))
