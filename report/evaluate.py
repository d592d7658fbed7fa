"""Estimates with 95 % confidence intervals from predictions.csv, on the terminal:
python -m report.evaluate --predictions predictions.csv --manifest FOLDER/manifest.csv
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

from numpy.typing import NDArray

import errors
from errors import UserError
from metrics.comparison import compare
from metrics.intervals import evaluate, judged
from metrics.levels import Rows, levels, subgroups, values_of
from report.found import print_findings
from report.graded import print_grades
from report.matching import note_training, same_images, with_manifest
from report.predicted import (
    PREFIX,
    count_of_classes,
    holds_findings,
    read_predictions,
    threshold_of,
)

FIRST = ("auroc", "sensitivity", "specificity")  # what is printed of vessels and patients


@dataclass(frozen=True)
class Images:
    """Predicted images of known truth.

    Args:
        rows: of predictions.csv, with the columns of the manifest where one is given.
        names: of the two classes; the probability of the last, the positive one, is followed.
        labels: (n,) bool, whether the truth is positive.
        scores: (n,) probability of the positive class.
        groups: (n,) name of the group with which an image is drawn.
        threshold: from which on an image counts as positive.
    """

    rows: Rows
    names: list[str]
    labels: NDArray
    scores: NDArray
    groups: NDArray
    threshold: float

    @property
    def positive(self) -> str:
        """The positive class."""
        return self.names[1]


def parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m report.evaluate", description=__doc__, allow_abbrev=False
    )
    parser.add_argument("--predictions", type=Path, default=Path("predictions.csv"))
    parser.add_argument(
        "--manifest",
        type=Path,
        help="manifest.csv of the images: its groups are drawn, its vessels and patients have "
        "figures of their own",
    )
    parser.add_argument(
        "--column",
        help="manifest column, for figures of each of its values; several are joined by ;",
    )
    parser.add_argument(
        "--prevalence",
        type=float,
        default=0,
        help="share of positives where the model is to be used",
    )
    parser.add_argument(
        "--threshold", type=float, help="default: the one that the predicted column shows"
    )
    parser.add_argument(
        "--versus", type=Path, help="predictions of the same images by another model"
    )
    parser.add_argument(
        "--order",
        nargs="+",
        metavar="GRADE",
        help="of more than two classes: the grades, the lowest first (default: as names tell)",
    )
    parser.add_argument(
        "--findings",
        action="store_true",
        help="an image may have several of the classes, or none (default: as truths and "
        "predictions show)",
    )
    return parser.parse_args(argv)


def images_of(arguments: argparse.Namespace) -> Images:
    """The images that the command line names; a line says how many.

    Raises:
        UserError: files that do not fit.
    """
    table, manifest = arguments.predictions, arguments.manifest
    everyone, names = read_predictions(table)
    known = [row for row in everyone if row["truth"]]
    if manifest and "decided_by" in everyone[0]:
        raise UserError(
            f"--manifest: {manifest} is of images, but {table} is of groups; leave it out"
        )
    rows = with_manifest(known, names, manifest) if manifest else known
    if not rows:
        raise UserError(f"{table}: no image of known truth; wanted truth, the name of a class")
    if arguments.column and arguments.column not in rows[0]:
        raise UserError(
            f"--column: got {arguments.column}, wanted a column of --manifest: {', '.join(rows[0])}"
        )
    labels, scores, groups = judged(rows, names[1])
    threshold = arguments.threshold
    if threshold is not None and not 0 <= threshold <= 1:
        raise UserError(f"--threshold: got {threshold}, wanted a probability from 0 to 1")
    source_of_threshold = "--threshold"
    if threshold is None:
        threshold = threshold_of(everyone, names, table)
        source_of_threshold = "inferred from the column predicted"
    unit = "groups" if "decided_by" in rows[0] else "images"
    grouped = "each image its own group" if unit == "images" else "each drawn by itself"
    if "group" in rows[0]:
        source = "manifest" if manifest else "predictions"
        grouped = f"{len(set(groups))} groups of the {source}"
    listed = {row["path"] for row in rows}
    left_out = {
        "without truth": [row["path"] for row in everyone if not row["truth"]],
        f"not in {manifest}": [row["path"] for row in known if row["path"] not in listed],
    }
    parts = [
        f"{len(rows)} of {len(everyone)} {unit}, {labels.sum()} {names[1]}",
        grouped,
        f"positive from {threshold:.4g} on ({source_of_threshold})",
        *(f"{len(paths)} {why}, such as {paths[0]}" for why, paths in left_out.items() if paths),
    ]
    errors.say("; ".join(parts))
    note_training(rows, table)
    return Images(rows, names, labels, scores, groups, threshold)


def print_comparison(images: Images, arguments: argparse.Namespace) -> None:
    """Print how much better another model is on the same images."""
    others, names = read_predictions(arguments.versus)
    if names != images.names:
        raise UserError(
            f"{arguments.versus}: got the classes {' and '.join(names)}, wanted "
            f"{' and '.join(images.names)}, as in {arguments.predictions}"
        )
    rows = same_images(images.rows, others, arguments.versus, arguments.predictions)
    note_training(rows, arguments.versus)
    scores = [float(row[f"{PREFIX}{images.positive}"]) for row in rows]
    change, p = compare(images.labels, images.scores, scores, images.groups)
    errors.say(
        f"\nAUROC of {arguments.versus} minus that of {arguments.predictions}: {change}, "
        f"p = {p:.3g} (DeLong)"
    )


def print_subgroups(images: Images, column: str) -> None:
    """Print the estimates of each value of a column; its counts, where it has none."""
    figures = {}
    for part in subgroups(images.rows, images.positive, column, images.threshold):
        count = f"{part.positives} {images.positive} against {part.negatives}"
        figures[part.value] = f"{count}, AUROC {part.auroc}, sensitivity {part.sensitivity}"
    held = [values_of(row, column) for row in images.rows]
    for value in sorted(set().union(*held)):
        negatives = sum(value in values for values in held)  # where no image of it is positive
        nothing = f"0 {images.positive} against {negatives}, no figures"
        errors.say(f"{value}: {figures.get(value, nothing)}")
    blank = [not values for values in held]
    if any(blank):
        positives = images.labels[blank].sum()
        errors.say(f"no value in {column}: {sum(blank)} images, {positives} {images.positive}")


def print_levels(images: Images) -> None:
    """Print the estimates of vessels and of patients."""
    for level in levels(images.rows, images.positive)[1:]:
        counts = f"{level.count} {level.name}s, {level.labels.sum()} {images.positive}"
        errors.say(f"\n{counts}: {level.rule}")
        estimates = level.estimates(images.threshold)
        lines = [f"{name:<20}{estimates[name]}" for name in FIRST if estimates]
        errors.say("\n".join(lines or ["no figures: all are of one class"]))


def print_tables(arguments: argparse.Namespace) -> None:
    """Print all that the command line asks for. ValueError: files or numbers that do not fit."""
    if arguments.findings or holds_findings(arguments.predictions):
        print_findings(arguments)
        return
    if count_of_classes(arguments.predictions) > 2:
        print_grades(arguments)
        return
    if arguments.order:
        raise UserError("--order: is of three grades or more; leave it out")
    images = images_of(arguments)
    estimates = evaluate(
        images.labels, images.scores, images.groups, images.threshold, arguments.prevalence
    )
    for name, estimate in estimates.items():
        errors.say(f"{name.replace('_', ' '):<20}{estimate}")
    if arguments.versus:
        print_comparison(images, arguments)
    if arguments.column:
        print_subgroups(images, arguments.column)
    print_levels(images)


def main(argv: list[str]) -> None:
    """Print the tables that the command line asks for; a user's mistake ends in one line."""
    arguments = parse(argv)
    with errors.ending_in_one_line():
        try:
            print_tables(arguments)
        except ValueError as error:  # of metrics too, which knows no command line
            raise UserError(str(error)) from None


if __name__ == "__main__":
    errors.run(main, quiet_pipe=True)
