"""The words of report.external: what is printed, and kept in external.txt."""

from collections.abc import Iterator
from pathlib import Path

from metrics.estimate import Estimate
from report.external_study import SHOWN, Study, helps
from report.external_table import Measured
from report.looks import Look
from vit.facts import Facts

SHORT = ("auroc", "ppv", "npv")  # names that are written in capitals
PARTS = ("calibration", "unlike")  # of external.csv, that are listed as they are
MARKS = ("auroc", "sensitivity", "specificity")  # by which a set is known as the validation
SAME = 1e-4  # difference of a figure that is rounding
FEW_GROUPS = 100  # of a class, below which calibration and net benefit are uncertain
SHOWN_THRESHOLDS = (0.1, 0.2, 0.3, 0.5, 0.7)  # of the decision curve; the table has all


def frozen(facts: Facts, path: Path, sha256: str) -> str:
    """What is frozen."""
    return (
        f"model: {path}, sha256 {sha256}; frozen: its weights, threshold {facts.threshold:.4g}, "
        f"temperature {facts.temperature:.4g}, prediction sets"
    )


def of_set(study: Study, path: str, look: Look) -> list[str]:
    """Which images the figures are of, and how sure that can make."""
    positive = study.names[1]
    lines = [
        f"set: {path}, {len(study)} of {len(look.images)} images count, {study.labels.sum()} "
        f"{positive}, {study.group_count} groups; sha256 of all {look.set_sha256}"
    ]
    if not study.grouped:
        lines.append(
            "no manifest names groups or patients: each image counts as a patient of its own. If "
            "some share a patient, all intervals are too narrow; python -m data.prepare ties them"
        )
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
    if is_validation(study, internal):
        lines.append(
            "ALARM: AUROC, sensitivity and specificity are those of validation, to the digit: are "
            "these the images that chose the epoch and the threshold? The file does not say"
        )
    return lines


def is_validation(study: Study, internal: dict[str, Estimate]) -> bool:
    """Whether figures, not all of them 0 or 1, equal those of validation."""
    pairs = [(study.estimates[name], internal[name]) for name in MARKS if name in internal]
    same = len(pairs) == len(MARKS) and all(
        abs(one.value - other.value) < SAME for one, other in pairs
    )
    return same and any(0 < one.value < 1 for one, _ in pairs)


def body(study: Study, figures: list[Measured], width: float) -> list[str]:
    """All sections of figures."""
    of = {part: [each for each in figures if each.part == part] for part in PARTS}
    return [
        *travels(figures),
        *listed("Are its probabilities right?", of["calibration"]),
        *listed(
            "Are the images like those of training? Of like ones 0.05 would not be", of["unlike"]
        ),
        *of_alike(study),
        *helping(study),
        *needing(study, width),
    ]


def travels(figures: list[Measured]) -> list[str]:
    """The figures of the set beside the internal ones, and the change."""
    by_part: dict[str, dict[str, Estimate]] = {"external": {}, "internal": {}, "change": {}}
    for figure in figures:
        if figure.part in by_part:
            by_part[figure.part][figure.name] = figure.estimate
    has_change = bool(by_part["change"])
    heads = ["external", "internal", "change"] if has_change else ["external"]
    lines = ["", "Does it travel?", _row("", heads)]
    for name in by_part["external"]:
        cells = [by_part[head].get(name) for head in heads]
        lines.append(_row(_named(name), ["" if each is None else str(each) for each in cells]))
    return lines


def listed(title: str, figures: list[Measured]) -> list[str]:
    """A heading, and a line for each figure; nothing where there is none."""
    if not figures:
        return []
    return ["", title, *(_row(_named(each.name), [str(each.estimate)]) for each in figures)]


def of_alike(study: Study) -> list[str]:
    """The figures without images that are unlike those of training."""
    if study.unlike is None:
        return ["", "the file of the model cannot tell whether images are unlike those of training"]
    count = int(study.unlike.sum())
    if not count:
        return ["no image is unlike those of training (distance above 1)"]
    if study.alike is None:
        return [f"without the {count} that are unlike: too few images of a class for figures"]
    named = [(name, study.alike.estimates[name]) for name in SHOWN]
    return [
        f"without the {count} that are unlike, {len(study.alike)} images:",
        *(_row(_named(name), [str(each)]) for name, each in named),
    ]


def helping(study: Study) -> list[str]:
    """Net benefit at some thresholds, and where the model is of use."""
    share = study.prevalence or float(study.labels.mean())
    lines = [
        "",
        f"Would it help? Net benefit per image, for a share of positives of {share:.3g}",
        _row("act from", ["by the model", "on all", "avoided per 100"]),
    ]
    points = [each for each in study.curve if each.threshold in SHOWN_THRESHOLDS]
    own = study.at_threshold()
    points += [] if own is None else [own]
    for point in sorted(points, key=lambda each: each.threshold):
        avoided = point.avoided
        per_100 = f"{100 * avoided.value:.1f} ({100 * avoided.low:.1f} to {100 * avoided.high:.1f})"
        mark = " (frozen)" if point is own else ""
        cells = [str(point.model), str(point.treat_all), per_100]
        lines.append(_row(f"{point.threshold:.3g}{mark}", cells))
    better = _ranges(helps(study.curve, surely=False))
    surely = _ranges(helps(study.curve, surely=True))
    lines.append(
        "better than acting on every image and than acting on none: "
        + (f"from {better}" if better else "at no threshold")
    )
    lines.append(
        "the same with the whole interval: "
        + (f"from {surely}" if surely else "at no threshold, so no use is shown")
    )
    of_set = (
        "PPV, NPV and calibration" if study.prevalence else "PPV, NPV, calibration and net benefit"
    )
    hint = "" if study.prevalence else "; --prevalence gives PPV, NPV and net benefit for another"
    return [*lines, f"{of_set} are for the share of positives of this set{hint}"]


def needing(study: Study, width: float) -> Iterator[str]:
    """How many patients an interval of a width needs."""
    yield ""
    yield f"How many would an interval {width:g} wide need?"
    for name, need in study.needs(width):
        yield _row(
            _named(name),
            [
                f"{need.groups:,} groups, {need.images:,} images; design effect "
                f"{need.design_effect:.2f}, share of positives {study.labels.mean():.3g}"
            ],
        )
    yield "method: AUROC Riley et al. 2021, sensitivity Buderer 1996, times the design effect"


def _ranges(ranges: list[tuple[float, float]]) -> str:
    return ", ".join(
        f"{low:.2f} to {high:.2f}" if low < high else f"{low:.2f}" for low, high in ranges
    )


def _named(name: str) -> str:
    first, *rest = name.split("_")
    return " ".join([first.upper() if first in SHORT else first, *rest])


def _row(name: str, cells: list[str]) -> str:
    return f"{name:<26}" + "".join(f"{cell:<27}" for cell in cells).rstrip()
