"""What a run says of the images that it did not learn from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import softmax
from torch import Tensor

from data.dataset import CoronaryDataset
from data.group_dataset import GroupDataset
from data.samples import Sample
from data.tables import read_table, write_table
from metrics.decision import MULTILABEL, decision, findings_called, sigmoid, which_held
from metrics.intervals import groups_in

LEAST = 1e-300  # probability below which its logarithm is not taken
MOST = 1 - 1e-16  # of a finding, above which that of its odds is not taken


def drawn_together(samples: Sequence[Sample]) -> list[str]:
    """The group of each image, those of one patient alike, as intervals need it; or empty."""
    rows = [sample.more | {"path": sample.path, "group": sample.group} for sample in samples]
    owners = zip(groups_in(rows), samples, strict=True)
    return ["" if owner == sample.path else owner for owner, sample in owners]


@dataclass(frozen=True)
class Validation:
    """The predictions of a run's validation images, in the order of their paths.

    Where labels are of groups, they are of groups, and a group's name stands for the path.

    Args:
        class_names: in index order, the positive one last.
        paths, truths, groups: of each image.
        probabilities: (n, K), before temperature.
        task: as in CONFIG; of findings a truth names several, see ``metrics.decision.joined``.
    """

    class_names: list[str]
    paths: list[str]
    truths: list[str]
    groups: list[str]
    probabilities: NDArray
    task: str = "classes"

    @classmethod
    def of(
        cls, dataset: CoronaryDataset | GroupDataset, logits: NDArray, task: str = "classes"
    ) -> "Validation":
        """That of (n, K) logits of a dataset's images, or of its groups, in their order."""
        samples = dataset.samples
        images = dataset.images if isinstance(dataset, GroupDataset) else dataset
        return cls(
            images.processed.class_names,
            [sample.path for sample in samples],
            [sample.label for sample in samples],
            drawn_together(samples),
            _shares(torch.from_numpy(logits).double(), task),
            task,
        )

    @classmethod
    def read(cls, path: Path, class_names: list[str], task: str = "classes") -> "Validation":
        """That of a finished run. DataError: the file is not readable."""
        rows = read_table(path)
        shares = [[float(row[f"probability_{name}"]) for name in class_names] for row in rows]
        return cls(
            class_names,
            [row["path"] for row in rows],
            [row["truth"] for row in rows],
            [row["group"] for row in rows],
            np.array(shares),
            task,
        )

    @classmethod
    def joined(cls, parts: Sequence["Validation"]) -> "Validation":
        """Those of several folds as one."""
        return cls(
            parts[0].class_names,
            [path for part in parts for path in part.paths],
            [truth for part in parts for truth in part.truths],
            [group for part in parts for group in part.groups],
            np.concatenate([part.probabilities for part in parts]),
            parts[0].task,
        )

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def multilabel(self) -> bool:
        """Whether the classes are findings, of which an image may have several."""
        return self.task == MULTILABEL

    @property
    def labels(self) -> NDArray:
        """(n,) index of the true class; of findings (n, K) bool, whether an image has each."""
        if self.multilabel:
            return which_held(self.truths, self.class_names)
        return np.array([self.class_names.index(truth) for truth in self.truths])

    def called(self, threshold: float = 0.5) -> NDArray:
        """(n,) index of the class that each image is predicted to be of."""
        shares = self.probabilities.tolist()
        return np.array([decision(row, threshold, self.task == "ordinal") for row in shares])

    @property
    def logits(self) -> NDArray:
        """(n, K) logarithms of the probabilities; of findings, of their odds."""
        if self.multilabel:
            inside = np.clip(self.probabilities, LEAST, MOST)
            return np.asarray(np.log(inside) - np.log1p(-inside))
        return np.asarray(np.log(np.maximum(self.probabilities, LEAST)))

    @property
    def owners(self) -> list[str]:
        """The group of each image; one without a group stands alone."""
        return [group or path for group, path in zip(self.groups, self.paths, strict=True)]

    def calibrated(self, temperature: float) -> "Validation":
        """The same with the probabilities that a model with this temperature gives."""
        return replace(self, probabilities=shares_of(self.logits / temperature, self.task))

    def write(
        self,
        path: Path,
        keep_former: bool = False,
        threshold: float = 0.5,
        thresholds: Mapping[str, float] | None = None,
    ) -> None:
        """Write the form of predictions.csv, with groups.

        Args:
            path: of the table.
            keep_former: as in ``written_whole``.
            threshold: of two classes or of grades, see ``metrics.decision``.
            thresholds: of each finding; None: 0.5.
        """
        rows = []
        called = self._called_names(threshold, thresholds or dict.fromkeys(self.class_names, 0.5))
        for i, shares in enumerate(self.probabilities):
            columns = {
                f"probability_{name}": share
                for name, share in zip(self.class_names, shares, strict=True)
            }
            rows.append(
                {
                    "path": self.paths[i],
                    "truth": self.truths[i],
                    **columns,
                    "predicted": called[i],
                    "group": self.groups[i],
                }
            )
        write_table(path, rows, keep_former=keep_former)

    def _called_names(self, threshold: float, thresholds: Mapping[str, float]) -> list[str]:
        if self.multilabel:
            shares = self.probabilities.tolist()
            return [findings_called(row, self.class_names, thresholds) for row in shares]
        return [self.class_names[number] for number in self.called(threshold)]


def shares_of(logits: NDArray, task: str) -> NDArray:
    """(n, K) logits to probabilities: of classes they sum to 1, each finding has its own."""
    return sigmoid(logits) if task == MULTILABEL else np.asarray(softmax(logits, axis=1))


def _shares(logits: Tensor, task: str) -> NDArray:
    """As ``shares_of``, to the last digit as validations were written before."""
    return (logits.sigmoid() if task == MULTILABEL else logits.softmax(dim=1)).numpy()
