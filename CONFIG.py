"""The hyper-parameters: every default is here and nowhere else.

Edit the values below, then run ``python CONFIG.py`` to write config.yml. A run takes each key from
the command line, else from config.yml, else from here.
"""

import argparse
import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import errors
from files import written_whole
from former import FORMER_NAMES, FORMER_VALUES, LATER
from presets import PRESETS
from settings import (
    AUTO,
    ConfigError,
    Keys,
    Values,
    allowed,
    as_yaml,
    key,
    out_of_range,
    read_yaml,
)

__all__ = [
    "FIELDS",
    "FORMER_NAMES",
    "FORMER_VALUES",
    "Config",
    "ConfigError",
    "add_arguments",
    "load",
    "load_usual",
    "overrides",
    "write",
]


FRAMES = ("auto", "best", "all")  # words for frames of a run, beside their numbers


@dataclass(frozen=True)
class DataConfig:
    """Where the images are and how they are prepared."""

    data_folder: str = key("./ProcessedFolder/", "folder that data.prepare wrote")
    border: float = key(
        0.0676,
        "share of height and width that data.prepare cuts from each edge of raw class folders, "
        "where text is burned in; 0.0676 cuts 296 px to 256 px",
        0,
        0.45,
    )
    stretch: bool = key(
        False, "fill the square by stretching; false keeps the aspect ratio and pads with black"
    )
    window_centre: float = key(
        0.0, "centre of the grey window for DICOM [HU]; used if window_width is not 0", -5000, 5000
    )
    window_width: float = key(
        0.0, "width of the grey window for DICOM [HU]; 0: the window in the file", 0, 20000
    )
    frame: int | str = key(
        "auto",
        "frame of a DICOM file with many frames, from 0; -1: the middle one; best: the one with "
        "the most filled vessels; auto: best for X-ray angiography (XA, RF), else the middle one; "
        "all: 12 at most, evenly spaced, as images of one group",
        -1,
        100000,
        choices=FRAMES,
    )
    val_share: float = key(
        0.2, "share of images for validation, where the data has no split of its own", 0.01, 0.9
    )
    test_share: float = key(
        0.0, "share of images for testing, where the data has no split of its own", 0, 0.9
    )
    folds: int = key(5, "folds of the cross-validation (train.py --folds)", 2, 100)
    standardise: str = key(
        "set",
        "mean and standard deviation of the grey values; set: those of all training images; "
        "image: those of each image, which evens out exposure; none: 0 and 1, which weights of "
        "other programs bring",
        choices=("set", "image", "none"),
    )
    phantoms: str = key(
        "none",
        "pre-train on made-up images instead of data_folder; fine-tune from the result with --init",
        choices=("none", "ct", "mpr", "xray"),
    )
    phantom_count: int = key(20000, "made-up training images", 100, 10000000)
    phantom_field: float = key(36.0, "width of tissue in a made-up X-ray image [mm]", 10, 200)
    num_workers: int = key(2, "processes that load and augment images", 0, 256)


@dataclass(frozen=True)
class AugmentationConfig:
    """Random changes of the training images."""

    flip: str = key(
        "horizontal",
        "mirror at random; turns: quarter turns too",
        choices=("none", "horizontal", "both", "turns"),
    )
    predict_flipped: bool = key(
        True,
        "a prediction is the mean over the 1, 2, 4 or 8 copies that flip can make, and takes as "
        "many times as long",
    )
    rotate: float = key(10.0, "largest rotation in either direction [degrees]", 0, 180)
    shift: float = key(0.06, "largest shift in either direction [share of the edge]", 0, 0.5)
    zoom: float = key(0.15, "largest change of scale, up or down [share]", 0, 0.9)
    contrast: float = key(0.2, "largest change of gain, gamma and brightness [share]", 0, 0.9)
    noise: float = key(0.03, "largest standard deviation of added noise [grey range 0 to 1]", 0, 1)
    shading: float = key(
        0.2, "largest fall of brightness from one side to the other [share]", 0, 0.9
    )
    dark_border: float = key(
        0.1,
        "largest depth of a dark border on one side, as of a collimator [share of the edge]",
        0,
        0.5,
    )


@dataclass(frozen=True)
class ModelConfig:
    """The shape of the Vision Transformer."""

    image_size: int = key(
        AUTO,
        "edge of the square image that the model sees [px]; auto: that of the weights that it "
        "begins with, else that of the stored images; data.prepare stores 256 px",
        8,
        4096,
        auto=True,
    )
    patch_size: int = key(16, "edge of a square patch [px]; divides image_size", 1, 1024)
    stem: str = key(
        "patch",
        "what makes the tokens; patch: one projection of each patch; convolution: a few small "
        "convolutions",
        choices=("patch", "convolution"),
    )
    kept_tokens: float = key(
        1.0, "share of the patches that the model looks at, those with most contrast", 0.05, 1
    )
    patch_dropout: float = key(
        0.0, "share of those patches that training leaves out at random", 0, 0.95
    )
    embedding_size: int = key(96, "width of a token; a multiple of num_heads", 1, 16384)
    num_channels: int = key(
        1, "channels of the image; a grey image is repeated in each of them", 1, 16
    )
    num_hidden_layers: int = key(4, "encoder blocks", 1, 200)
    num_heads: int = key(4, "attention heads of a block", 1, 256)
    mlp_ratio: float = key(
        2.0, "hidden width of the MLP in a block, as a multiple of embedding_size", 0.1, 32
    )
    num_registers: int = key(0, "learned tokens beside CLS and patches", 0, 64)
    representation_size: int = key(
        0, "hidden width of the MLP head (linear, tanh, linear); 0: one linear layer", 0, 16384
    )
    qkv_bias: bool = key(True, "bias in the query, key and value projections")
    hidden_dropout_prob: float = key(0.0, "dropout of embeddings, projections and MLPs", 0, 0.95)
    attention_dropout: float = key(0.0, "dropout of attention probabilities", 0, 0.95)
    eps: float = key(1e-12, "added to the variance in layer norms", 0, 0.1)
    initializer_range: float = key(0.02, "standard deviation of the first weights", 1e-6, 1)
    num_classes: int = key(2, "classes, normal first and positive last", 2, 1000)
    label_of: str = key(
        "image",
        "what a label tells of; image: of each image; group: of a patient or another group, of "
        "whose images only some may show it",
        choices=("image", "group"),
    )
    task: str = key(
        "classes",
        "what the classes are; classes: names without an order; ordinal: three grades or more, in "
        "the order that data.prepare keeps; multilabel: findings, of which an image may have "
        "several",
        choices=("classes", "ordinal", "multilabel"),
    )


@dataclass(frozen=True)
class TrainingConfig:
    """How the model learns."""

    init: str = key(
        "auto",
        "weights to begin with; auto: those of weights/ or random ones, whichever tell the "
        "training images apart best; none: random ones; else the file, a ViT.ckpt, one of "
        "weights/, or one of another program",
    )
    epochs: int = key(
        AUTO,
        "passes over the training images; auto: 60 from random weights, else 25, and more where "
        "images are few",
        1,
        1000000,
        auto=True,
    )
    batch_size: int = key(32, "images of one step, all devices together", 1, 1000000)
    group_images: int = key(
        8, "images of a group in one step, chosen at random (label_of: group)", 1, 1000
    )
    lr: float = key(
        AUTO,
        "highest learning rate; auto: 1e-3 from random weights, else 5e-4, with label_of: group "
        "5e-4 times the labels per image of a step",
        1e-9,
        10,
        auto=True,
    )
    warmup_share: float = key(
        0.1, "share of all steps in which the learning rate rises; then it falls", 0, 0.9
    )
    weight_decay: float = key(0.05, "weight decay of weight matrices (AdamW)", 0, 10)
    label_smoothing: float = key(0.0, "share of each label that all classes divide", 0, 0.9)
    lesion_loss: float = key(
        1.0,
        "weight of the loss that asks of each patch whether it holds lesion, where the data has "
        "masks or boxes; 0: class labels alone",
        0,
        100,
    )
    sensitivity: float = key(
        0.0,
        "sensitivity that the decision threshold must reach on validation; 0: the threshold with "
        "the highest sensitivity + specificity",
        0,
        1,
    )
    allow_leaks: bool = key(
        False, "train although related images are in training and in validation"
    )
    gradient_clip: float = key(1.0, "largest norm of the gradient; 0: no clipping", 0, 1e6)
    class_weights: bool = key(
        True, "weight the loss so that every class counts the same; grades are never weighted"
    )
    patience: int = key(
        0, "stop after so many epochs without a better validation AUROC; 0: never", 0, 1000000
    )
    precision: str = key(
        "auto",
        "number format; auto: 16 bit mixed on a GPU, 32 bit elsewhere; bf16-mixed is faster on "
        "CPUs that support it",
        choices=("auto", "32", "bf16-mixed", "16-mixed"),
    )
    keep_seconds: float = key(
        30.0, "longest time between two saved states of a run, for resume [s]", 0, 86400
    )
    seed: int = key(0, "start of all randomness", 0, 2**32 - 1)


# change no result of a run; the name of a run tells its first weights by themselves
HARMLESS = ("num_workers", "data_folder", "folds", "keep_seconds", "init")
USUAL_SIZE = 256  # [px], where nothing says another image size


@dataclass(frozen=True)
class Config(TrainingConfig, ModelConfig, AugmentationConfig, DataConfig):
    """All hyper-parameters, checked when made. Raises ConfigError with every fault found."""

    def __post_init__(self) -> None:
        faults = [out_of_range(field, getattr(self, field.name)) for field in fields(self)]
        found = [fault for fault in faults if fault] or self._impossible_pairs()
        if found:
            raise ConfigError("\n".join(found))

    def _impossible_pairs(self) -> list[str]:
        faults = []
        for name, part in (("image_size", "patch_size"), ("embedding_size", "num_heads")):
            whole = getattr(self, name)
            divisor = getattr(self, part)
            if whole % divisor:
                near = max(1, round(whole / divisor)) * divisor
                wanted = f"wanted a multiple of {part} {divisor}, such as {near}"
                faults.append(f"{name}: got {whole}, {wanted}")
        if self.label_of == "group" and self.phantoms != "none":
            faults.append(
                "label_of: got group with phantoms, each of which is one image; wanted image"
            )
        if self.label_of == "group" and self.task != "classes":
            faults.append(f"label_of: got group and task {self.task}, wanted task: classes")
        if self.task == "multilabel" and self.phantoms != "none":
            faults.append(
                "task: got multilabel with phantoms, which are normal or abnormal; wanted classes"
            )
        shares = self.val_share + self.test_share
        if shares >= 1:
            wanted = "wanted less than 1, so that images are left for training"
            faults.append(f"val_share + test_share: got {shares}, {wanted}")
        return faults

    @property
    def labels_per_step(self) -> int:
        """Labels of one step: one for each image, or for each group of images."""
        if self.label_of == "image":
            return self.batch_size
        return max(1, self.batch_size // self.group_images)

    def open_keys(self) -> list[str]:
        """The keys that are still to be chosen."""
        return [
            field.name
            for field in fields(self)
            if field.metadata["auto"] and getattr(self, field.name) == AUTO
        ]

    def sized(self, edge: int = USUAL_SIZE) -> "Config":
        """The same with this image size where it is to be chosen."""
        return self if self.image_size else dataclasses.replace(self, image_size=edge)

    @property
    def window(self) -> tuple[float, float] | None:
        """Centre and width of the grey window for DICOM, None for the file's own."""
        return (self.window_centre, self.window_width) if self.window_width else None

    def fingerprint(self) -> str:
        """Eight hex digits that change with any key that can change the result of a run."""
        values = dataclasses.asdict(self)
        if self.frame == "auto":  # as runs are named that began before it was the default;
            values["frame"] = FORMER_VALUES["frame"]  # data.prepare alone heeds it
        unsaid = [name for name in LATER if values[name] == FORMER_VALUES[name]]
        for name in (*HARMLESS, *unsaid):
            del values[name]
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:8]


FIELDS = {field.name: field for field in fields(Config)}
KEYS = Keys(FIELDS, FORMER_NAMES)
SECTIONS = {
    "data": DataConfig,
    "augmentation of training images": AugmentationConfig,
    "model": ModelConfig,
    "training": TrainingConfig,
}


def load(path: Path | None, overrides: Mapping[str, Any] | None = None) -> Config:
    """The configuration from a YAML file (None: the defaults) with overrides on top.

    Names of the first published version are taken too, with a note on stderr.

    Raises:
        ConfigError: every unknown key, wrong type, value out of range or impossible pair, a line
            each.
    """
    faults: list[str] = []
    given = {} if path is None else read_yaml(path)
    values = KEYS.typed(given, str(path), faults)
    if values and "init" not in values:
        values = FORMER_VALUES | values
        if not overrides or "init" not in overrides:
            errors.note(
                f"{path}: has no init, so it is read as that of an earlier version: it begins "
                "with random weights, and missing keys have their former values"
            )
    values.update(KEYS.typed(overrides or {}, "command line", faults))
    try:
        config = Config(**values)
    except ConfigError as error:
        faults.append(str(error))
    if faults:
        raise ConfigError("\n".join(faults))
    return config


def load_usual(path: Path | None, overrides: Mapping[str, Any]) -> Config:
    """As ``load``, of config.yml in this folder where no file is named and one is there."""
    usual = Path("config.yml")
    return load(path or (usual if usual.exists() else None), overrides)


def write(config: Config, path: Path) -> None:
    """Write the configuration as YAML with what each key means beside it; a former one is kept."""
    with written_whole(path, keep_former=True) as beside:
        beside.write_text(as_yaml(config, SECTIONS), encoding="utf-8")


def add_arguments(parser: argparse.ArgumentParser, names: Iterable[str] = tuple(FIELDS)) -> None:
    """Give the parser an option for each named key; ``overrides`` reads them back."""
    group = parser.add_argument_group("keys of config.yml, for this run alone")
    for name in names:
        former = [f"--{old}" for old, new in FORMER_NAMES.items() if new == name]
        field = FIELDS[name]
        meaning = f"{field.metadata['meaning']} {allowed(field)}".replace("%", "%%")
        group.add_argument(
            f"--{name}",
            *former,
            dest=name,
            metavar="V",
            default=argparse.SUPPRESS,
            help=meaning,
        )


def overrides(arguments: argparse.Namespace) -> Values:
    """The keys of config.yml that were given on the command line."""
    return {name: value for name, value in vars(arguments).items() if name in FIELDS}


def main(argv: list[str]) -> None:
    """Write config.yml with the defaults, or with those of a preset."""
    parser = argparse.ArgumentParser("python CONFIG.py", description="Write config.yml.")
    parser.add_argument(
        "--preset",
        choices=PRESETS,
        help="windows: for X-ray windows; reformations: for CT; -phantoms: the pre-training of "
        "the weights in the box",
    )
    parser.add_argument(
        "--OUTPUT", "--output", "-o", dest="output", type=Path, default=Path("config.yml")
    )
    arguments = parser.parse_args(argv)
    target = arguments.output
    with errors.ending_in_one_line():
        write(Config(**PRESETS.get(arguments.preset, {})), target)
    errors.say(f"wrote {target}; train with: python train.py --Config {target} --device auto")


if __name__ == "__main__":
    errors.run(main)
