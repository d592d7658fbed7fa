"""external.csv and decision_curve.csv: every figure of an external study, a row each."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isnan, nan

from metrics.calibration_slope import calibration
from metrics.comparison import difference
from metrics.decision_curve import DecisionPoint
from metrics.estimate import Estimate
from metrics.levels import Level
from metrics.shares import share
from report.external_study import SHOWN, Study

FIRST = ("auroc", "sensitivity", "specificity")  # of vessels and patients


@dataclass(frozen=True)
class Measured:
    """One row of external.csv.

    Args:
        part: of the report.
        name: of the figure.
        estimate: with its interval.
        images, groups: that it is of; 0: of other images than these.
    """

    part: str
    name: str
    estimate: Estimate
    images: int = 0
    groups: int = 0

    def row(self) -> dict[str, object]:
        """Its cells."""
        each = self.estimate
        return {
            "part": self.part,
            "name": self.name,
            "value": each.value,
            "low": "" if isnan(each.low) else each.low,
            "high": "" if isnan(each.high) else each.high,
            "images": self.images or "",
            "groups": self.groups or "",
        }


def measured(study: Study, internal: dict[str, Estimate], width: float) -> list[Measured]:
    """All of external.csv.

    Args:
        study: the images, and what was predicted.
        internal: what the file of the model says of its validation.
        width: of an interval, for what it needs.
    """
    return [
        *_found(study, "external", study.estimates),
        *_found(study, "external", _coverage(study)),
        *_changes(internal, study.estimates),
        *_above(study),
        *_found(study, "calibration", calibration(study.labels, study.logits, study.groups)),
        *_found(study, "unlike", _unlike(study)),
        *_alike(study),
        *_found(study, "at the threshold", _at_threshold(study)),
        *_needed(study, width),
    ]


def _found(study: Study, part: str, estimates: dict[str, Estimate]) -> Iterator[Measured]:
    for name, each in estimates.items():
        yield Measured(part, name, each, len(study), study.group_count)


def _above(study: Study) -> Iterator[Measured]:
    """The first figures of vessels and of patients, where these are known."""
    for level in study.above:
        found = level.estimates(study.threshold)
        yield from _found(study, by_level(level), {name: found[name] for name in FIRST if found})


def by_level(level: Level) -> str:
    """The part of external.csv that holds a level's figures."""
    return f"by {level.name}"


def _coverage(study: Study) -> dict[str, Estimate]:
    """Share of the images whose prediction set holds the truth; none where there are no sets."""
    labels, hits, groups = study.labels, study.covered, study.groups
    if hits is None:
        return {}
    of_class = {
        f"coverage of {name}": share(labels, hits, groups, labels == bool(k))
        for k, name in enumerate(study.names)
    }
    return {"coverage of the sets": share(labels, hits, groups), **of_class}


def _unlike(study: Study) -> dict[str, Estimate]:
    """Share of images that are unlike those of training; none where that is not known."""
    return {} if study.share_unlike is None else {"share unlike": study.share_unlike}


def _alike(study: Study) -> Iterator[Measured]:
    if study.alike is not None:
        yield from _found(study.alike, "like training images", study.alike.estimates)


def _changes(internal: dict[str, Estimate], external: dict[str, Estimate]) -> Iterator[Measured]:
    """Internal figures, and external ones less these, where both are known."""
    for name in SHOWN:
        if name in internal and name in external:
            yield Measured("internal", name, internal[name])
            yield Measured("change", name, difference(internal[name], external[name]))


def _at_threshold(study: Study) -> dict[str, Estimate]:
    point = study.at_threshold()
    if point is None:
        return {}
    return {
        "net benefit": point.model,
        "net benefit of acting on all": point.treat_all,
        "net interventions avoided": point.avoided,
    }


def _needed(study: Study, width: float) -> Iterator[Measured]:
    part = f"needed for an interval {width:g} wide"
    for name, need in study.needs(width):
        yield Measured(part, f"groups for {name}", Estimate(need.groups, nan, nan))
        yield Measured(part, f"images for {name}", Estimate(need.images, nan, nan))


def curve_rows(curve: Sequence[DecisionPoint]) -> list[dict[str, object]]:
    """The rows of decision_curve.csv; to act on none has a net benefit of 0."""
    rows: list[dict[str, object]] = []
    for point in curve:
        row: dict[str, object] = {"threshold": point.threshold}
        named = (("model", point.model), ("all", point.treat_all), ("avoided", point.avoided))
        for name, each in named:
            row |= {name: each.value, f"{name}_low": each.low, f"{name}_high": each.high}
        rows.append(row | {"none": 0})
    return rows
