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
from data.grades import check_count
from data.group_dataset import GroupDataset, joined, owners
from data.label_groups import patients_in
from data.preprocessing import Preprocessing
from data.readers import DataError
from metrics.decision import MULTILABEL
from metrics.groups import shared
from vit.checkpoint_gate import Plain

Batch = tuple[Tensor, ...]  # as of training.lightning_module


def check_images(config: CONFIG.Config, folder: processed.Processed, folds: int = 0) -> None:
    """The cheap part of data.audit: what needs only the manifest.

    Args:
        folds: how many will be trained one after the other; 0: the images keep their sides.

    Raises:
        DataError: as many classes as ``num_classes`` are not there; they are no grades in order,
            where task is ordinal; they are findings and task is another, or the other way round;
            related images on two sides.
    """
    names = folder.class_names
    if config.task == "ordinal":
        _check_grades(config, folder)
    _check_findings(config, folder)
    if len(names) != config.num_classes:
        raise DataError(
            f"{config.data_folder}: got {len(names)} classes ({', '.join(names)}), but "
            f"num_classes is {config.num_classes}; set it to {len(names)}"
        )
    if config.label_of == "group":
        _check_groups(folder)
    if config.allow_leaks:
        return
    if folds:
        _check_folds(folder)
    else:
        _check_leaks(config, folder)


def _check_groups(folder: processed.Processed) -> None:
    """Refuse groups whose images have several labels, and say where groups hold one image each.

    Raises:
        DataError: how many such groups there are, and one of them.
    """
    labels: dict[str, set[str]] = {}
    for name, sample in zip(owners(folder.samples), folder.samples, strict=True):
        labels.setdefault(name, set()).add(sample.label)
    mixed = [name for name, given in labels.items() if len(given) > 1]
    if mixed:
        raise DataError(
            f"{folder.folder}: images of {len(mixed)} of {len(labels)} groups disagree in their "
            f"label, such as those of {mixed[0]}: {', '.join(sorted(labels[mixed[0]]))}; wanted "
            "one label for all images of a group, or label_of: image"
        )
    if not any(patients_in([sample.more for sample in folder.samples])):
        errors.note(
            f"{folder.folder}: no column of manifest.csv names the patients, so the groups of "
            "data.prepare count as patients; two patients with a picture that looks the same are "
            "one of them"
        )
    if len(labels) == len(folder.samples):
        errors.note(
            f"{folder.folder}: each group has one image, so label_of: group changes nothing; "
            "data.prepare ties the images of a patient by a column patient of manifest.csv"
        )


def _check_grades(config: CONFIG.Config, folder: processed.Processed) -> None:
    """Refuse classes that are no grades, or of which nobody has said that they are in order."""
    check_count(folder.class_names)
    if config.sensitivity:
        raise DataError(
            f"sensitivity: got {config.sensitivity:g}, which is of two classes; of grades the "
            "threshold has the smallest error: set sensitivity: 0"
        )
    if not folder.ordered:
        raise DataError(
            f"{config.data_folder}: the classes {', '.join(folder.class_names)} were not prepared "
            "as grades; prepare the folder again with --task ordinal, or with --order"
        )


def _check_findings(config: CONFIG.Config, folder: processed.Processed) -> None:
    """Refuse a folder of findings for another task, and one of classes for findings."""
    names = ", ".join(folder.class_names)
    if folder.multilabel and config.task != MULTILABEL:
        raise DataError(
            f"{config.data_folder}: an image there may have several of {names}, but task is "
            f"{config.task}; set task: multilabel and num_classes: {len(folder.class_names)}"
        )
    if config.task == MULTILABEL and not folder.multilabel:
        raise DataError(
            f"{config.data_folder}: the classes {names} were not prepared as findings; prepare the "
            "folder again with --findings, or set task: classes"
        )


def _check_leaks(config: CONFIG.Config, folder: processed.Processed) -> None:
    samples = folder.of("train") + folder.of("val")
    tied = shared([(sample.group, sample.sha256) for sample in samples])
    leaks = [images for images in tied if len({samples[i].split for i in images}) > 1]
    if leaks:
        files = ", ".join(samples[i].path for i in leaks[0][:4])
        raise DataError(
            f"{config.data_folder}: {len(leaks)} groups of images that belong together "
            f"are in train and in val, as {files}; validation would look too good. "
            "Prepare with --drop_leaks or --resplit, or set allow_leaks: true"
        )


def _check_folds(folder: processed.Processed) -> None:
    """Refuse folds that would be validated with images that belong with those of training.

    Raises:
        DataError: how many groups lie in two folds, and one of them.
    """
    samples = [sample for sample in folder.samples if sample.fold]
    tied = shared([(sample.group, sample.sha256) for sample in samples])
    torn = [images for images in tied if len({samples[i].fold for i in images}) > 1]
    if torn:
        first = samples[torn[0][0]]
        other = next(samples[i] for i in torn[0] if samples[i].fold != first.fold)
        raise DataError(
            f"{folder.folder}: {len(torn)} groups of images that belong together lie in two folds, "
            f"as {first.path} (fold {first.fold}), {other.path} (fold {other.fold}); validation "
            "would look too good. Give all images of a group one fold in manifest.csv, or prepare "
            "again, or set allow_leaks: true"
        )


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
