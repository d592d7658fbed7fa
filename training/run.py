"""One training in its folder: prepared, fitted, validated. The same command resumes it."""

import dataclasses
import hashlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from torch import nn

import CONFIG
import errors
import vit
from data.dataset import CoronaryDataset
from data.processed import Processed
from data.readers import DataError
from data.samples import PREPARATION
from errors import UserError
from training.beginning import Beginning
from training.data_module import CoronaryData
from training.initial_weights import InitialWeights
from training.lightning_module import Classifier
from training.resume import ResumeCallback
from training.trainer import Devices, Draw, History, trainer_for
from training.validation import Validation
from vit import checkpoint, familiarity
from vit.archive import CheckpointError
from vit.checkpoint import Checkpoint, Provenance
from vit.model import VisionTransformer
from vit.views import views_of

MOST_FAMILIAR = 2000  # training images from which the usual is learned
TOGETHER = 64  # of them at a time
LIBRARIES = ("torch", "pytorch-lightning", "torchmetrics", "numpy")
WRONG_STATE = (RuntimeError, LookupError, TypeError, ValueError, AttributeError)


def run_folder(
    output: Path,
    begun: Beginning,
    folder: Processed,
    folds: int = 0,
) -> Path:
    """The folder of the unfinished run of this configuration and data, or of its next new run.

    The data are all that training sees: split, pixels, masks, boxes, classes and preparation. An
    unfinished run of an earlier version, whose name tells only the split, goes on if its state was
    made with the same preparation.
    """
    config = begun.config
    rest = f"-{begun.init.digest[:6]}" if begun.init else ""
    if folds:
        rest += f"-{folds}folds"
    split = folder.split_hash()
    content = folder.content_hash()
    earlier = _next_run(output, f"{config.fingerprint()}-{split[:6]}{rest}")
    if not content or _is_of_these(earlier, folder):
        return earlier
    whole = hashlib.sha256(f"{split} {content}".encode()).hexdigest()
    return _next_run(output, f"{config.fingerprint()}-{whole[:6]}{rest}")


def _next_run(output: Path, kind: str) -> Path:
    """The first of the runs of a kind that is not finished."""
    number = 1
    while (output / "runs" / f"{kind}-{number}" / "finished.json").exists():
        number += 1
    return output / "runs" / f"{kind}-{number}"


def _is_of_these(run: Path, folder: Processed) -> bool:
    """Whether the state of an unfinished run of an earlier version was made with these pixels.

    Such a state does not hold them. It holds their mean and how they were prepared.
    """
    states = [*run.glob("last.ckpt"), *run.glob("fold_*/last.ckpt")]
    if not states or folder.changed():
        return False
    try:
        known = [checkpoint.load(state).preprocessing.plain() for state in states]
    except CheckpointError:
        return False
    info = folder.info
    return all(
        each[key] == (tuple(info[key]) if key == "window" and info[key] else info[key])
        for each in known
        for key in PREPARATION
        if key in info and each[key] is not None and key != "image_size"
    )


@dataclass(frozen=True)
class Run:
    """One training, from where it stands until it is finished.

    Args:
        folder: of the run; keeps all that a resume needs.
        data: training and validation images.
        devices: that it runs on.
        begun: what it begins with.
        final: "best" to end with the weights of the best epoch on validation, "last" with the last.
        draw: draws the curves; None: no picture.
    """

    folder: Path
    data: CoronaryData
    devices: Devices
    begun: Beginning
    final: str = "best"
    draw: Draw | None = None

    @property
    def config(self) -> CONFIG.Config:
        """Of the model and of its training."""
        return self.begun.config

    @property
    def last(self) -> Path:
        """The state that a resume goes on from."""
        return self.folder / "last.ckpt"

    @property
    def _validation_table(self) -> Path:
        return self.folder / "validation.csv"

    def finish(self) -> None:
        """Train what is not trained yet, and keep the predictions of the validation images."""
        if self._validation_table.exists():
            return
        history = History(self.folder, self.draw)
        images = [sample.path for sample in self.data.train_units.samples]
        resume = ResumeCallback(self.folder, self.config.keep_seconds, images)
        trainer = trainer_for(self.folder, [history, resume], self.config, self.devices)
        classifier = self.prepare()
        self._announce(trainer, classifier.model)
        with self._mistakes_in_one_line(resume):
            self.fit(trainer, classifier, history)
            self.validate(trainer, classifier)
        if trainer.is_global_zero:
            self._keep_validation(classifier)
        trainer.strategy.barrier()

    def validation(self) -> Validation:
        """The predictions of the validation images, once the run is finished."""
        names = self.data.processed.class_names
        return Validation.read(self._validation_table, names, self.config.task)

    def prepare(self) -> Classifier:
        """The model with its first weights, and all that it needs to learn.

        Raises:
            DataError: the first weights learned from validation images.
            CheckpointError: they are of another architecture.
        """
        pl.seed_everything(self.config.seed, verbose=False)
        model = VisionTransformer(self.config)
        if init := self.begun.init:
            init.give_to(model, self.config, self.data.processed.class_names)
            self._refuse_known_validation_images(init)
        weighted = self.config.class_weights and self.config.task != "ordinal"
        weights = self.data.class_weights() if weighted else None
        has_targets = self.data.train.patch_size > 0
        head = nn.Linear(self.config.embedding_size, 2) if has_targets else None
        contents = self._contents().plain()
        return Classifier(model, self.config, weights, contents, head, self.config.task)

    def fit(self, trainer: pl.Trainer, classifier: Classifier, history: History) -> None:
        """Train, or go on with what last.ckpt keeps."""
        resumed = self.last if self.last.exists() else None
        if resumed:
            checkpoint.load(resumed)  # its types and ranges are checked before Lightning takes it
        trainer.fit(classifier, self.data, ckpt_path=resumed, weights_only=True)
        if trainer.is_global_zero:
            # now, for last.ckpt is of before the last validation and takes its row back
            history.write()

    def validate(self, trainer: pl.Trainer, classifier: Classifier) -> None:
        """Predict the validation images with the final weights, as predict.py does."""
        weights = self.folder / f"{self.final}.ckpt"
        classifier.views = views_of(self.config)
        trainer.validate(classifier, self.data, ckpt_path=weights, weights_only=True, verbose=False)

    def _announce(self, trainer: pl.Trainer, model: nn.Module) -> None:
        if not trainer.is_global_zero:
            return
        CONFIG.write(self.config, self.folder / "config.yml")
        size = sum(parameter.numel() for parameter in model.parameters())
        images = f"{len(self.data.train)} training and {len(self.data.val)} validation images"
        if self.config.label_of == "group":
            images += f" of {len(self.data.train_units)} and {len(self.data.val_units)} groups"
        errors.say(f"{images}, {trainer.world_size} process(es), {size:,} parameters")
        errors.say(f"{'going on with' if self.last.exists() else 'new'} run {self.folder}")

    def _keep_validation(self, classifier: Classifier) -> None:
        # whole, however the strategy spreads the model
        model = checkpoint.load(self.folder / f"{self.final}.ckpt").models[0]
        learned = learn_familiarity(model, self.data.train, self.data.val)
        checkpoint.save(learned.state_dict(), self.folder / "familiarity.ckpt")
        logits = classifier.logits.numpy(force=True)
        found = Validation.of(self.data.val_units, logits, self.config.task)
        found.write(self._validation_table)

    def _contents(self) -> Checkpoint:
        """What ViT.ckpt holds beside weights and metrics."""
        # where its first weights lie on this machine is nobody's business
        config = dataclasses.replace(self.config, init=Path(self.config.init).name)
        processed = self.data.processed
        learned = [] if config.phantoms != "none" else self.data.train.samples
        numbers = {name: version(name) for name in LIBRARIES}
        python = sys.version.split()[0]
        provenance = Provenance(
            run=self.folder.name,
            split_sha256=processed.split_hash(),
            training_images_sha256=[sample.sha256 for sample in learned],
            prepared_images_sha256=[processed.digests[sample.path] for sample in learned],
            content_sha256=processed.content_hash(),
            versions={"python": python, **numbers, "vit": vit.__version__},
            init=self.begun.provenance,
        )
        preprocessing = self.data.preprocessing
        return Checkpoint(config, processed.class_names, preprocessing, provenance=provenance)

    def _refuse_known_validation_images(self, init: InitialWeights) -> None:
        known = init.known_among(sample.sha256 for sample in self.data.val.samples)
        if known and not self.config.allow_leaks:
            count = f"{len(known)} of the {len(self.data.val)} validation images"
            raise DataError(
                f"{init.path}: learned from {count}, so metrics look too good; use others, "
                "or set allow_leaks: true"
            )

    @contextmanager
    def _mistakes_in_one_line(self, resume: ResumeCallback) -> Iterator[None]:
        """Say in one line that a state is of another kind of run, or that a process has left."""
        was_there = self.last.exists()
        try:
            yield
        except UserError:
            raise
        except WRONG_STATE as error:
            # the first process has kept the state and left
            if isinstance(error, RuntimeError) and resume.signal:
                raise resume.stopped() from None
            restoring = was_there and not resume.listening
            if restoring and (not isinstance(error, RuntimeError) or "state_dict" in str(error)):
                said = (str(error).splitlines() or [""])[0][:300]
                raise CheckpointError(
                    f"{self.last}: is not of this kind of run: {type(error).__name__}, {said}; "
                    "remove it to begin anew"
                ) from None
            raise


def learn_familiarity(
    model: VisionTransformer, training: CoronaryDataset, held_out: CoronaryDataset
) -> familiarity.Familiarity:
    """What tells images that are unlike the training images.

    Of the training images a fixed choice is looked at, as they are, not augmented.
    """
    plain = copy(training)
    plain.augment = None
    plain.patch_size = 0
    chosen = np.sort(np.random.default_rng(0).permutation(len(plain))[:MOST_FAMILIAR])

    def batches(dataset: CoronaryDataset, numbers: NDArray) -> Iterator[torch.Tensor]:
        for start in range(0, len(numbers), TOGETHER):
            yield torch.stack([dataset[0, int(i)][0] for i in numbers[start : start + TOGETHER]])

    others = batches(held_out, np.arange(len(held_out)))
    return familiarity.fit(model, batches(plain, chosen), others)
