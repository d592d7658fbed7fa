"""The Lightning DataModule over a ProcessedFolder."""

from typing import cast

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

import CONFIG
import errors
from data import processed
from data.augment import Augment
from data.dataset import CoronaryDataset, SeededSampler, start_worker
from data.group_dataset import GroupDataset, joined
from data.preprocessing import Preprocessing
from data.readers import DataError
from metrics.groups import shared
from training.data_checks import check_images
from vit.checkpoint_gate import Plain

Batch = tuple[Tensor, ...]  # as of training.lightning_module


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
        check_images(config, folder)
        self._note_doubtful(folder)
        self._note_changed(folder)
        folder.keep(("train", "val"))
        self.preprocessing = preprocessing_of(folder, config)
        augment = Augment.from_config(config)
        patch_size = config.patch_size if config.lesion_loss else 0
        self.train = CoronaryDataset(
            folder, "train", self.preprocessing, augment, config.seed, patch_size
        )
        self.val = CoronaryDataset(folder, "val", self.preprocessing)
        self._note_other_sizes()
        by_group = config.label_of == "group"
        # what has a label: images, or groups of them
        self.train_units = GroupDataset(self.train, config.group_images) if by_group else self.train
        self.val_units = GroupDataset(self.val) if by_group else self.val
        self.batch_size = min(config.labels_per_step, len(self.train_units))
        self.start = (0, 0)  # epoch and step that training begins with

    def _note_other_sizes(self) -> None:
        size = self.config.image_size
        shapes = [self.processed.image(sample).shape for sample in self.processed.samples]
        others = sum(shape != (size, size) for shape in shapes)
        if others:
            errors.note(f"{others} images are resized to {size} px on load")

    def _note_changed(self, folder: processed.Processed) -> None:
        """Say which images are not those any more that data.prepare has stored."""
        if changed := folder.changed():
            errors.note(
                f"{len(changed)} images hold other pixels than data.prepare stored, such as "
                f"{changed[0]}; if that is not meant, prepare {folder.folder.name} again"
            )

    def _note_doubtful(self, folder: processed.Processed) -> None:
        """Say which images are there under more than one label."""
        samples = folder.of("train") + folder.of("val")
        copies = shared([(sample.sha256,) for sample in samples])
        doubtful = [images for images in copies if len({samples[i].label for i in images}) > 1]
        if doubtful:
            files = ", ".join(samples[i].path for i in doubtful[0][:4])
            note = f"{len(doubtful)} images are there under more than one label, as {files}"
            errors.note(note)

    def class_weights(self) -> list[list[float]] | list[float]:
        """A weight for each class in the loss, so that every class counts the same.

        They average to 1 over all that has a label in training. Of findings these are two rows: of
        each finding first where images lack it, then where they have it.
        """
        if self.processed.multilabel:
            share = np.mean(self.train_units.labels, axis=0)  # (K,) that has each finding
            return [(0.5 / (1 - share)).tolist(), (0.5 / share).tolist()]
        counts = np.bincount(self.train_units.labels, minlength=self.config.num_classes)
        return [float(len(self.train_units) / (len(counts) * count)) for count in counts]

    def state_dict(self) -> Plain:
        """Where training stands, which Lightning keeps with everything else."""
        assert self.trainer is not None
        return {"start": [self.trainer.current_epoch, self.trainer.fit_loop.batch_idx + 1]}

    def load_state_dict(self, state_dict: Plain) -> None:
        epoch, steps = state_dict["start"]
        self.start = (epoch, steps)

    def train_dataloader(self) -> DataLoader[Batch]:
        return self._loader(self.train_units, shuffle=True)

    def val_dataloader(self) -> DataLoader[Batch]:
        return self._loader(self.val_units, shuffle=False)

    def _loader(self, dataset: CoronaryDataset | GroupDataset, shuffle: bool) -> DataLoader[Batch]:
        rank = self.trainer.global_rank if self.trainer else 0
        world_size = self.trainer.world_size if self.trainer else 1
        if self.batch_size % world_size:
            near = max(1, self.batch_size // world_size) * world_size
            wanted = f"wanted a multiple of {world_size} processes, as {near}"
            raise DataError(f"batch_size: got {self.batch_size}, {wanted}")
        images = self.batch_size // world_size  # of this process
        epoch, steps = self.start if shuffle else (0, 0)
        sampler = SeededSampler(
            len(dataset),
            self.batch_size,
            rank,
            world_size,
            self.config.seed,
            shuffle,
            (epoch, steps * images),
        )
        workers = self.config.num_workers
        on_gpu = self.trainer is not None and self.trainer.strategy.root_device.type == "cuda"
        return DataLoader(
            cast(Dataset[Batch], dataset),
            batch_size=images,
            collate_fn=joined if isinstance(dataset, GroupDataset) else None,
            sampler=sampler,
            num_workers=workers,
            persistent_workers=workers > 0,
            pin_memory=on_gpu,
            worker_init_fn=start_worker,
            # its own, so that a resumed epoch's dropout draws the same numbers
            generator=torch.Generator(),
        )


def preprocessing_of(folder: processed.Processed, config: CONFIG.Config) -> Preprocessing:
    """What is done to an image of a folder before a model of that configuration sees it.

    A folder that does not say how it was prepared has images that were cut and placed already.
    """
    info = folder.info
    mean, std = _statistics(folder, config)
    return Preprocessing(
        config.image_size,
        mean,
        std,
        config.num_channels,
        info.get("border", 0.0),
        info.get("stretch", False),
        info.get("window"),
        info.get("frame", -1),
        info.get("full_scale"),
        stored_size(folder),
    )


def stored_size(folder: processed.Processed) -> int | None:
    """Edge of the squares that images are stored in [px]; None: they are no squares."""
    height, width = folder.image(folder.samples[0]).shape
    return int(height) if height == width else None


def _statistics(
    folder: processed.Processed, config: CONFIG.Config
) -> tuple[float, float] | tuple[None, None]:
    if config.standardise == "image":
        return None, None
    if config.standardise == "none":
        return 0.0, 1.0
    if "mean" in folder.info and "std" in folder.info:
        return float(folder.info["mean"]), float(folder.info["std"])
    return processed.statistics([folder.image(sample) for sample in folder.of("train")])
