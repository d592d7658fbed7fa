"""Groups of images as a torch Dataset: all images of a patient are one item with one label."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from data.dataset import CoronaryDataset, Key
from data.label_groups import label_groups
from data.samples import Sample

# images, label, number of the group, patch targets
Group = tuple[Tensor, int, int, Tensor]
CHOICE = 29  # tells the stream of chosen images from those that change them


def owners(samples: Sequence[Sample]) -> list[str]:
    """For each image the name of its patient or group; one without either stands alone."""
    groups = [sample.group or sample.path for sample in samples]
    rows = [sample.more for sample in samples]
    return label_groups(groups, rows, [sample.path for sample in samples])


class GroupDataset(Dataset[Group]):
    """The groups of one split. Item (epoch, i) depends on (seed, epoch, i) alone.

    Args:
        images: of the split; all images of a group have one label.
        most: images of a group at most, chosen anew each epoch; 0: all of them, in order.
    """

    def __init__(self, images: CoronaryDataset, most: int = 0) -> None:
        self.images = images
        self.most = most
        members: dict[str, list[int]] = defaultdict(list)
        for number, name in enumerate(owners(images.samples)):
            members[name].append(number)
        self.members = list(members.values())
        firsts = [images.samples[numbers[0]] for numbers in self.members]
        self.samples = [
            replace(first, path=name) for name, first in zip(members, firsts, strict=True)
        ]
        self.labels = [images.labels[numbers[0]] for numbers in self.members]

    def __len__(self) -> int:
        return len(self.members)

    def __getitem__(self, key: Key) -> Group:
        """(k, C, S, S) images, label, number of the group, (k, N, 2) targets of their patches.

        Args:
            key: (epoch, number of the group).
        """
        epoch, index = key
        numbers = self.members[index]
        if self.most and len(numbers) > self.most:
            rng = np.random.default_rng([self.images.seed, epoch, index, CHOICE])
            numbers = sorted(rng.permutation(numbers)[: self.most].tolist())
        pixels, _, _, targets = zip(*(self.images[epoch, each] for each in numbers), strict=True)
        return torch.stack(pixels), self.labels[index], index, torch.stack(targets)


def joined(groups: Sequence[Group]) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Groups as a batch: (n, C, S, S), (G,), (G,), (n, N, 2), and the (G,) sizes, summing to n."""
    pixels, labels, indices, targets = zip(*groups, strict=True)
    sizes = [len(each) for each in pixels]
    return (
        torch.cat(pixels),
        torch.tensor(labels),
        torch.tensor(indices),
        torch.cat(targets),
        torch.tensor(sizes),
    )
