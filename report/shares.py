"""A share of the training images of a folder, in whole groups, each share within the next."""

import math
from collections import defaultdict
from dataclasses import replace

import numpy as np

from data.processed import Processed, Sample
from data.readers import DataError

LEAST = 2  # groups of each class


def part(folder: Processed, share: float, seed: int) -> Processed:
    """The folder with this share of its training groups and all of its validation images.

    Groups that hold the same classes are put in an order by chance and taken from its beginning.

    Raises:
        DataError: fewer than two groups of a class are left.
    """
    labels = _labels_of_groups(folder)
    begins = _first_shares(labels, seed)
    by_class = {
        name: sorted(begins[group] for group in labels if name in labels[group])
        for name in folder.class_names
    }
    # with which each class has two groups
    least = max([*shares, 2, 2][LEAST - 1] for shares in by_class.values())
    for name, shares in by_class.items():
        count = sum(begin <= share for begin in shares)
        if count < LEAST:
            rounded = math.ceil(1000 * least) / 1000
            wanted = f"give shares from {rounded} on" if least <= 1 else "add images"
            raise DataError(
                f"--shares: got {share:g}, which leaves {count} group(s) of class {name}, wanted "
                f"{LEAST} or more; {wanted}"
            )
    chosen = [sample for sample in folder.of("train") if begins[group_of(sample)] <= share]
    of_all = ("mean", "std")  # which are worked out again, of the share
    info = {name: value for name, value in folder.info.items() if name not in of_all}
    return replace(folder, samples=chosen + folder.of("val"), info=info)


def group_of(sample: Sample) -> str:
    """The group of a sample; one without a group stands alone."""
    return sample.group or sample.path


def _labels_of_groups(folder: Processed) -> dict[str, set[str]]:
    labels = defaultdict(set)
    for sample in folder.of("train"):
        labels[group_of(sample)].add(sample.label)
    return labels


def _first_shares(labels: dict[str, set[str]], seed: int) -> dict[str, float]:
    """The least share that has each group."""
    kinds = defaultdict(list)
    for group, own in sorted(labels.items()):
        kinds[tuple(sorted(own))].append(group)
    rng = np.random.default_rng(seed)
    begins = {}
    for _, groups in sorted(kinds.items()):
        for place, group in enumerate(rng.permutation(groups)):
            begins[str(group)] = (place + 0.5) / len(groups)
    return begins
