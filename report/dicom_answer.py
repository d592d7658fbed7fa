"""What is said of one DICOM file: by which model, of which frame, and the words of it."""

import hashlib
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import vit
from data.dicom_source import Source
from errors import UserError, one_line
from vit.facts import Facts
from vit.map_request import MapRequest
from vit.predictions import Prediction

NEEDED = "highdicom"  # the extra "dicom" of pyproject.toml
RESEARCH = "For research, not for diagnosis"
MOST_DIGITS = 9  # that a float32 has


@dataclass(frozen=True)
class Author:
    """The model that answers.

    Args:
        file: name of its ViT.ckpt or graph.
        sha256: of this file.
        facts: what the file says of it.
        level: share of the images of each class whose prediction set shall hold it.
        request: the map that it makes.
    """

    file: str
    sha256: str
    facts: Facts
    level: float
    request: MapRequest

    @property
    def version(self) -> str:
        """Of this program."""
        return vit.__version__

    @property
    def map_words(self) -> str:
        """How the map is made, and for which class."""
        return one_line(self.request.title(self.facts.class_names, self.facts.ordered))

    @property
    def has_threshold(self) -> bool:
        """Whether a threshold decides, as between two classes; else the most probable one is it."""
        return len(self.facts.class_names) == 2


def check_installed() -> None:
    """Raise UserError where the package is missing that writes the objects."""
    try:
        import_module(NEEDED)
    except ImportError:
        raise UserError(f"--dicom: {NEEDED} is not installed; pip install {NEEDED}") from None


def sha256_of(path: Path) -> str:
    """Hash of a file, as sha256sum prints it."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True)
class SourcePicture:
    """A picture that an answer rests on.

    Args:
        source: its file.
        frame: of a file with many, from 0; None: it has one.
        weight: its share in the answer.
    """

    source: Source
    frame: int | None = None
    weight: float = 1.0

    @property
    def frame_numbers(self) -> list[int] | None:
        """The frame as DICOM counts, from 1; None: the file has one."""
        return None if self.frame is None else [self.frame + 1]

    def __str__(self) -> str:
        frame = "" if self.frame is None else f", frame {self.frame + 1}"
        return f"SOP instance {self.source.instance}{frame}"


@dataclass(frozen=True)
class Answer:
    """What a model says of a picture, or of the pictures of a group together.

    Args:
        prediction: what is said, with the map of the picture that is shown.
        author: the model.
        pictures: that it rests on, those of most weight first; the first one is shown.
    """

    prediction: Prediction
    author: Author
    pictures: tuple[SourcePicture, ...]

    @property
    def source(self) -> Source:
        """The file of the picture that is shown; the answer lies in its study."""
        return self.pictures[0].source

    @property
    def is_of_several(self) -> bool:
        """Whether it rests on more than one picture."""
        return len(self.pictures) > 1

    def lines(self) -> list[str]:
        """The words of the answer, without RESEARCH: a line each."""
        return [
            f"Prediction: {one_line(self.prediction.label)}",
            *self._together(),
            self._probabilities(),
            f"Prediction set: {self._set()}",
            *self._warnings(),
            f"Model: coronary-vit {self.author.version}, {one_line(self.author.file)}, sha256 "
            f"{self.author.sha256}",
            f"Source: {self.pictures[0]}",
        ]

    def weight_lines(self) -> list[str]:
        """The weight of each picture where there are several, a line each."""
        if not self.is_of_several:
            return []
        return [f"Weight {each.weight:.4f}: {each}" for each in self.pictures]

    def _together(self) -> list[str]:
        if not self.is_of_several:
            return []
        first, second, *_ = (f"{each.weight:.4f}" for each in self.pictures)
        return [
            f"Of {len(self.pictures)} pictures together. The one shown here has the most weight, "
            f"{first} of 1; the next {second}"
        ]

    def _probabilities(self) -> str:
        shares = self.prediction.probabilities
        threshold = self.author.facts.threshold
        if not self.author.has_threshold:
            said = [f"P({one_line(name)}) = {share:.4f}" for name, share in shares.items()]
            if self.author.facts.ordered:
                rule = f"the highest grade that, with all above it, has P = {threshold:.2f} or more"
                return f"{', '.join(said)}; predicted is {rule}"
            return f"{', '.join(said)}; predicted is the most probable class"
        digits = _digits(self.prediction.positive_probability, threshold)
        said = [f"P({one_line(name)}) = {share:.{digits}f}" for name, share in shares.items()]
        positive = one_line(self.author.facts.positive)
        return f"{', '.join(said)}; threshold: {positive} from P = {threshold:.{digits}f} on"

    def _set(self) -> str:
        classes = self.prediction.prediction_set
        if classes is None:
            return "not known, as the model's file holds no scores for it"
        names = " or ".join(map(one_line, classes)) or "none of the classes"
        unit = self.prediction.UNIT
        made = f"made to hold the true class of {100 * self.author.level:g} % of {unit}"
        is_outside = bool(classes) and self.prediction.label not in classes
        return f"{names} ({made}{'; the prediction is not in it' if is_outside else ''})"

    def _warnings(self) -> list[str]:
        lines = []
        distance = self.prediction.distance
        of_one = ", of the picture shown" if self.is_of_several else ""
        if distance is None:
            lines.append("Distance from the training images: not known")
        elif self.prediction.is_unlike:
            lines.append(
                f"WARNING: unlike the training images (distance {distance:.3f}, above 1{of_one}): "
                "what is said here may mean nothing"
            )
        else:
            lines.append(
                f"Distance from the training images: {distance:.3f} (1 or less is usual{of_one})"
            )
        if self.prediction.in_training:
            what = "pictures of this group" if self.is_of_several else "this image"
            lines.append(f"WARNING: the model learned from {what}: its answer looks too good")
        return lines


def _digits(probability: float, threshold: float) -> int:
    """How many digits show on which side of the threshold a probability lies; 4 at least."""
    is_above = probability >= threshold
    for digits in range(4, MOST_DIGITS):
        if (float(f"{probability:.{digits}f}") >= float(f"{threshold:.{digits}f}")) == is_above:
            return digits
    return MOST_DIGITS
