"""What data.audit finds: its records, its shortcut probe and its picture."""

import textwrap
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from data import contact_sheet
from data.processed import Sample
from data.readers import read_grey

LIMIT = 0.55  # a probe is a shortcut if its whole interval lies above
# images that the probes learn from at most, parts of the cross-validation
PROBED = 4000
FOLDS = 5
# images in a row of audit.png, rows for one kind
COLUMNS = contact_sheet.COLUMNS
ROWS = 2
PLACES = {
    "border pixels": ("top", "bottom", "left", "right"),
    "corners": ("top left", "top right", "bottom left", "bottom right"),
}
KINDS = {  # worst first: what it is, what to do
    "labels_contradict": "byte-identical files under two labels: keep the one with the right label",
    "leak": "the same picture, or nearly, in two splits: split again, data.prepare keeps such pictures together",
    "group_across_splits": "one group (patient, vessel) in two splits: split again by group",
    "similar_contradict": "nearly the same picture under two labels: look at each pair, one label may be wrong",
    "shortcut": "classes differ in what should tell nothing: see in audit.png what it is; crop or even it out",
    "unreadable": "unreadable, damaged, constant or out of range: replace or remove",
    "colour": "colour where grey is expected: export as grey; overlays may be burned in",
    "odd_size": "not of the size that most have: find out where they come from",
    "odd_depth": "not of the format and bit depth that most have: export all alike",
    "wrong_suffix": "content and name disagree: rename; what is not named as an image is not read at all",
    "class_missing": "a split lacks a class: split again",
    "identical": "byte-identical files, same label: remove all but one",
    "uneven": "one class is far rarer: collect more, or judge by AUROC and not by accuracy",
    "near_duplicate": "nearly the same picture in one split: nothing to do, data.prepare ties them into one group",
}
NOTICES = ("uneven", "near_duplicate")  # worth knowing, no fault


class Finding(NamedTuple):
    """Files that are at fault together, the earliest split first, and how."""

    kind: str
    files: list[str]
    how: str = ""


class Look(NamedTuple):
    """What is kept of an image: little, so that memory stays flat."""

    sample: Sample
    size: str
    depth: str  # with format and channels
    sha256: str  # of the file
    descriptor: NDArray  # (T, T) int8, for data.duplicates
    views: dict[str, NDArray]  # for each probe what it sees, (features,)


def probe(
    looks: list[Look], groups: NDArray, names: list[str], notes: list[str]
) -> tuple[dict[str, dict[str, Any]], list[Finding]]:
    """Cross-validated AUROC of what should tell nothing, no group in two folds, and the images that
    give it away.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import PredefinedSplit, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    from data.splits import folds
    from metrics.intervals import evaluate

    rank = np.random.default_rng(0).permutation(groups.max() + 1)[groups]
    chosen = np.flatnonzero(np.cumsum(np.bincount(rank))[rank] <= PROBED)  # whole groups
    y = np.array([looks[i].sample.label for i in chosen])
    g = groups[chosen]
    count = min(FOLDS, *(len(set(g[y == name])) for name in names))
    parts = folds(y, g, count, seed=0) if count > 1 else np.zeros(len(y), int)
    if any(len(set(y[parts != part])) < len(names) for part in range(max(1, count))):
        notes.append("no shortcut probe: a class has too few groups of images that belong together")
        return {}, []
    notes += [f"the probes saw {len(y)} of {len(looks)} images, drawn at random"] * (
        len(y) < len(looks)
    )
    forms = np.array([looks[i].depth for i in chosen])
    seen = {
        view: np.array([looks[i].views[view].ravel() for i in chosen], float)
        for view in looks[0].views
    }
    seen["file format"] = (forms[:, None] == np.unique(forms)).astype(float)
    probes = {}
    findings = []
    for view, x in tqdm(seen.items(), desc="probing", mininterval=1):
        linear = LogisticRegression(C=1 / x.shape[1], class_weight="balanced", max_iter=300)
        model = make_pipeline(
            StandardScaler(), SVC(class_weight="balanced") if view == "baseline" else linear
        )
        results = []
        for name in names[1:] if len(names) == 2 else names:
            scores = cross_val_predict(
                model, x, y == name, cv=PredefinedSplit(parts), method="decision_function"
            )
            results.append(
                (evaluate(y == name, 1 / (1 + np.exp(-scores)), g)["auroc"], name, scores)
            )
        area, name, scores = max(results, key=lambda result: result[0].low)
        shortcut = bool(view != "baseline" and area.low > LIMIT)
        probes[view] = {
            "class": name,
            "auroc": area.value,
            "low": area.low,
            "high": area.high,
            "shortcut": shortcut,
        }
        if shortcut:
            apart = (x[y == name].mean(axis=0) - x[y != name].mean(axis=0)) / (x.std(axis=0) + 1e-3)
            most = int(np.abs(apart).argmax())
            where = f" most {PLACES[view][4 * most // len(apart)]}," if view in PLACES else ""
            how = f"{name} told by {view}: AUROC {area},{where} {'more' if apart[most] > 0 else 'less'} in {name}"
            order = np.argsort(scores)
            halves = (
                order[y[order] == name][: -COLUMNS // 2 - 1 : -1],
                order[y[order] != name][: COLUMNS // 2],
            )
            findings.append(
                Finding(
                    "shortcut", [looks[i].sample.path for i in chosen[np.concatenate(halves)]], how
                )
            )
    return probes, findings


def draw(
    findings: list[Finding], looks: list[Look], names: list[str], folder: Path, path: Path
) -> None:
    """One picture: the mean of each class, then two rows of each kind of finding, pairs side by
    side.
    """
    labels = {look.sample.path: look.sample.label for look in looks}
    thumbs = {
        name: [look.views["baseline"] for look in looks if look.sample.label == name]
        for name in names
    }
    means = {name: np.mean(own, axis=0) for name, own in thumbs.items() if own}
    first, *others = means
    cells: list[contact_sheet.Cell] = [
        (mean, f"mean of\n{name}", None) for name, mean in means.items()
    ]
    cells += [
        (means[name] - means[first], f"{name} less {first}\nred: brighter", None) for name in others
    ]
    rows = [("classes", cells)]
    for kind, what in KINDS.items():
        own = [f for f in findings if f.kind == kind]
        most = COLUMNS if kind == "shortcut" else 2
        varied = list({(*f.files[:1], f.how): f for f in own[::-1]}.values())[::-1]
        files = [name for f in varied for name in f.files[:most] if name in labels][
            : ROWS * COLUMNS
        ]
        for start in range(0, len(files), COLUMNS):
            shown = [(f, f if len(f) < 28 else f"...{f[-24:]}") for f in files[start:][:COLUMNS]]
            cells = [(read_grey(folder / f), f"{name}\n{labels[f]}", None) for f, name in shown]
            title = own[start // most].how if kind == "shortcut" else f"{len(own)} x {what}"
            rows.append((textwrap.fill(title.split(":")[0], 20), cells))
    contact_sheet.draw(rows, path, pairs=True)
