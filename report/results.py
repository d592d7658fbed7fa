"""What follows from truths and probabilities: all that the page's first part shows."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix

from data import processed
from metrics.decision import which_held
from metrics.grades import at_least, evaluate_grades
from metrics.intervals import Estimate, evaluate, groups_in
from metrics.levels import Level, Rows, Subgroup, levels, subgroup_columns, subgroups
from metrics.multilabel import MEAN, evaluate_findings, in_words, without_figures
from report import charts
from report.charts import Charts
from vit.checkpoint import Checkpoint
from vit.predictions import Prediction

Named = list[tuple[str, Estimate]]
SHORT = ("auroc", "ppv", "npv", "f1")  # names that are written in capitals
NONE_KNOWN = "No figures: the truth is not known, or is the same for all images."


@dataclass(frozen=True)
class Results:
    """The results on images, those of known truth.

    Args:
        counts: how many images there are of each truth, in words.
        groups: how many groups they are drawn by.
        headline: the first estimate, or why there is none.
        estimates: of each image by itself; none where truths of two classes are not known.
        confusion: for each true class how many images were called which class; of findings for each
            how many have it and were called so, have it and were not, lack it and were, lack it
            and were not.
        lines: what has no figures.
        charts: SVG pictures.
        levels: estimates of vessels and of patients.
        subgroups: for each column of the manifest its values.
    """

    counts: str
    groups: int
    headline: str = NONE_KNOWN
    estimates: Named = field(default_factory=list)
    confusion: list[tuple[str, list[int]]] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    charts: Charts = field(default_factory=dict)
    levels: list[tuple[Level, Named]] = field(default_factory=list)
    subgroups: list[tuple[str, list[Subgroup]]] = field(default_factory=list)


def results_of(predictions: Sequence[Prediction], checkpoint: Checkpoint) -> Results:
    """The results of predictions, whose probabilities are rounded as in predictions.csv."""
    names = checkpoint.class_names
    rows = [each.listed() for each in predictions if each.truth]
    if checkpoint.multilabel:
        return _of_findings(predictions, rows, checkpoint)
    truths = Counter(each.truth or "truth not known" for each in predictions)
    told = [name for name in (*names, "truth not known") if name in truths]
    counts = ", ".join(f"{truths[name]} {name}" for name in told)
    results = Results(counts, groups=len(set(groups_in(rows))))
    if len({row["truth"] for row in rows}) < 2:
        return results
    labels = np.array([names.index(row["truth"]) for row in rows])
    called = np.array([names.index(row["predicted"]) for row in rows])
    table = confusion_matrix(labels, called, labels=range(len(names))).tolist()
    results = replace(results, confusion=list(zip(names, table, strict=True)))
    if checkpoint.ordered:
        return _of_grades(results, rows, labels, called, names)
    if len(names) > 2:
        return _of_several_classes(results, rows, labels, names)
    return _of_two_classes(results, rows, labels == 1, checkpoint, predictions[0].UNIT)


def _probabilities(rows: Rows, name: str) -> NDArray:
    return np.array([float(row[f"probability_{name}"]) for row in rows])


def _of_grades(
    results: Results, rows: Rows, labels: NDArray, called: NDArray, names: list[str]
) -> Results:
    """Agreement with the true grade, and an AUROC of each cut between two grades."""
    shares = np.column_stack([_probabilities(rows, name) for name in names])
    estimates = evaluate_grades(labels, shares, called, names, groups_in(rows))
    named = [(_in_words(name), estimate) for name, estimate in estimates.items()]
    return replace(
        results,
        headline=f"Quadratic weighted kappa {estimates['quadratic_kappa']}, mean error "
        f"{estimates['grade_error']} grades, on {len(rows)} images of known truth",
        estimates=named,
        charts=charts.of_grades(labels, at_least(shares), names),
    )


def _of_findings(predictions: Sequence[Prediction], rows: Rows, checkpoint: Checkpoint) -> Results:
    """An AUROC, a sensitivity and a specificity of each finding, and the mean AUROC."""
    names = checkpoint.class_names
    truths = which_held([row["truth"] for row in rows], names)
    called = which_held([row["predicted"] for row in rows], names)
    having = zip(names, truths.sum(axis=0).tolist(), strict=True)
    told = [f"{count} with {name}" for name, count in having]
    told.append(f"{int((~truths.any(axis=1)).sum())} with none")
    if unknown := len(predictions) - len(rows):
        told.append(f"{unknown} truth not known")
    results = Results(", ".join(told), groups=len(set(groups_in(rows))))
    if not any(0 < count < len(rows) for count in truths.sum(axis=0)):
        return results
    shares = np.column_stack([_probabilities(rows, name) for name in names])
    found = evaluate_findings(truths, shares, names, checkpoint.thresholds, groups_in(rows))
    pairs = [(y, c) for y, c in zip(truths.T, called.T, strict=True)]
    counts = [[(y & c).sum(), (y & ~c).sum(), (~y & c).sum(), (~y & ~c).sum()] for y, c in pairs]
    return replace(
        results,
        headline=f"Mean AUROC {found[MEAN]} over the findings, on {len(rows)} images of known "
        "truth",
        estimates=[
            (in_words(name).replace("auroc", "AUROC", 1), each) for name, each in found.items()
        ],
        confusion=[(name, [*map(int, row)]) for name, row in zip(names, counts, strict=True)],
        lines=without_figures(truths, names),
        charts=charts.of_findings(truths, shares, names),
    )


def _of_several_classes(results: Results, rows: Rows, labels: NDArray, names: list[str]) -> Results:
    """An AUROC of each class against all others."""
    areas = {
        name: evaluate(labels == k, _probabilities(rows, name), groups_in(rows))["auroc"]
        for k, name in enumerate(names)
        if k in labels
    }
    estimates = [(f"AUROC, {name} or not", area) for name, area in areas.items()]
    headline = "; ".join(f"{name} {area}" for name, area in estimates)
    return replace(results, estimates=estimates, headline=headline)


def _of_two_classes(
    results: Results, rows: Rows, labels: NDArray, checkpoint: Checkpoint, unit: str
) -> Results:
    threshold = checkpoint.threshold
    positive = checkpoint.positive
    scores = _probabilities(rows, positive)
    estimates = evaluate(labels, scores, groups_in(rows), threshold)
    above = [(level, _named(level.estimates(threshold))) for level in levels(rows, positive)[1:]]
    columns = subgroup_columns(rows, processed.COLUMNS)
    return replace(
        results,
        headline=f"AUROC {estimates['auroc']} on {len(rows)} {unit} of known truth",
        estimates=_named(estimates),
        charts=charts.of_predictions(labels, scores, threshold, checkpoint.class_names),
        levels=[(level, named) for level, named in above if named],
        subgroups=[
            (column, list(subgroups(rows, positive, column, threshold))) for column in columns
        ],
    )


def _in_words(name: str) -> str:
    """The name of an estimate of grades as the page shows it."""
    known = {
        "quadratic_kappa": "quadratic weighted kappa",
        "grade_error": "mean absolute error in grades",
        "grade_right": "share of images with the right grade",
    }
    return known.get(name, name.replace("auroc", "AUROC"))


def _named(estimates: dict[str, Estimate]) -> Named:
    """The estimates under the names that the page shows."""
    return [
        (name.upper() if name in SHORT else name.replace("_", " "), estimate)
        for name, estimate in estimates.items()
    ]
