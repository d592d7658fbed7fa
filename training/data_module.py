"""The Lightning DataModule over a ProcessedFolder."""

import sys
from typing import Any, cast

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

import CONFIG
from data import processed
from data.augment import Augment
from data.dataset import CoronaryDataset, SeededSampler, start_worker
from data.readers import DataError
from metrics.groups import shared

Batch = tuple[Tensor, Tensor, Tensor, Tensor]  # images, labels, indices, lesion targets


class CoronaryData(pl.LightningDataModule):
    """Training and validation images, checked when made.

    Args:
        config: the configuration; ``batch_size`` counts the images of all devices together.
        folder: the images.

    Raises:
        DataError: the folder's faults, classes that do not match ``num_classes``, or too few images
            for a batch.
    """

    def __init__(self, config: CONFIG.Config, folder: processed.Processed) -> None:
        super().__init__()
        self.config = config
        self.processed = folder
        names = self.processed.class_names
        if len(names) != config.num_classes:
            raise DataError(
                f"{config.data_folder}: got {len(names)} classes ({', '.join(names)}), but num_classes is "
                f"{config.num_classes}; set it to {len(names)}"
            )
        self._check_leaks(folder)
        folder.keep(("train", "val"))
        self.mean: float | None
        self.std: float | None
        self.mean, self.std = self._statistics()
        augment = Augment(**{key: getattr(config, key) for key in Augment.__dataclass_fields__})
        common = (config.image_size, self.mean, self.std, config.num_channels)
        patch_size = config.patch_size if config.lesion_loss else 0
        self.train = CoronaryDataset(
            self.processed, "train", *common, augment, config.seed, patch_size
        )
        self.val = CoronaryDataset(self.processed, "val", *common)
        sizes = [self.processed.image(sample).shape for sample in self.processed.samples]
        if others := sum(size != (config.image_size,) * 2 for size in sizes):
            print(
                f"note: {others} images are resized to {config.image_size} px on load",
                file=sys.stderr,
            )
        self.batch_size = min(config.batch_size, len(self.train))
        self.start = (0, 0)  # epoch and step that training begins with

    def _check_leaks(self, folder: processed.Processed) -> None:
        """The cheap part of data.audit: what the manifest alone tells."""
        samples = folder.of("train") + folder.of("val")
        tied = shared([(sample.group, sample.sha256) for sample in samples])
        leaks = [images for images in tied if len({samples[i].split for i in images}) > 1]
        if leaks and not self.config.allow_leaks:
            files = ", ".join(samples[i].path for i in leaks[0][:4])
            raise DataError(
                f"{self.config.data_folder}: {len(leaks)} groups of images that belong together are in train and in "
                f"val, as {files}; validation would flatter the model. "
                "Prepare with --drop_leaks or --resplit, or set allow_leaks: true"
            )
        copies = shared([(sample.sha256,) for sample in samples])
        if doubtful := [images for images in copies if len({samples[i].label for i in images}) > 1]:
            files = ", ".join(samples[i].path for i in doubtful[0][:4])
            print(
                f"note: {len(doubtful)} images are there under more than one label, as {files}",
                file=sys.stderr,
            )

    def class_weights(self) -> list[float]:
        """Weights that make every class count the same in the loss and average to 1 over the
        training images.
        """
        counts = np.bincount(self.train.labels, minlength=self.config.num_classes)
        return [float(len(self.train) / (len(counts) * count)) for count in counts]

    def state_dict(self) -> dict[str, Any]:
        """Where training stands, which Lightning keeps with everything else."""
        assert self.trainer is not None
        return {"start": [self.trainer.current_epoch, self.trainer.fit_loop.batch_idx + 1]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        epoch, steps = state_dict["start"]
        self.start = (epoch, steps)

    def train_dataloader(self) -> DataLoader[Batch]:
        return self._loader(self.train, shuffle=True)

    def val_dataloader(self) -> DataLoader[Batch]:
        return self._loader(self.val, shuffle=False)

    def _loader(self, dataset: CoronaryDataset, shuffle: bool) -> DataLoader[Batch]:
        rank, world_size = (
            (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
        )
        if self.batch_size % world_size:
            near = max(1, self.batch_size // world_size) * world_size
            raise DataError(
                f"batch_size: got {self.batch_size}, wanted a multiple of {world_size} processes, as {near}"
            )
        own = self.batch_size // world_size
        (epoch, steps) = self.start if shuffle else (0, 0)
        start = (epoch, steps * own)
        sampler = SeededSampler(
            len(dataset), self.batch_size, rank, world_size, self.config.seed, shuffle, start
        )
        workers = self.config.num_workers
        return DataLoader(
            cast(Dataset[Batch], dataset),
            batch_size=own,
            sampler=sampler,
            num_workers=workers,
            persistent_workers=workers > 0,
            pin_memory=self.trainer is not None
            and self.trainer.strategy.root_device.type == "cuda",
            worker_init_fn=start_worker,
            # its own, so that a resumed epoch's dropout draws the same numbers
            generator=torch.Generator(),
        )

    def _statistics(self) -> tuple[float, float] | tuple[None, None]:
        if self.config.standardise == "image":
            return None, None
        info = self.processed.info
        if "mean" in info and "std" in info:
            return float(info["mean"]), float(info["std"])
        return processed.statistics(
            [self.processed.image(sample) for sample in self.processed.of("train")]
        )
