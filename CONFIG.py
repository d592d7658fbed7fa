"""The hyper-parameters: every default is here and nowhere else.

Edit the values below, then run ``python CONFIG.py`` to write config.yml. A run takes each key from
the command line, else from config.yml, else from here.
"""

import argparse
import dataclasses
import difflib
import hashlib
import json
import math
import reprlib
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import yaml

from files import keeping_former, written_whole
from presets import PRESETS


class ConfigError(ValueError):
    """One or more faults in a configuration, a line each."""


def key(
    default: Any,
    about: str,
    low: float = -math.inf,
    high: float = math.inf,
    choices: Iterable[str] = (),
) -> Any:
    """A field with what it is (its unit in brackets) and its range: numbers from low to high, or
    the choices.
    """
    metadata = {"about": about, "low": low, "high": high, "choices": tuple(choices)}
    return dataclasses.field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Config:
    """All hyper-parameters, checked when made. Raises ConfigError with every fault found."""

    # --- data
    data_folder: str = key(
        "./ProcessedFolder/", "folder that data.prepare wrote: train/, val/, manifest.csv"
    )
    image_size: int = key(256, "edge of the square image that the model sees [px]", 8, 4096)
    border: float = key(
        0.0676,
        "share of height and width that data.prepare cuts from each edge of raw class folders, "
        "where text is burned in; 0.0676 is 256 out of 296",
        0,
        0.45,
    )
    stretch: bool = key(
        False, "fill the square by stretching instead of keeping the aspect ratio and padding"
    )
    window_centre: float = key(
        0.0, "of the grey window for DICOM images [HU]; used if window_width is not 0", -5000, 5000
    )
    window_width: float = key(
        0.0, "of that window [HU]; 0: the window that the file itself brings", 0, 20000
    )
    frame: int = key(-1, "frame of a DICOM file of many, from 0; -1: the middle one", -1, 100000)
    val_share: float = key(
        0.2, "share of images for validation, where the data brings no split", 0.01, 0.9
    )
    test_share: float = key(
        0.0, "share of images for a test split, where the data brings no split", 0, 0.9
    )
    folds: int = key(
        5, "parts for cross-validation (train.py --folds), which data.prepare assigns", 2, 100
    )
    standardise: str = key(
        "set",
        "mean and spread that the grey values are given: those of all training images, or of "
        "each image's own, which evens out exposure",
        choices=("set", "image"),
    )
    phantoms: str = key(
        "none",
        "train on made-up images instead of data_folder; --init then goes on from that",
        choices=("none", "ct", "xray"),
    )
    phantom_count: int = key(20000, "made-up training images", 100, 10000000)
    phantom_field: float = key(
        36.0, "tissue that a made-up X-ray image shows, edge to edge [mm]", 10, 200
    )
    num_workers: int = key(2, "processes that load and augment images", 0, 256)
    # --- augmentation of training images
    flip: str = key(
        "horizontal",
        "mirror at random; turns: quarter turns too",
        choices=("none", "horizontal", "both", "turns"),
    )
    rotate: float = key(0.0, "largest rotation either way [degrees]", 0, 180)
    shift: float = key(0.06, "largest shift either way, as a share of the image's edge", 0, 0.5)
    zoom: float = key(0.0, "largest change of scale either way, as a share", 0, 0.9)
    contrast: float = key(
        0.1, "largest change of gain, gamma and brightness either way, as a share", 0, 0.9
    )
    noise: float = key(0.0, "largest standard deviation of added noise [grey range 0 to 1]", 0, 1)
    # --- model
    patch_size: int = key(
        16, "edge of a square patch [px]; image_size is a multiple of it", 1, 1024
    )
    stem: str = key(
        "patch",
        "what makes the tokens: one projection of each patch, or a few small convolutions",
        choices=("patch", "convolution"),
    )
    kept_tokens: float = key(
        1.0,
        "share of the patches that the model looks at, those with the most contrast; air, "
        "collimator and the inside of chambers go first",
        0.05,
        1,
    )
    patch_dropout: float = key(
        0.0, "share of those patches that training leaves out at random", 0, 0.95
    )
    embedding_size: int = key(96, "width of a token; a multiple of num_heads", 1, 16384)
    num_channels: int = key(1, "channels of the image; a grey image is repeated over them", 1, 16)
    num_hidden_layers: int = key(4, "encoder blocks", 1, 200)
    num_heads: int = key(4, "attention heads of a block", 1, 256)
    mlp_ratio: float = key(2.0, "hidden width of a block's MLP, in embedding_size", 0.1, 32)
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
    # --- training
    epochs: int = key(60, "passes over the training images", 1, 1000000)
    batch_size: int = key(16, "images of one step, all devices together", 1, 1000000)
    lr: float = key(1e-3, "highest learning rate", 1e-9, 10)
    warmup_share: float = key(
        0.1, "share of all steps over which the learning rate rises, before its cosine fall", 0, 0.9
    )
    weight_decay: float = key(0.05, "AdamW's weight decay of weight matrices", 0, 10)
    label_smoothing: float = key(0.0, "share of each label spread evenly over the classes", 0, 0.9)
    lesion_loss: float = key(
        1.0,
        "weight of the loss that asks of each patch whether it holds lesion, "
        "where the data brings masks or boxes; 0: class labels alone",
        0,
        100,
    )
    sensitivity: float = key(
        0.0,
        "that the decision threshold shall reach on validation; 0: the threshold with most "
        "sensitivity + specificity",
        0,
        1,
    )
    allow_leaks: bool = key(
        False, "train although images that belong together are in training and validation"
    )
    gradient_clip: float = key(1.0, "largest norm of the gradient; 0: no clipping", 0, 1e6)
    class_weights: bool = key(True, "weight the loss so that every class counts the same")
    patience: int = key(
        0, "stop after so many epochs without a better validation AUROC; 0: never", 0, 1000000
    )
    precision: str = key(
        "auto",
        "number format; auto: bf16 or 16 bit mixed on a GPU, 32 bit elsewhere; bf16-mixed "
        "is faster on CPUs that know it too",
        choices=("auto", "32", "bf16-mixed", "16-mixed"),
    )
    keep_seconds: float = key(
        30.0,
        "longest time between two kept states of a run, which the same command goes on from [s]",
        0,
        86400,
    )
    seed: int = key(0, "start of all randomness", 0, 2**32 - 1)

    def __post_init__(self) -> None:
        faults = [
            fault
            for field in fields(self)
            if (fault := _out_of_range(field, getattr(self, field.name)))
        ]
        if not faults:
            for name, part in (("image_size", "patch_size"), ("embedding_size", "num_heads")):
                whole = getattr(self, name)
                divisor = getattr(self, part)
                if whole % divisor:
                    near = max(1, round(whole / divisor)) * divisor
                    faults.append(
                        f"{name}: got {whole}, wanted a multiple of {part} {divisor}, such as {near}"
                    )
            if self.val_share + self.test_share >= 1:
                faults.append(
                    f"val_share + test_share: got {self.val_share + self.test_share}, wanted less than 1, "
                    "so that images are left for training"
                )
        if faults:
            raise ConfigError("\n".join(faults))

    @property
    def window(self) -> tuple[float, float] | None:
        """Centre and width of the grey window for DICOM, None for the file's own."""
        return (self.window_centre, self.window_width) if self.window_width else None

    def fingerprint(self) -> str:
        """Eight hex digits that change with any key that can change a run's result."""
        harmless = ("num_workers", "data_folder", "folds", "keep_seconds")
        values = {
            name: value for name, value in dataclasses.asdict(self).items() if name not in harmless
        }
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:8]


FORMER_NAMES = {
    "num_Channle": "num_channels",
    "attention_droput": "attention_dropout",
    "Epoch": "epochs",
    "Data_Process": "data_folder",
}
FIELDS = {field.name: field for field in fields(Config)}
# characters of a configuration, whole number in it
MOST = 100_000
LARGEST = 2**64
TYPES: dict[Any, str] = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "text",
}


def load(path: Path | None, overrides: Mapping[str, Any] | None = None) -> Config:
    """The configuration from a YAML file (None: CONFIG.py's own values) with overrides on top.

    Names of the first published version are taken too, with a note on stderr.

    Raises:
        ConfigError: every unknown key, wrong type, value out of range or impossible pair, a line
            each.
    """
    faults: list[str] = []
    values = _typed(_read(path), str(path), faults)
    values |= _typed(overrides or {}, "command line", faults)
    try:
        config = Config(**values)
    except ConfigError as error:
        faults += str(error).splitlines()
    if faults:
        raise ConfigError("\n".join(faults))
    return config


def write(config: Config, path: Path) -> None:
    """Write the configuration as YAML with what each key means beside it."""
    with written_whole(path) as beside:
        beside.write_text(_as_yaml(config), encoding="utf-8")


def add_arguments(parser: argparse.ArgumentParser, names: Iterable[str] = tuple(FIELDS)) -> None:
    """Give the parser an option for each named key; ``overrides`` reads them back."""
    group = parser.add_argument_group("keys of config.yml, for this run alone")
    for name in names:
        options = [
            f"--{known}"
            for known in (name, *FORMER_NAMES)
            if FORMER_NAMES.get(known, known) == name
        ]
        about = f"{FIELDS[name].metadata['about']} {_range(FIELDS[name])}".replace("%", "%%")
        group.add_argument(*options, dest=name, metavar="V", default=argparse.SUPPRESS, help=about)


def overrides(arguments: argparse.Namespace) -> dict[str, Any]:
    """The keys of config.yml that were given on the command line."""
    return {name: value for name, value in vars(arguments).items() if name in FIELDS}


def _read(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read(MOST)
        if len(text) == MOST or any(
            isinstance(event, yaml.AliasEvent) for event in yaml.parse(text)
        ):
            raise ValueError(
                f"wanted less than {MOST} characters, and no aliases, whose few lines can mean billions"
            )
        values = yaml.safe_load(text)
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; write one with: python CONFIG.py") from None
    except Exception as error:  # PyYAML raises whatever an odd number, date or depth leads to
        raise ConfigError(
            f"{path}: not readable as YAML: {' '.join(str(error).split())[:300]}"
        ) from None
    if values is not None and not (
        isinstance(values, dict) and all(isinstance(name, str) for name in values)
    ):
        raise ConfigError(
            f"{path}: got a {type(values).__name__}, wanted lines of the form 'key: value'"
        )
    return values or {}


def _typed(values: Mapping[str, Any], where: str, faults: list[str]) -> dict[str, Any]:
    """The values under their present names and in their fields' types; what does not fit goes to
    faults.
    """
    typed: dict[str, Any] = {}
    for given, value in values.items():
        name = FORMER_NAMES.get(str(given), str(given))
        if name not in FIELDS:
            near = difflib.get_close_matches(name, [*FIELDS, *FORMER_NAMES], n=1)
            choices = [f"did you mean {FORMER_NAMES.get(meant, meant)}?" for meant in near]
            choices = choices or [f"the keys are: {', '.join(FIELDS)}"]
            faults.append(f"{where}: unknown key {reprlib.repr(given)[1:-1]}; {choices[0]}")
            continue
        if name != given:
            print(f"note: {where}: {given} is called {name} now", file=sys.stderr)
        if name in typed:
            faults.append(
                f"{where}: {name} is given twice, as {given} and under its other name; keep one"
            )
            continue
        try:
            typed[name] = _cast(value, FIELDS[name].type)
        except (TypeError, ValueError, OverflowError):
            wanted = f"{TYPES[FIELDS[name].type]} {_range(FIELDS[name])}"
            got = (
                "a huge number"
                if isinstance(value, int) and abs(value) > LARGEST
                else reprlib.repr(value)
            )
            faults.append(f"{where}: {given}: got {got}, wanted {wanted}")
    return typed


def _cast(value: Any, kind: Any) -> Any:
    """YAML 1.1 reads 1e-2 as text and the command line gives text only, so text is parsed here."""
    if kind is bool and isinstance(value, str):
        value = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}.get(
            value.lower()
        )
    fitting = {bool: (bool,), str: (str, int, float), int: (int, str), float: (int, float, str)}[
        kind
    ]
    if not isinstance(value, fitting) or (isinstance(value, bool) and kind is not bool):
        raise TypeError
    if isinstance(result := kind(value), int) and abs(result) > LARGEST:
        raise OverflowError
    return result


def _range(field: "dataclasses.Field[Any]") -> str:
    about = field.metadata
    if about["choices"]:
        return f"({', '.join(about['choices'])})"
    if math.isfinite(about["high"]):
        return f"({about['low']:.10g} to {about['high']:.10g})"
    return "(true or false)" if field.type is bool else ""


def _out_of_range(field: "dataclasses.Field[Any]", value: Any) -> str | None:
    about = field.metadata
    choices = field.metadata["choices"]
    fits = (
        value in choices
        if choices
        else isinstance(value, str | bool) or about["low"] <= value <= about["high"]
    )
    near = difflib.get_close_matches(str(value), choices, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    return (
        None
        if fits
        else f"{field.name}: got {reprlib.repr(str(value))[1:-1]}, wanted one in {_range(field)}{hint}"
    )


def _as_yaml(config: Config) -> str:
    lines = [
        "# Written by CONFIG.py. Edit here for this folder, or in CONFIG.py for all that is written after."
    ]
    for field in fields(config):
        value = yaml.safe_dump({field.name: getattr(config, field.name)}).strip()
        lines += ["", f"# {field.metadata['about']} {_range(field)}".rstrip(), value]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser("python CONFIG.py", description="Write config.yml.")
    about = "tiny, windows: for X-ray patches or windows; small: CT of the published size; -phantoms: what to train first"
    parser.add_argument("--preset", choices=PRESETS, help=about)
    parser.add_argument(
        "--OUTPUT", "--output", "-o", dest="output", type=Path, default=Path("config.yml")
    )
    arguments = parser.parse_args()
    config = Config(**PRESETS.get(arguments.preset, {}))
    target = arguments.output
    with keeping_former(target):
        write(config, target)
    print(f"wrote {target}; train with: python train.py --Config {target} --device auto")


if __name__ == "__main__":
    main()
