"""The LightningModule: loss, metrics and optimiser around a plain model."""

import math
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from CONFIG import TrainingConfig
from metrics.decision import MULTILABEL
from training.objectives import OBJECTIVES
from vit.checkpoint_gate import Plain
from vit.pooling import pooled
from vit.views import PLAIN, Ask, Views, mean_logits

# (B, C, H, W) images, (B,) labels, (B,) indices, (B, N, 2) patch targets; of findings the labels
# are (B, K); of G groups of images: (n, C, H, W), (G,), (G,), (n, N, 2), and (G,) how many images
# each has
Batch = tuple[Tensor, ...]
# weight in the loss of a patch with lesion, and of one with vessel: such patches are few
PRESENT = (10.0, 2.0)
TOGETHER = 64  # images of a validation batch that are asked of at a time


class Classifier(pl.LightningModule):
    """Trains a model that turns images into logits.

    Args:
        model: any nn.Module from (B, C, H, W) images to (B, K) logits.
        config: learning rate, losses and seed. Dropout depends on the seed, the epoch, the step and
            the process alone.
        class_weights: factor of each class in the loss, averaging to 1 over the training images; of
            findings two rows, see ``training.objectives.finding_loss``.
        contents: what a checkpoint shall hold besides (plain types); see vit.checkpoint.
        patch_head: from (B, N, D) patch tokens, which the model then gives by ``with_patches``, to
            (B, N, 2) logits of lesion and vessel. It learns the targets of the patches and is not
            used after training. None: no such loss.
        task: as in CONFIG; it chooses loss and metrics.
    """

    def __init__(
        self,
        model: nn.Module,
        config: TrainingConfig,
        class_weights: list[list[float]] | list[float] | None,
        contents: Plain,
        patch_head: nn.Module | None,
        task: str = "classes",
    ) -> None:
        super().__init__()
        self.objective = OBJECTIVES[task]
        self.model = model
        self.config = config
        self.contents = contents
        self.patch_head = patch_head
        # copies of a validation image that its logits are the mean over; training sees it alone
        self.views: Views = PLAIN
        weights = None if class_weights is None else torch.tensor(class_weights)
        self.class_weights: Tensor | None
        self.register_buffer("class_weights", weights, persistent=False)
        # one (B, 2 + K) block of index, label and logits a validation batch; of findings
        # (B, 1 + K + K), for each has its label
        self.seen: list[Tensor] = []
        # (images, K) of the last whole validation, in order of index
        self.logits = torch.empty(0)

    def forward(self, images: Tensor) -> Tensor:
        return self.model(images)

    def _loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Of the class labels, by the task."""
        smoothing = self.config.label_smoothing
        return self.objective.loss(logits, labels, self.class_weights, smoothing)

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        numbers = [self.config.seed, self.current_epoch, batch_idx, self.global_rank]
        sequence = np.random.SeedSequence(numbers)
        torch.manual_seed(int(sequence.generate_state(1)[0]))

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """The loss and its parts; training.resume keeps their means over the epoch."""
        images, labels, _, targets, *sizes = batch
        if self.patch_head is None:
            logits = self._of_labels(self._ask(sizes)(images), sizes)
            loss = self._loss(logits, labels)
            return {"loss": loss, "train_loss": loss.detach()}
        cls, patches, kept = self.model.with_patches(images)  # type: ignore[operator]
        head = self.model.with_score if sizes else self.model.head
        logits = self._of_labels(head(cls), sizes)  # type: ignore[operator]
        if kept is not None:
            numbers = kept[..., None].expand(-1, -1, targets.shape[2])
            targets = targets.gather(1, numbers)  # (B, K, 2)
        lesion_loss = self._lesion_loss(self.patch_head(patches), targets)
        loss = self._loss(logits, labels)
        parts = {"train_lesion_loss": lesion_loss.detach(), "train_loss": loss.detach()}
        return {"loss": loss + self.config.lesion_loss * lesion_loss, **parts}

    def _ask(self, sizes: list[Tensor]) -> Ask:
        """What is asked of images; of groups, whose ``sizes`` are known, their scores too."""
        return self.model.scored if sizes else self.model  # type: ignore[return-value]

    @staticmethod
    def _of_labels(answers: Tensor, sizes: list[Tensor]) -> Tensor:
        """Answers of images to one row of logits for each label."""
        return pooled(answers, sizes[0].tolist()) if sizes else answers

    @staticmethod
    def _lesion_loss(logits: Tensor, targets: Tensor) -> Tensor:
        """Binary cross entropy of (B, N, 2) patches; unknown ones (NaN) do not count."""
        present = torch.tensor(PRESENT, device=logits.device)
        weights = torch.where(targets > 0, present, 1.0) * ~targets.isnan()
        losses = F.binary_cross_entropy_with_logits(
            logits.float(), targets.nan_to_num(), weights, reduction="none"
        )
        return losses.mean(dim=(0, 1)).sum()

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        images, labels, indices, _, *sizes = batch
        ask = self._ask(sizes)
        # in full precision, as predict.py, whatever the precision of the training
        with torch.autocast(images.device.type, enabled=False):
            parts = torch.split(images.float(), TOGETHER)  # a group may have any number of images
            answers = torch.cat([mean_logits(ask, part, self.views) for part in parts])
            logits = self._of_labels(answers, sizes).float()
        told = labels.view(len(labels), -1)  # (B, 1), of findings (B, K)
        self.seen.append(torch.cat([indices[:, None], told, logits], dim=1))

    def on_validation_epoch_end(self) -> None:
        """Metrics over every image once; each process works them out from the same logits."""
        nothing = torch.empty(0, 0, device=self.device)
        seen = self._gathered(torch.cat(self.seen) if self.seen else nothing)
        self.seen.clear()
        of_findings = self.objective is OBJECTIVES[MULTILABEL]
        columns = seen.shape[1] // 2 if of_findings else 1  # of labels
        labels = seen[:, 1 : 1 + columns].long()
        labels = labels if of_findings else labels[:, 0]
        logits = seen[:, 1 + columns :]
        self.logits = logits
        measured = self.objective.metrics(logits, labels, self.contents.get("class_names", ()))
        values = {"val_loss": self._loss(logits, labels), **measured}
        bar = ("val_loss", "val_auroc")
        for name, value in values.items():
            self.log(name, value, prog_bar=name in bar)

    def _gathered(self, own: Tensor) -> Tensor:
        """Rows of all processes in order of index.

        Parts of unequal length are filled up with rows of index -1, which are dropped again.
        """
        if self.trainer.world_size == 1:
            return own
        shape = torch.tensor(own.shape, device=self.device)
        shapes = torch.as_tensor(self.all_gather(shape))  # (processes, 2)
        largest = [int(size) for size in shapes.amax(dim=0)]
        filled = own.new_full(largest, -1.0)
        filled[: len(own), : own.shape[1]] = own
        everyone = torch.as_tensor(self.all_gather(filled)).flatten(0, 1)
        everyone = everyone[everyone[:, 0] >= 0]
        return everyone[everyone[:, 0].argsort()]

    def configure_optimizers(self) -> Any:
        named = list(self.named_parameters())
        matrices = [p for name, p in named if p.ndim > 1 and name.endswith("weight")]
        others = [p for name, p in named if not (p.ndim > 1 and name.endswith("weight"))]
        optimizer = torch.optim.AdamW(
            [
                {"params": matrices, "weight_decay": self.config.weight_decay},
                {"params": others, "weight_decay": 0.0},
            ],
            self.config.lr,
        )
        steps = max(1, int(self.trainer.estimated_stepping_batches))
        warmup = max(1, round(steps * self.config.warmup_share))

        def factor(step: int) -> float:
            if step < warmup:
                return (step + 1) / warmup
            done = min(1.0, (step - warmup) / max(1, steps - warmup))
            return 0.5 * (1 + math.cos(math.pi * done))

        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_save_checkpoint(self, checkpoint: Plain) -> None:
        metrics = {
            name: float(v)
            for name, v in self.trainer.callback_metrics.items()
            if name.startswith("val_")
        }
        checkpoint.update(self.contents, validation={"epoch": self.current_epoch + 1, **metrics})
