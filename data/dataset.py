"""One split of a ProcessedFolder as a torch Dataset, and the order in which training draws from it."""

import signal
from collections.abc import Iterator

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from data.augment import Augment
from data.geometry import Placement
from data.processed import Processed

Key = tuple[int, int]  # (epoch, index)
# of the grey range: what is not seen, least spread; in spreads: the limit
BLACK = 0.12
FLAT = 0.01
FARTHEST = 4.0
GRACE = 20  # seconds that a loader worker goes on after SIGTERM
SHARES = (0.1, 0.25)  # of a patch that is lesion, and vessel, from which on it counts as such


def to_tensor(image: NDArray, mean: float | None, std: float | None, num_channels: int) -> Tensor:
    """(H, W) grey float32 from 0 to 1 to a standardised (C, H, W) tensor, the grey repeated over
    the channels.

    mean, std: of the training pixels; None: of the image's own, but for those that are black
    (collimator, air).
    """
    if mean is None or std is None:
        seen = image[image > BLACK]
        mean, std = (float(seen.mean()), float(seen.std()) + FLAT) if seen.size else (0.0, 1.0)
        image = np.clip(image, mean - FARTHEST * std, mean + FARTHEST * std)
    standardised = torch.from_numpy(np.ascontiguousarray((image - mean) / std, dtype=np.float32))
    return standardised.expand(num_channels, -1, -1)


def as_float(image: NDArray, size: int) -> NDArray:
    """Stored pixels, uint8 or float16, to (size, size) float32 from 0 to 1."""
    grey = image.astype(np.float32) / (255 if image.dtype == np.uint8 else 1)
    return (
        grey
        if grey.shape == (size, size)
        else Placement(grey.shape[0], grey.shape[1], size).image(grey)
    )


class CoronaryDataset(Dataset[tuple[Tensor, int, int, Tensor]]):
    """Images of one split, read through a memory map; item (epoch, i) depends on (seed, epoch, i)
    alone.

    Args:
        processed: the folder.
        split: train, val or test.
        image_size: edge in pixels of the square that the model takes.
        mean, std: of training pixels, grey range 0 to 1; None: of each image's own (see
            ``to_tensor``).
        num_channels: channels of the tensor.
        augment: random changes; None gives the image as it is, in any epoch.
        seed: of the augmentation.
        patch_size: edge in pixels of the patches that carry a lesion target; 0: no targets.
    """

    def __init__(
        self,
        processed: Processed,
        split: str,
        image_size: int,
        mean: float | None,
        std: float | None,
        num_channels: int = 1,
        augment: Augment | None = None,
        seed: int = 0,
        patch_size: int = 0,
    ) -> None:
        self.processed = processed
        self.samples = processed.of(split)
        self.labels = [processed.class_names.index(sample.label) for sample in self.samples]
        self.image_size = image_size
        self.mean = mean
        self.std = std
        self.num_channels = num_channels
        self.augment = augment
        self.seed = seed
        self.patch_size = patch_size if processed.knows_lesions else 0

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, key: Key) -> tuple[Tensor, int, int, Tensor]:
        """((C, H, W) image, label, index, (N, 2) lesion and vessel target of each patch) for
        (epoch, index).

        A target is 1 where lesion, or vessel, covers enough of the patch, else 0; NaN where nothing
        is known of it.
        """
        epoch, index = key
        sample = self.samples[index]
        image = as_float(self.processed.image(sample), self.image_size)
        known = (
            (self.processed.lesion(sample), self.processed.vessel(sample))
            if self.patch_size
            else ()
        )
        masks = [
            None if mask is None else as_float(mask.astype(np.float16), self.image_size)
            for mask in known
        ]
        if self.augment is not None:
            image, masks = self.augment(
                image, np.random.default_rng([self.seed, epoch, index]), masks
            )
        pixels = to_tensor(image, self.mean, self.std, self.num_channels)
        return pixels, self.labels[index], index, self._targets(masks)

    def _targets(self, masks: list[NDArray | None]) -> Tensor:
        edge = self.image_size // self.patch_size if self.patch_size else 0
        targets = np.full((len(SHARES), edge, edge), np.nan, np.float32)
        for target, mask, least in zip(targets, masks, SHARES, strict=False):
            if mask is not None:
                share = cv2.resize(mask, (edge, edge), interpolation=cv2.INTER_AREA)
                target[:] = share > min(
                    least, share.max() / 2
                )  # none is too small to be seen at all
        return torch.from_numpy(targets.reshape(len(SHARES), -1).T)


class SeededSampler(Sampler[Key]):
    """Keys of one process: its part of every global batch, the same images whatever the number of
    processes.

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
