"""Whether classes can be told apart by what should tell nothing, such as corners or file size."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from data.contact_sheet import COLUMNS
from data.findings import Finding
from data.looks import Look
from metrics.intervals import Estimate, evaluate

LIMIT = 0.55  # a probe is a shortcut if its whole interval lies above
PROBED = 4000  # images that the probes learn from at most
FOLDS = 5  # of the cross-validation
BASELINE = "baseline"  # the probe that sees the whole picture, and is no shortcut
PLACES = {
    "border pixels": ("top", "bottom", "left", "right"),
    "corners": ("top left", "top right", "bottom left", "bottom right"),
}


@dataclass(frozen=True)
class Probe:
    """How well one view of the images tells a class from the others, by itself."""

    view: str
    class_name: str  # the one that is told best
    auroc: Estimate

    @property
    def is_shortcut(self) -> bool:
        """Whether it tells the class for sure, and should not."""
        return bool(self.view != BASELINE and self.auroc.low > LIMIT)

    def as_json(self) -> dict[str, object]:
        """Its entry in audit.json."""
        return {
            "class": self.class_name,
            "auroc": self.auroc.value,
            "low": self.auroc.low,
            "high": self.auroc.high,
            "shortcut": self.is_shortcut,
        }


def find_shortcuts(
    looks: list[Look], groups: NDArray, names: list[str], notes: list[str]
) -> tuple[list[Probe], list[Finding]]:
    """Cross-validated AUROC of what should tell nothing, and the images that give it away.

    Args:
        looks: n images.
        groups: (n,) numbers of groups; none is in two folds.
        names: of the classes, in index order.
        notes: takes lines that the user should read.
    """
    rank = np.random.default_rng(0).permutation(groups.max() + 1)[groups]
    chosen = np.flatnonzero(np.cumsum(np.bincount(rank))[rank] <= PROBED)  # whole groups
    seen = [looks[i] for i in chosen]
    y = np.array([look.sample.label for look in seen])
    g = groups[chosen]
    parts = _folds(y, g, names)
    if parts is None:
        notes.append("no shortcut probe: a class has too few groups of images that belong together")
        return [], []
    if len(seen) < len(looks):
        notes.append(f"the probes saw {len(seen)} of {len(looks)} images, drawn at random")
    probes = []
    findings = []
    for view, x in tqdm(_views(seen).items(), desc="probing", mininterval=1):
        classes = names[1:] if len(names) == 2 else names
        scores = {name: _scores(view, x, y == name, parts) for name in classes}
        areas = {name: evaluate(y == name, _sigmoid(s), g)["auroc"] for name, s in scores.items()}
        best = max(classes, key=lambda name: areas[name].low)
        found = Probe(view, best, areas[best])
        probes.append(found)
        if found.is_shortcut:
            detail = f"{best} told by {view}: AUROC {found.auroc},{_where(view, x, y == best)}"
            files = [seen[i].sample.path for i in _extremes(scores[best], y == best)]
            findings.append(Finding("shortcut", files, f"{detail} in {best}"))
    return probes, findings


def _folds(y: NDArray, groups: NDArray, names: Sequence[str]) -> NDArray | None:
    """(n,) numbers of folds, without each of which every class is left; None if there are none."""
    from data.splits import folds  # scikit-learn takes time to load

    count = min(FOLDS, *(len(set(groups[y == name])) for name in names))
    parts = folds(y, groups, count, seed=0) if count > 1 else np.zeros(len(y), int)
    for part in range(max(1, count)):
        if len(set(y[parts != part])) < len(names):
            return None
    return parts


def _views(looks: list[Look]) -> dict[str, NDArray]:
    """(n, features) what each probe sees."""
    views = {
        view: np.array([look.views[view].ravel() for look in looks], float)
        for view in looks[0].views
    }
    forms = np.array([look.depth for look in looks])
    views["file format"] = (forms[:, None] == np.unique(forms)).astype(float)
    return views


def _scores(view: str, x: NDArray, is_class: NDArray, parts: NDArray) -> NDArray:
    """(n,) what a model that never saw the fold of an image says of it; above 0: the class."""
    # scikit-learn takes time to load
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import PredefinedSplit, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    if view == BASELINE:
        model = SVC(class_weight="balanced")
    else:
        model = LogisticRegression(C=1 / x.shape[1], class_weight="balanced", max_iter=300)
    scores = cross_val_predict(
        make_pipeline(StandardScaler(), model),
        x,
        is_class,
        cv=PredefinedSplit(parts),
        method="decision_function",
    )
    return np.asarray(scores)


def _sigmoid(scores: NDArray) -> NDArray:
    return np.asarray(1 / (1 + np.exp(-scores)))


def _where(view: str, x: NDArray, is_class: NDArray) -> str:
    """The place where a class differs most, if the view has places, and which way it differs."""
    change = x[is_class].mean(axis=0) - x[~is_class].mean(axis=0)
    apart = change / (x.std(axis=0) + 1e-3)
    most = int(np.abs(apart).argmax())
    way = "more" if apart[most] > 0 else "less"
    if view not in PLACES:
        return f" {way}"
    return f" most {PLACES[view][4 * most // len(apart)]}, {way}"


def _extremes(scores: NDArray, is_class: NDArray) -> NDArray:
    """Indices of the images that look most like the class, then of those that look least like it.

    The first are of the class, the others are not: half a row of the picture each.
    """
    order = np.argsort(scores)
    rising = order[is_class[order]]
    half = COLUMNS // 2
    return np.concatenate([rising[::-1][:half], order[~is_class[order]][:half]])
