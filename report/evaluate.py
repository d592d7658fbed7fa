"""Estimates with 95 % confidence intervals from predictions.csv, on the terminal:
python -m report.evaluate --predictions predictions.csv --manifest FOLDER/manifest.csv
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import errors
from data.inputs import class_of
from errors import UserError
from metrics.comparison import compare
from metrics.intervals import evaluate, judged
from metrics.levels import Rows, levels, subgroups
from report.predicted import PREFIX, read_manifest, read_predictions

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


def with_manifest(rows: Rows, manifest: Path) -> Rows:
    """The rows whose image the manifest.csv lists, with its columns.

    An image is found by the last three parts of its path.

    Raises:
        UserError: the label of an image is another class than its truth. A label that is no class
            is passed over: the column may hold something else.
    """
    listed = read_manifest(manifest)
    if not rows:
        return []
    found = [(listed.get("/".join(row["path"].split("/")[-3:])), row) for row in rows]
    names = [name.removeprefix(PREFIX) for name in rows[0] if name.startswith(PREFIX)]
    other = []
    for own, row in found:
        label = _label_in(own or {})
        if class_of(label, names) not in ("", row["truth"]):
            other.append((row["path"], label, row["truth"]))
    if other:
        path, label, truth = other[0]
        raise UserError(
            f"{manifest}: got another label than the truth of the predictions for {len(other)} "
            f"images, as {label!r}, not {truth!r}, for {path}; mend the label, or predict again"
        )
    return [own | row for own, row in found if own]


def _label_in(own: dict[str, str]) -> str:
    """The label in a row of a manifest, however its column is spelt."""
    return next((cell for name, cell in own.items() if name.strip().lower() == "label"), "")


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
    return parser.parse_args(argv)


def images_of(arguments: argparse.Namespace) -> Images:
    """The images that the command line names; a line says how many.

    Raises:
        UserError: files that do not fit.
    """
    everyone, names = read_predictions(arguments.predictions)
    positive = names[1]
    rows = with_manifest(everyone, arguments.manifest) if arguments.manifest else everyone
    if not rows:
        raise UserError(f"{arguments.predictions}: no image of known truth that --manifest lists")
    if arguments.column and arguments.column not in rows[0]:
        raise UserError(
            f"--column: got {arguments.column}, wanted a column of --manifest: {', '.join(rows[0])}"
        )
    labels, scores, groups = judged(rows, positive)
    threshold = arguments.threshold
    if threshold is not None and not 0 <= threshold <= 1:
        raise UserError(f"--threshold: got {threshold}, wanted a probability from 0 to 1")
    if threshold is None:  # the one that was used; 0.5 where that fits
        called = np.array([row["predicted"] == positive for row in rows])
        fits = ((scores >= 0.5) == called).all()
        threshold = 0.5 if fits else float(scores[called].min(initial=1))
    grouped = "each image its own group"
    if "group" in rows[0]:
        source = "manifest" if arguments.manifest else "predictions"
        grouped = f"{len(set(groups))} groups of the {source}"
    errors.say(
        f"{len(rows)} of {len(everyone)} images, {labels.sum()} {positive}; {grouped}; "
        f"positive from {threshold:.4g} on"
    )
    return Images(rows, names, labels, scores, groups, threshold)


def print_comparison(images: Images, arguments: argparse.Namespace) -> None:
    """Print how much better another model is on the same images."""
    others, names = read_predictions(arguments.versus)
    if names != images.names:
        raise UserError(
            f"{arguments.versus}: got the classes {' and '.join(names)}, wanted "
            f"{' and '.join(images.names)}, as in {arguments.predictions}"
        )
    rows = {row["path"]: row for row in others}
    paths = [row["path"] for row in images.rows]
    if not set(paths) <= rows.keys():
        raise UserError(f"{arguments.versus}: wanted images and classes of {arguments.predictions}")
    other = [row["path"] for row in images.rows if rows[row["path"]]["truth"] != row["truth"]]
    if other:
        raise UserError(
            f"{arguments.versus}: got another truth than {arguments.predictions} for "
            f"{len(other)} images, as {other[0]}; wanted the same"
        )
    scores = {path: float(row[f"{PREFIX}{images.positive}"]) for path, row in rows.items()}
    change, p = compare(
        images.labels, images.scores, [scores[path] for path in paths], images.groups
    )
    errors.say(
        f"\nAUROC of {arguments.versus} minus that of {arguments.predictions}: {change}, "
        f"p = {p:.3g} (DeLong)"
    )


def print_subgroups(images: Images, column: str) -> None:
    """Print the estimates of each value of a column."""
    for part in subgroups(images.rows, images.positive, column, images.threshold):
        count = f"{part.positives} {images.positive} against {part.negatives}"
        errors.say(f"{part.value}: {count}, AUROC {part.auroc}, sensitivity {part.sensitivity}")


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
