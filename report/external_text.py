"""The words of report.external: what is printed, and stands in external.txt and external.html."""

from collections.abc import Iterator
from pathlib import Path

from metrics.estimate import Estimate
from report.external_study import Study, helps
from report.external_table import FIRST, Measured, by_level
from report.looks import Look
from report.sections import Section
from vit import LEVEL
from vit.facts import Facts

SHORT = ("auroc", "ppv", "npv")  # names that are written in capitals
HEAD = ["value (95 % interval)"]
OF_LIKE = 0.05  # share of like images that counts as unlike, as vit.familiarity sets the limit
SAME = 1e-4  # difference of a figure that is rounding
FEW_GROUPS = 100  # of a class, below which calibration and net benefit are uncertain
SHOWN_THRESHOLDS = (0.1, 0.2, 0.3, 0.5, 0.7)  # of the decision curve; the table has all


def frozen(facts: Facts, path: Path, sha256: str) -> str:
    """What is frozen."""
    return (
        f"model: {path.name}, sha256 {sha256}; frozen: its weights, threshold "
        f"{facts.threshold:.4g}, temperature {facts.temperature:.4g}, prediction sets"
    )


def of_set(study: Study, path: Path, look: Look) -> list[str]:
    """Which images the figures are of, and how sure that can make."""
    lines = [
        f"set: {Path(*path.parts[-2:])}, {len(study)} of {len(look.images)} images count, "
        f"{study.labels.sum()} {study.names[1]}, {study.group_count} groups; sha256 of all "
        f"{look.set_sha256}"
    ]
    few = [
        f"{count} of {name}"
        for k, name in enumerate(study.names)
        if (count := study.groups_of(bool(k))) < FEW_GROUPS
    ]
    if few:
        lines.append(
            f"few groups: {', '.join(few)}; an external validation wants {FEW_GROUPS} or more of "
            "each class (Collins et al. 2016, Stat Med 35:214)"
        )
    return lines


def of_internal(facts: Facts, path: Path) -> str:
    """What the internal figures are worth."""
    provenance = facts.provenance
    if not provenance.estimates:
        return (
            f"{path} holds no internal figures (a graph leaves them out), so no change is known; "
            "give the ViT.ckpt"
        )
    if provenance.recalibrated_images:
        return (
            f"internal: the {provenance.recalibrated_images} images of another place that "
            "threshold, temperature and sets were fitted to; its figures look too good. The file "
            "does not say which images these were: they must not be among those of --Path"
        )
    chosen = "the epoch, " if provenance.epoch_chosen_on_validation else ""
    return (
        f"internal: the validation images, that chose {chosen}the temperature and the threshold; "
        "its figures look too good, and a part of a fall may be only that"
    )


def alarms(study: Study, internal: dict[str, Estimate]) -> list[str]:
    """What no reader may miss in the figures."""
    lines = []
    auroc = study.estimates["auroc"]
    if auroc.high < 0.5:
        lines.append(
            f"ALARM: the score is inverted here: AUROC {auroc}, all of its interval below 0.5. "
            f"Are the labels of this set swapped, or does {study.names[1]} mean something else?"
        )
    unlike = study.share_unlike
    if unlike is not None and unlike.low > OF_LIKE:
        lines.append(
            f"ALARM: {study.unlike_count} of {len(study)} images are unlike those of training, "
            f"where {OF_LIKE} of like images would be: what the model says may mean nothing"
        )
    if is_validation(study, internal):
        lines.append(
            "ALARM: AUROC, sensitivity and specificity are those of validation, to the digit: are "
            "these the images that chose the epoch and the threshold? The file does not say"
        )
    return lines


def is_validation(study: Study, internal: dict[str, Estimate]) -> bool:
    """Whether figures, not all of them 0 or 1, equal those of validation."""
    pairs = [(study.estimates[name], internal[name]) for name in FIRST if name in internal]
    same = len(pairs) == len(FIRST) and all(
        abs(one.value - other.value) < SAME for one, other in pairs
    )
    return same and any(0 < one.value < 1 for one, _ in pairs)


def sections(study: Study, figures: list[Measured], width: float) -> list[Section]:
    """All parts of the report that hold figures."""
    return [
        travels(figures),
        *of_levels(study, figures),
        Section("Are its probabilities right?", HEAD, _rows(figures, "calibration")),
        of_likeness(study, figures),
        helping(study),
        needing(study, width),
    ]


def travels(figures: list[Measured]) -> Section:
    """The figures of the set beside the internal ones, and the change."""
    by_part: dict[str, dict[str, Estimate]] = {"external": {}, "internal": {}, "change": {}}
    for figure in figures:
        if figure.part in by_part:
            by_part[figure.part][figure.name] = figure.estimate
    heads = list(by_part) if by_part["change"] else ["external"]
    rows = []
    for name in by_part["external"]:
        cells = [by_part[head].get(name) for head in heads]
        rows.append((named(name), ["" if each is None else str(each) for each in cells]))
    auroc = by_part["external"]["auroc"]
    lines = []
    if auroc.low <= 0.5 <= auroc.high:
        lines.append("the interval of AUROC holds 0.5: it is not shown to tell the classes apart")
    if any(name.startswith("coverage") for name in by_part["external"]):
        lines.append(f"the sets are made to hold the truth in {LEVEL} of the images of each class")
    return Section("Does it travel?", heads, rows, lines)


def of_levels(study: Study, figures: list[Measured]) -> Iterator[Section]:
    """The first figures of vessels and of patients, where these are known."""
    for level in study.above:
        if rows := _rows(figures, by_level(level)):
            yield Section(
                f"By {level.name}: {level.count}, {level.labels.sum()} of them {study.names[1]}",
                HEAD,
                rows,
                [f"a {level.name} has {level.rule}"],
            )


def of_likeness(study: Study, figures: list[Measured]) -> Section:
    """Whether the images are like those of training, and the figures of those that are."""
    title = "Are the images like those of training?"
    if study.unlike is None:
        return Section(title, lines=["the file of the model cannot tell"])
    rows = _rows(figures, "unlike")
    of_like = f"of images like those of training the share would be {OF_LIKE}"
    count = study.unlike_count
    if not count:
        return Section(title, HEAD, rows, [of_like])
    if study.alike is None:
        few = f"without the {count} that are unlike: too few images of a class for figures"
        return Section(title, HEAD, rows, [of_like, few])
    rows += [(f"{name} without", cells) for name, cells in _rows(figures, "like training images")]
    return Section(title, HEAD, rows, [of_like, f"without the {count}: {len(study.alike)} images"])


def helping(study: Study) -> Section:
    """Net benefit at some thresholds, and where the model is of use."""
    share = study.prevalence or float(study.labels.mean())
    points = [each for each in study.curve if each.threshold in SHOWN_THRESHOLDS]
    own = study.at_threshold()
    points += [] if own is None else [own]
    rows = []
    for point in sorted(points, key=lambda each: each.threshold):
        avoided = point.avoided
        per_100 = f"{100 * avoided.value:.1f} ({100 * avoided.low:.1f} to {100 * avoided.high:.1f})"
        mark = " (frozen)" if point is own else ""
        cells = [str(point.model), str(point.treat_all), per_100]
        rows.append((f"act from {point.threshold:.3g}{mark}", cells))
    better = _ranges(helps(study.curve, surely=False))
    surely = _ranges(helps(study.curve, surely=True))
    return Section(
        f"Would it help? Net benefit per image, for a share of positives of {share:.3g}",
        ["by the model", "acting on all", "needless acts avoided per 100"],
        rows,
        [
            "better than acting on every image and than acting on none: "
            + (f"from {better}" if better else "at no threshold"),
            "the same with the whole interval: "
            + (f"from {surely}" if surely else "at no threshold, so no use is shown"),
            _of_prevalence(study.prevalence),
        ],
    )


def _of_prevalence(prevalence: float) -> str:
    """Which figures are for the share of positives of the set."""
    if prevalence:
        return "PPV, NPV and calibration are for the share of positives of this set"
    return (
        "PPV, NPV, calibration and net benefit are for the share of positives of this set; "
        "--prevalence gives PPV, NPV and net benefit for another"
    )


def needing(study: Study, width: float) -> Section:
    """How many patients an interval of a width needs."""
    rows = []
    for name, need in study.needs(width):
        cells = [f"{need.groups:,}", f"{need.images:,}", f"{need.design_effect:.2f}"]
        rows.append((named(name), cells))
    return Section(
        f"How many would an interval {width:g} wide need?",
        ["groups (patients)", "images", "design effect"],
        rows,
        [
            f"for {len(study) / study.group_count:.3g} images of a group and a share of positives "
            f"of {study.labels.mean():.3g}, as here; AUROC by Riley et al. 2021, sensitivity by "
            "Buderer 1996, times the design effect"
        ],
    )


def _rows(figures: list[Measured], part: str) -> list[tuple[str, list[str]]]:
    """The rows of one part of external.csv."""
    return [(named(each.name), [str(each.estimate)]) for each in figures if each.part == part]


def _ranges(ranges: list[tuple[float, float]]) -> str:
    return ", ".join(
        f"{low:.2f} to {high:.2f}" if low < high else f"{low:.2f}" for low, high in ranges
    )


def named(name: str) -> str:
    """A figure as readers see it."""
    first, *rest = name.split("_")
    return " ".join([first.upper() if first in SHORT else first, *rest])
