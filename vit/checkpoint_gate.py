"""The gate of ViT.ckpt: what a file says has the types and ranges that all later code relies on."""

import math
import reprlib
from typing import Any

import CONFIG
from data.dataset_info import LARGEST_SIZE, is_frame, is_full_scale
from data.grades import LEAST_GRADES
from data.multilabel import is_name
from metrics.decision import MULTILABEL

Plain = dict[str, Any]  # plain types and tensors, as torch.save writes them
FORMAT = 1
NEEDED = (
    "state_dict",
    "config",
    "class_names",
    "preprocessing",
    "threshold",
    "temperature",
)
LARGEST = 1e15  # number beside the weights
MOST_MEMBERS = 100  # models of an ensemble
NUMBER = float | int
NUMBERS = [NUMBER]
# a type, a list of such, or names with such; older checkpoints lack some that are not NEEDED
FORMS: Plain = {
    "state_dict": dict,
    "config": dict,
    "class_names": [str],
    "threshold": NUMBER,
    "thresholds": {str: NUMBER},
    "temperature": NUMBER,
    "preprocessing": {
        "image_size": int,
        "mean": NUMBER | None,
        "std": NUMBER | None,
        "border": NUMBER,
        "stretch": bool,
        "window": list | tuple | None,
        "frame": int | str,
        "full_scale": int | None,
        "stored_size": int | None,
    },
    "members": [dict],
    "familiarity": [dict],
    "conformal_scores": {str: NUMBERS},
    "training_images_sha256": [str],
    "prepared_images_sha256": [str],
    "content_sha256": str,
    "run": str,
    "split_sha256": str,
    "versions": {str: str},
    "init": {
        "config": dict,
        "probe": {str: NUMBER},
        "known_images_sha256": [str],
        str: str,
    },
    "recalibrated_images": int,
    "validation": {str: NUMBER},
    "figures": {str: NUMBERS},
    "epoch_chosen_on_validation": bool,
    "history": [[{str: NUMBER}]],
}


def check(plain: Plain) -> CONFIG.Config:
    """Check all that a checkpoint says beside its weights; gives its configuration.

    Raises:
        ValueError: a value of another type, or out of its range.
    """
    seen = set[int]()
    for name, form in FORMS.items():
        if name in plain and not _fits(plain[name], form, seen):
            raise ValueError(f"{name}: got {_shown(plain[name])}, wanted another type")
    config = _config(plain["config"])
    in_range = {
        "class_names": _are_class_names(plain["class_names"], config.num_classes),
        "threshold": 0 <= plain["threshold"] <= 1,
        "thresholds": _are_thresholds(plain.get("thresholds"), plain["class_names"], config),
        "temperature": 1e-3 <= plain["temperature"] <= 1e3,
        "preprocessing": _is_preprocessing(plain["preprocessing"], config.image_size),
        "members": len(plain.get("members", [])) < MOST_MEMBERS,
        "history": all("epoch" in row for rows in plain.get("history", []) for row in rows),
    }
    if config.task == MULTILABEL and not all(map(is_name, plain["class_names"])):
        in_range["class_names"] = False
    for name, fits in in_range.items():
        if not fits:
            raise ValueError(f"{name}: got {_shown(plain.get(name))}")
    return config


def _config(given: Plain) -> CONFIG.Config:
    """The configuration; a key that the file lacks has the value that it had formerly."""
    known = {name: value for name, value in given.items() if name in CONFIG.FIELDS}
    for name, value in known.items():
        if not isinstance(value, str | int | float | None):
            raise ValueError(f"{name}: got {_shown(value)}")
    config = CONFIG.load(None, CONFIG.FORMER_VALUES | known)
    if config.task == "ordinal" and config.num_classes < LEAST_GRADES:
        raise ValueError(f"num_classes: got {config.num_classes}, wanted three grades or more")
    return config


def _are_class_names(names: list[str], count: int) -> bool:
    """Whether there are as many as classes, all different, each a name that a folder can have."""
    usable = all(len(name.encode()) < 256 and min(name) >= " " for name in names)
    return len(set(names)) == len(names) == count and usable


def _are_thresholds(given: Plain | None, names: list[str], config: CONFIG.Config) -> bool:
    """Whether each finding has one, and nothing else."""
    if not given:
        return True
    in_range = all(0 <= value <= 1 for value in given.values())
    return config.task == MULTILABEL and given.keys() == set(names) and in_range


def _is_preprocessing(values: Plain, image_size: int) -> bool:
    window = values.get("window")
    centre, width = (0.0, 1.0) if window is None else window
    mean = values["mean"]
    standardised = mean is None or (0 <= mean <= 1 and 1e-6 <= values["std"] <= 1)
    return (
        values["image_size"] == image_size > 0
        and 0 < (values.get("stored_size") or image_size) <= LARGEST_SIZE
        and 0 <= values["border"] <= 0.45
        and standardised
        and _fits([centre, width], NUMBERS, set())
        and 0 < width < math.inf
        and is_full_scale(values.get("full_scale"))
        and is_frame(values.get("frame", -1))
    )


def _shown(value: Any) -> str:
    """A value, shortened, or the name of its type if it may be large or of many parts."""
    if isinstance(value, str | int | float | None):
        return reprlib.repr(value)
    return f"a {type(value).__name__}"


def _fits(value: Any, form: Any, seen: set[int]) -> bool:
    """Whether a value is of a form as in FORMS.

    A list that holds one list over and over could stand for billions, so each is taken once.
    """
    if isinstance(value, list | dict):
        if id(value) in seen:
            return False
        seen.add(id(value))
    if isinstance(form, list):
        return type(value) is list and all(_fits(each, form[0], seen) for each in value)
    if isinstance(form, dict):
        rest = form.get(str, object)
        return type(value) is dict and all(
            _fits(each, form.get(name, rest), seen) for name, each in value.items()
        )
    if form in (bool, object):
        return isinstance(value, form)
    return isinstance(value, form) and not isinstance(value, bool) and not _is_too_large(value)


def _is_too_large(value: Any) -> bool:
    """Whether a number is beyond what any figure of a training can be; NaN means not known."""
    return isinstance(value, int | float) and abs(value) > LARGEST
