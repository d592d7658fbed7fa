"""What the names of folders and cells mean for a split: train, val or test, a fold, or neither."""

import re
from collections.abc import Iterable

from data.words import letters

SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "tr": "train",
    "trn": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "validate": "val",
    "dev": "val",
    "development": "val",
    "test": "test",
    "testing": "test",
    "tst": "test",
    "holdout": "test",
    "heldout": "test",
    "eval": "test",
    "evaluation": "test",
}
# Spanish, French, German, Italian, Portuguese, Chinese
OTHER_TRAIN = "entrenamiento entrainement entraînement trainieren addestramento treino treinamento"
OTHER_VAL = "validacion validación validierung validazione validacao validação 验证 验证集"
OTHER_TEST = "prueba pruebas teste testen 测试 测试集"
SPLIT_NAMES |= dict.fromkeys(f"{OTHER_TRAIN} 训练 训练集".split(), "train")
SPLIT_NAMES |= dict.fromkeys(OTHER_VAL.split(), "val")
SPLIT_NAMES |= dict.fromkeys(OTHER_TEST.split(), "test")
SHORT = ("tr", "trn", "tst", "dev", "eval")  # could be the initials of a patient
DEVELOPMENT = ("dev", "development")  # what others call train, beside a validation
EVALUATION = ("eval", "evaluation")  # validation, where no other split is
TAIL = re.compile(r"(set|data|dataset|split|images|imgs|folder)$")  # as in trainingset
# words beside a split word that change nothing, as in split_train, external_test, train_set_1
AROUND = {"set", "sets", "subset", "data", "dataset", "split", "splits", "folder", "files", "the"}
AROUND |= {"image", "images", "img", "imgs", "sample", "samples", "case", "cases", "patients"}
AROUND |= {"png", "pngs", "jpg", "jpgs", "jpeg", "tif", "tiff", "npy", "dcm", "dicom", "dicoms"}
AROUND |= {"external", "internal", "final", "new", "v"}
FOLD = re.compile(r"(kfold|cvfold|cvsplit|fold|folds|cv|crossvalidation|split)(of)?")
# the name of a patient's folder: PAT1, sub-01, P01a, Patient_A, P001_LAD, 20230101
PATIENT = re.compile(
    r"((p|pa|pat|pt|sub|subj|subject|patient|participant|case|mrn|id|study|exam)[-_ ]?\d+[a-z]?"
    r"|(patient|participant|subject)[-_ ][a-z]|\d{4,}[a-z]?)([-_ ].*)?",
    re.IGNORECASE,
)
PLACE = re.compile(
    r"(the )?(site|hospital|cent(er|re)|clinic|batch|part|vol|volume|disk|disc|archive|source"
    r"|scanner|device|cohort|dataset|series)( [a-z]{1,3})?( \d+)?"
)
# vessels, sides, projections and times, which images of every class have
VIEWS = {"lad", "lcx", "cx", "rca", "lm", "lmca", "left", "right", "proximal", "mid", "distal"}
VIEWS |= {"rao", "lao", "ap", "pa", "lateral", "axial", "coronal", "sagittal", "systole"}
VIEWS |= {"diastole", "rest", "stress", "baseline", "followup", "pre", "post", "before", "after"}
NUMBERED = {"class", "label", "category", "grade", "stage", "score", "degree", "rads", "cadrads"}


def split_of(name: str) -> str:
    """train, val or test, as the name of a folder or the cell of a table means it; else empty."""
    return SPLIT_NAMES.get(_split_word(name), "")


def splits_of(names: Iterable[str]) -> dict[str, str]:
    """Those of the names that mean a split, and which.

    eval is val where no other name is; development is train beside a validation without train.
    """
    splits = {name: split for name in sorted(set(names)) if (split := split_of(name))}
    developed = {name for name in splits if _split_word(name) in DEVELOPMENT}
    others = {split for name, split in splits.items() if name not in developed}
    if "val" in others and "train" not in others:
        splits |= dict.fromkeys(developed, "train")
    if "val" not in splits.values():
        for name in splits:
            if _split_word(name) in EVALUATION:
                splits[name] = "val"
    return splits


def is_unsure_split(name: str) -> bool:
    """Whether a name means a split only beside others: a short one, or one with a number."""
    return _split_word(name) in SHORT or any(map(str.isdigit, name))


def fold_of(name: str) -> str:
    """The number of the fold that the name of a folder means, such as fold_1 or cv1; else empty."""
    found = re.search(r"\d+", name)
    word = "".join(_words(name))
    if not found or not FOLD.fullmatch(word):
        return ""
    is_code = word in ("cv", "split") and found[0].startswith("0") and found[0] != "0"  # CV01
    return "" if is_code else found[0]


def is_place(name: str) -> bool:
    """Whether a folder is called after where, or in which part, images were collected."""
    return bool(PLACE.fullmatch(" ".join(re.findall(r"[^\W\d_]+|\d+", _apart(name)))))


def is_view(name: str) -> bool:
    """Whether a folder is called after a vessel, a projection or a time, as those of all have."""
    words = set(_words(name))
    return bool(words) and words <= VIEWS | AROUND


def may_be_class(name: str) -> bool:
    """Whether a folder inside others of any name can be a class, and is no patient or view."""
    if split_of(name) or fold_of(name) or PATIENT.fullmatch(name.strip()):
        return False
    words = set(_words(name))
    if any(map(str.isdigit, name)):
        return name in ("0", "1") or bool(words & NUMBERED)
    return bool(words) and not words <= VIEWS | AROUND


def _apart(name: str) -> str:
    """Its words in small letters: siteA is two."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).casefold().strip()


def _words(name: str) -> list[str]:
    """The words of a name in small letters, without digits."""
    return re.findall(r"[^\W\d_]+", name.casefold())


def _split_word(name: str) -> str:
    """The word of a name that may be one for a split, without those around it."""
    whole = letters(name)
    if whole in SPLIT_NAMES:
        return whole
    word = "".join(word for word in _words(name) if word not in AROUND)
    return word if word in SPLIT_NAMES else TAIL.sub("", word)
