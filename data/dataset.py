"""One split of a ProcessedFolder as a torch Dataset, and the order of its images in training."""

import signal
from collections.abc import Iterator, Sequence
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from data.augment import Augment
from data.preprocessing import Preprocessing, as_float
from data.processed import Processed, Sample
from metrics.decision import which_held

Key = tuple[int, int]  # (epoch, index)
Label = Any  # the index of a class, as int; of findings (K,) float32, 1 for each of the image
GRACE = 20  # seconds that a loader worker goes on after SIGTERM
LEAST_SHARES = (0.1, 0.25)  # of a patch that must be lesion, or vessel, for it to count as such


def labels_of(processed: Processed, samples: Sequence[Sample]) -> list[Label]:
    """The label of each image."""
    labels = [sample.label for sample in samples]
    if processed.multilabel:
        return list(which_held(labels, processed.class_names).astype(np.float32))
    return [processed.class_names.index(label) for label in labels]


class CoronaryDataset(Dataset[tuple[Tensor, Label, int, Tensor]]):
    """Images of one split. Item (epoch, i) depends on (seed, epoch, i) alone.

    Args:
        processed: the folder; its images are read through a memory map.
        split: train, val or test.
        preprocessing: size of the images and their standardisation.
        augment: random changes; None gives the image as it is, in any epoch.
        seed: of the augmentation.
        patch_size: edge of the patches that carry a lesion target [px]; 0: no targets.
    """

    def __init__(
        self,
        processed: Processed,
        split: str,
        preprocessing: Preprocessing,
        augment: Augment | None = None,
        seed: int = 0,
        patch_size: int = 0,
    ) -> None:
        self.processed = processed
        self.samples = processed.of(split)
        self.labels = labels_of(processed, self.samples)
        self.preprocessing = preprocessing
        self.augment = augment
        self.seed = seed
        self.patch_size = patch_size if processed.knows_lesions else 0

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, key: Key) -> tuple[Tensor, Label, int, Tensor]:
        """(C, S, S) image, label, index, and (N, 2) lesion and vessel target of each patch.

        A target is 1 where lesion, or vessel, covers enough of the patch, else 0. It is NaN where
        nothing is known of it.

        Args:
            key: (epoch, index).
        """
        epoch, index = key
        sample = self.samples[index]
        image = as_float(self.processed.image(sample), self.preprocessing.image_size)
        masks = self._masks(sample)
        if self.augment is not None:
            rng = np.random.default_rng([self.seed, epoch, index])
            image, masks = self.augment(image, rng, masks)
        pixels = torch.from_numpy(self.preprocessing.standardised(image))
        return pixels, self.labels[index], index, self._targets(masks)

    def _masks(self, sample: Sample) -> list[NDArray | None]:
        """(S, S) masks of lesion and vessel, None where nothing is known; none without targets."""
        if not self.patch_size:
            return []
        size = self.preprocessing.image_size
        known = (self.processed.lesion(sample), self.processed.vessel(sample))
        return [None if mask is None else as_float(mask.astype(np.float16), size) for mask in known]

    def _targets(self, masks: list[NDArray | None]) -> Tensor:
        edge = self.preprocessing.image_size // self.patch_size if self.patch_size else 0
        targets = np.full((len(LEAST_SHARES), edge, edge), np.nan, np.float32)
        for target, mask, least in zip(targets, masks, LEAST_SHARES, strict=False):
            if mask is not None:
                share = cv2.resize(mask, (edge, edge), interpolation=cv2.INTER_AREA)
                target[:] = share > min(least, share.max() / 2)  # even the smallest lesion is seen
        return torch.from_numpy(targets.reshape(len(LEAST_SHARES), -1).T)


class SeededSampler(Sampler[Key]):
    """Keys of one process: its part of every global batch.

    The images of a batch are the same for any number of processes.

    Args:
        length: images of the split.
        batch_size: images of one step, all processes together.
        rank, world_size: this process and the number of processes.
        seed: of the order.
        shuffle: a new order each epoch, with the images beyond the last full batch left to other
            epochs; otherwise every image once, in order, with parts whose length may differ by one.
        start: epoch to begin with, and how many of this process's images of it to pass over.
    """

    def __init__(
        self,
        length: int,
        batch_size: int,
        rank: int,
        world_size: int,
        seed: int,
        shuffle: bool,
        start: Key = (0, 0),
    ) -> None:
        self.length = length
        self.seed = seed
        self.shuffle = shuffle
        self.rank = rank
        self.world_size = world_size
        self.epoch, self.passed_over = start
        self.used = length // batch_size * batch_size if shuffle else length

    def set_epoch(self, epoch: int) -> None:
        """Lightning calls this before each epoch, after a resume too."""
        if epoch != self.epoch:
            self.epoch = epoch
            self.passed_over = 0

    def __len__(self) -> int:
        return len(range(self.rank, self.used, self.world_size))

    def __iter__(self) -> Iterator[Key]:
        order = np.arange(self.length)
        if self.shuffle:
            order = np.random.default_rng([self.seed, self.epoch]).permutation(self.length)
        for index in order[self.rank : self.used : self.world_size][self.passed_over :]:
            yield self.epoch, int(index)


def start_worker(_: int) -> None:
    """One thread for each loader worker: several would fight for the same cores.

    Ctrl-C and schedulers signal every process, but the one that trains needs its workers until its
    step is done.
    """
    cv2.setNumThreads(0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "alarm"):
        signal.signal(signal.SIGTERM, lambda *_: signal.alarm(GRACE))
