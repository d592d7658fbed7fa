"""What a file says of a model beside its weights."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from CONFIG import Config
from data.preprocessing import Preprocessing
from errors import UserError
from metrics.conformal import Scores
from metrics.decision import FOLLOWED, MULTILABEL, decision, findings_called
from metrics.estimate import Estimate
from vit.checkpoint_gate import FORMAT, Plain

MOST_NAMED = 6  # findings in a title
NEAR_0 = 1e-6  # a share whose logit is still finite


@dataclass(frozen=True)
class Provenance:
    """Where a checkpoint comes from, and how its training went.

    Args:
        run: name of the run.
        split_sha256: of which image was in which split under which label.
        training_images_sha256: of the source of each training image; none after phantoms.
        prepared_images_sha256: of the stored pixels of each training image, likewise.
        content_sha256: of all that was trained and validated on, see Processed.content_hash.
        versions: of Python and of the libraries.
        init: run, configuration, split and images of the weights that training began with, and the
            figures of those that were compared; {}: random ones.
        validation: epoch of the weights, and the metrics of that epoch.
        estimates: on the validation images, with their intervals.
        epoch_chosen_on_validation: whether validation chose the epoch; its metrics look too good.
        history: for each model the metrics of every epoch.
        recalibrated_images: of another place, that temperature, threshold and limits were fitted
            to; 0: to those of validation.
    """

    run: str = ""
    split_sha256: str = ""
    training_images_sha256: list[str] = field(default_factory=list)
    prepared_images_sha256: list[str] = field(default_factory=list)
    content_sha256: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    init: Plain = field(default_factory=dict)
    validation: dict[str, float] = field(default_factory=dict)
    estimates: dict[str, Estimate] = field(default_factory=dict)
    epoch_chosen_on_validation: bool = True
    history: list[list[dict[str, float]]] = field(default_factory=list)
    recalibrated_images: int = 0

    @property
    def known_images(self) -> set[str]:
        """By which an image is known as one of training."""
        before = self.init.get("known_images_sha256", [])
        return {*self.training_images_sha256, *self.prepared_images_sha256, *before}

    @classmethod
    def from_plain(cls, plain: Plain) -> "Provenance":
        """From the keys of ViT.ckpt, of which older files lack some."""
        names = {each.name for each in dataclasses.fields(cls)} - {"estimates"}
        given = {name: plain[name] for name in names if name in plain}
        figures = plain.get("figures", {})
        estimates = {name: Estimate(*values) for name, values in figures.items()}
        return cls(**given, estimates=estimates)

    def plain(self) -> Plain:
        """The keys of ViT.ckpt; what is not known is left out."""
        values = {each.name: getattr(self, each.name) for each in dataclasses.fields(self)}
        values["figures"] = {
            name: [each.value, each.low, each.high]
            for name, each in values.pop("estimates").items()
        }
        always = ("run", "split_sha256", "training_images_sha256", "epoch_chosen_on_validation")
        return {name: value for name, value in values.items() if value or name in always}


@dataclass(frozen=True)
class Facts:
    """All that prediction needs beside the numbers of a model.

    Args:
        config: of the training.
        class_names: in index order, the positive one last.
        preprocessing: what is done to an image before the model sees it.
        threshold: probability from which on an image of two classes counts as positive; of grades
            see ``metrics.decision.grade_called``.
        thresholds: of findings, that of each; {} where classes are none.
        temperature: that logits are divided by.
        conformal_scores: for the prediction sets, see metrics.conformal; {}: none.
        provenance: where it comes from.
    """

    config: Config
    class_names: list[str]
    preprocessing: Preprocessing
    threshold: float = 0.5
    temperature: float = 1.0
    conformal_scores: Scores = field(default_factory=dict)
    provenance: Provenance = field(default_factory=Provenance)
    thresholds: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.multilabel and not self.thresholds:  # until they are fitted
            object.__setattr__(self, "thresholds", dict.fromkeys(self.class_names, 0.5))

    @property
    def positive(self) -> str:
        """The class whose probability is followed."""
        return self.class_names[-1]

    @property
    def ordered(self) -> bool:
        """Whether the classes are grades, the lowest first."""
        return self.config.task == "ordinal"

    @property
    def multilabel(self) -> bool:
        """Whether the classes are findings, of which an image may have several."""
        return self.config.task == MULTILABEL

    @property
    def question(self) -> str:
        """What the model tells, in words for a title."""
        if self.multilabel:
            shown = ", ".join(self.class_names[:MOST_NAMED])
            more = len(self.class_names) - MOST_NAMED
            return f"Findings {shown} and {more} more" if more > 0 else f"Findings {shown}"
        if self.ordered:
            return f"Grades {self.class_names[0]} to {self.class_names[-1]}"
        return f"{self.positive} or not"

    @property
    def evidence(self) -> str:
        """What the usual map of evidence speaks for."""
        if self.multilabel:
            return FOLLOWED
        return "a higher grade" if self.ordered else self.positive

    @property
    def rule(self) -> str:
        """How probabilities decide, as a sentence about an image."""
        if self.multilabel:
            each = ", ".join(f"{name} from {value:.4f}" for name, value in self.thresholds.items())
            return f"An image has a finding from the finding's own probability on: {each}."
        if self.ordered:
            return (
                "An image is called the highest grade that, with all above it, has a probability "
                f"of {self.threshold:.2f} or more."
            )
        if len(self.class_names) > 2:
            return "An image is called the most probable class."
        return f"An image counts as {self.positive} from a probability of {self.threshold:.4f} on."

    @property
    def limits(self) -> NDArray:
        """(K,) logits from which on each finding is there, by its threshold."""
        shares = np.clip([self.thresholds[name] for name in self.class_names], NEAR_0, 1 - NEAR_0)
        return np.asarray(self.temperature * np.log(shares / (1 - shares)))

    def followed(self, logits: ArrayLike) -> NDArray:
        """(B,) index of the FOLLOWED finding of each of (B, K) logits."""
        return np.asarray((np.asarray(logits) - self.limits).argmax(axis=-1))

    def decided(self, probabilities: Sequence[float]) -> str:
        """The class that K probabilities stand for; of findings all of the image, or none.

        Of two classes and of grades the threshold decides, of findings that of each; else it is the
        most probable class.
        """
        if self.multilabel:
            return findings_called(probabilities, self.class_names, self.thresholds)
        return self.class_names[decision(probabilities, self.threshold, self.ordered)]

    @staticmethod
    def of_plain(plain: Plain, config: Config) -> "Facts":
        """From the keys of ViT.ckpt, that were checked, and its configuration."""
        names = plain["class_names"]
        scores = plain.get("conformal_scores") or {}
        return Facts(
            config,
            names,
            Preprocessing.from_plain(plain["preprocessing"], config.num_channels),
            plain["threshold"],
            plain["temperature"],
            {name: sorted(map(float, scores[name])) for name in names} if scores else {},
            Provenance.from_plain(plain),
            dict(plain.get("thresholds", {})),
        )

    def plain(self) -> Plain:
        """In the form that ViT.ckpt keeps."""
        values: Plain = {
            "format_version": FORMAT,
            "config": dataclasses.asdict(self.config),
            "class_names": self.class_names,
            "preprocessing": self.preprocessing.plain(),
            "threshold": self.threshold,
            "temperature": self.temperature,
            **self.provenance.plain(),
        }
        if self.thresholds:
            values["thresholds"] = self.thresholds
        if self.conformal_scores:
            values["conformal_scores"] = self.conformal_scores
        return values


def refuse_findings(facts: Facts, what: str) -> None:
    """Raise UserError for a model of findings; ``what`` knows one class of an image alone."""
    if facts.multilabel:
        raise UserError(
            f"{what}: got a model of findings (task: multilabel), which is not known here; use "
            "predict.py, report.evaluate or vit.load"
        )
