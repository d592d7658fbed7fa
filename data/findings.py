"""What data.audit finds: its records, its shortcut probe and its picture."""

import textwrap
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from data.readers import read_grey
from data.sources import Source
from files import written_whole

MARGIN = 0.05  # a probe is a shortcut if its whole interval lies that far above chance
PROBED, FOLDS = 4000, 5  # images that the probes learn from at most, parts of the cross-validation
COLUMNS, ROWS = 8, 2  # images in a row of audit.png, rows for one kind
PLACES = {"border pixels": ("top", "bottom", "left", "right"),
          "corners": ("top left", "top right", "bottom left", "bottom right")}  # fmt: skip


class Finding(NamedTuple):
    """Files that are at fault together, the earliest split first, and how."""

    kind: str
    files: list[str]
    how: str = ""


class Look(NamedTuple):
    """What is kept of an image: little, so that memory stays flat."""

    size: str
    depth: str  # with format and channels
    sha256: str  # of the file
    descriptor: NDArray  # (T, T) int8, for data.duplicates
    views: dict[str, NDArray]  # for each probe what it sees, (features,)


def probe(own: list[Source], looks: list[Look], groups: NDArray, names: list[str],
          notes: list[str]) -> tuple[dict[str, dict[str, Any]], list[Finding]]:  # fmt: skip
    """Cross-validated AUROC of what should tell nothing, no group in two folds, and the images that give it away."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    from data.splits import folds
    from report.evaluate import evaluate

    rank = np.random.default_rng(0).permutation(groups.max() + 1)[groups]
    chosen = np.flatnonzero(np.cumsum(np.bincount(rank))[rank] <= PROBED)  # whole groups
    y, g = np.array([own[i].label for i in chosen]), groups[chosen]
    count = min(FOLDS, *(len(set(g[y == name])) for name in names))
    parts = folds(y, g, count, seed=0) if count > 1 else np.zeros(len(y), int)
    if any(len(set(y[parts != part])) < len(names) for part in range(max(1, count))):
        notes.append("no shortcut probe: a class has too few groups of images that belong together")
        return {}, []
    notes += [f"the probes saw {len(y)} of {len(own)} images, drawn at random"] * (len(y) < len(own))
    forms = np.array([looks[i].depth for i in chosen])
    seen = {view: np.array([looks[i].views[view].ravel() for i in chosen], float) for view in looks[0].views}
    seen["file format"] = (forms[:, None] == np.unique(forms)).astype(float)
    probes, findings = {}, []
    for view, x in tqdm(seen.items(), desc="probing", mininterval=1):
        linear = LogisticRegression(C=1 / x.shape[1], class_weight="balanced", max_iter=300)
        model = make_pipeline(StandardScaler(), SVC(class_weight="balanced") if view == "baseline" else linear)
        results = []
        for name in names[1:] if len(names) == 2 else names:
            scores = np.zeros(len(y))
            for held in (parts == part for part in range(count)):
                scores[held] = model.fit(x[~held], y[~held] == name).decision_function(x[held])
            results.append((evaluate(y == name, 1 / (1 + np.exp(-scores)), g)["auroc"], name, scores))
        area, name, scores = max(results, key=lambda result: result[0].low)
        shortcut = bool(view != "baseline" and area.low > 0.5 + MARGIN)
        probes[view] = {"class": name, "auroc": area.value, "low": area.low, "high": area.high, "shortcut": shortcut}
        if shortcut:
            apart = (x[y == name].mean(axis=0) - x[y != name].mean(axis=0)) / (x.std(axis=0) + 1e-3)
            most = int(np.abs(apart).argmax())
            where = f" most {PLACES[view][4 * most // len(apart)]}," if view in PLACES else ""
            how = f"{name} told by {view}: AUROC {area},{where} {'more' if apart[most] > 0 else 'less'} in {name}"
            order = np.argsort(scores)
            halves = (order[y[order] == name][: -COLUMNS // 2 - 1 : -1], order[y[order] != name][: COLUMNS // 2])
            findings.append(Finding("shortcut", [own[i].name for i in chosen[np.concatenate(halves)]], how))
    return probes, findings


def draw(kinds: dict[str, str], findings: list[Finding], named: dict[str, Source], means: dict[str, NDArray],
         path: Path) -> None:  # fmt: skip
    """One picture: the mean of each class, then two rows of each kind of finding, pairs side by side."""
    from matplotlib.figure import Figure

    first, *others = means
    rows = [("classes", [(mean, f"mean of\n{name}") for name, mean in means.items()])]
    rows[0][1].extend((means[name] - means[first], f"{name} less {first}\nred: brighter") for name in others)
    for kind, what in kinds.items():
        own, most = [f for f in findings if f.kind == kind], COLUMNS if kind == "shortcut" else 2
        varied = list({(*f.files[:1], f.how): f for f in own[::-1]}.values())[::-1]
        files = [name for f in varied for name in f.files[:most] if name in named][: ROWS * COLUMNS]
        for start in range(0, len(files), COLUMNS):
            cells = [
                (read_grey(named[f].path), f"{f if len(f) < 28 else '...' + f[-24:]}\n{named[f].label}")
                for f in files[start:][:COLUMNS]
            ]
            title = own[start // most].how if kind == "shortcut" else f"{len(own)} x {what}"
            rows.append((textwrap.fill(title.split(":")[0], 20), cells))
    figure = Figure(figsize=(COLUMNS * 1.6, len(rows) * 1.95), layout="constrained", dpi=110)
    ratios = [1, 1, 0.15] * (COLUMNS // 2)  # a gap after each pair
    axes = figure.subplots(len(rows), len(ratios), squeeze=False, width_ratios=ratios)
    for axis in axes.flat:
        axis.axis("off")
    for (title, cells), line in zip(rows, axes, strict=True):
        line[0].text(-0.1, 0.5, title, rotation=90, ha="right", va="center", transform=line[0].transAxes, fontsize=8)
        for (image, caption), axis in zip(cells, np.delete(line, slice(2, None, 3)), strict=False):
            low, high = (-0.2, 0.2) if image.min() < 0 else (0, 255 if image.dtype == np.uint8 else 1)
            axis.imshow(image.astype(np.float32), "bwr" if low else "gray", vmin=low, vmax=high)
            axis.set_title(caption, fontsize=6)
    with written_whole(path) as beside:
        figure.savefig(beside)
