"""Splits of images that may have several findings, which keep together what belongs together.

Iterative stratification (Sechidis, Tsoumakas and Vlahavas 2011, "On the Stratification of
Multi-Label Data"), of groups in place of images: the rarest finding comes first, and each group
goes to the side that lacks most of it.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from metrics.decision import NO_FINDING, apart, which_held


def names_of(label: str) -> list[str]:
    """The findings of a label; of an image that has none, NO_FINDING."""
    return apart(label) or [NO_FINDING]


def chosen_of_findings(
    labels: Sequence[str] | NDArray, groups: NDArray, share: float, rng: np.random.Generator
) -> NDArray | None:
    """Choose groups that hold about ``share`` of each finding, and of the images without one.

    Args:
        labels: (n,) as ``metrics.decision.joined``.
        groups: (n,) numbers from 0.
        share: of each finding that is wanted, above 0 and below 1.
        rng: decides between groups that are alike.

    Returns:
        (groups,) bool; None where a finding comes to lie on one side alone.
    """
    images = _images_by_finding(labels, groups)
    sides = _assigned(images, np.array([1 - share, share]), rng)
    held = np.array([images[sides == side].sum(axis=0) for side in (0, 1)])
    return None if (held == 0).any() else sides == 1


def _images_by_finding(labels: Sequence[str] | NDArray, groups: NDArray) -> NDArray:
    """(groups, findings) how many images with each finding a group holds.

    Images without a finding are the last of them, unless one group alone has such.
    """
    names = sorted({name for label in set(labels) for name in apart(label)})
    has = which_held(list(labels), names)  # (n, K)
    without = ~has.any(axis=1)
    if len(set(groups[without])) > 1:
        has = np.column_stack([has, without])
    images = np.zeros((groups.max() + 1, has.shape[1]), int)
    np.add.at(images, groups, has.astype(int))
    return images


def _assigned(images: NDArray, shares: NDArray, rng: np.random.Generator) -> NDArray:
    """(groups,) the side, 0 or 1, of each group; one without any image that counts has side 0."""
    count, findings = images.shape
    sides = np.full(count, -1)
    wanted = shares[:, None] * images.sum(axis=0)  # (2, findings) still
    held = np.zeros((2, findings), int)
    left = images.sum(axis=0)  # images of groups without a side
    holders = (images > 0).sum(axis=0)  # such groups
    shuffled = rng.permutation(count)
    # the largest holder of each finding last, to be taken first
    waiting = [
        list(shuffled[np.argsort(images[shuffled, k], kind="stable")]) for k in range(findings)
    ]
    while left.any():
        k = int(np.argmin(np.where(left > 0, left, left.max() + 1)))
        group = waiting[k].pop()
        if sides[group] >= 0:
            continue
        lacking = held[:, k] == 0
        sure = lacking if holders[k] <= lacking.sum() else np.full(2, True)
        need = np.where(sure, wanted[:, k] + 1e-6 * wanted.sum(axis=1), -np.inf)
        side = int(np.argmax(need))
        sides[group] = side
        wanted[side] -= images[group]
        held[side] += images[group]
        left -= images[group]
        holders -= images[group] > 0
    return np.where(sides < 0, 0, sides)
