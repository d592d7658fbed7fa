"""Does a model travel, would it help: a frozen model on labelled images of another hospital.
python -m report.external --Path OTHER_HOSPITAL --Path_Checkpoint ViT.ckpt --OUTPUT external

Weights, threshold, temperature and prediction sets stay as the file has them. Every figure has its
95 % interval, drawn by groups (patients) as the manifest knows them.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import errors
from data.read_lock import reading
from data.tables import write_table
from errors import UserError
from files import refuse_other_kinds, written_whole
from locks import held_beside

if TYPE_CHECKING:
    from report.external_study import Study
    from vit.facts import Facts
    from vit.predictions import Prediction

TABLE, CURVE, PAGE, TEXT = "external.csv", "decision_curve.csv", "external.html", "external.txt"
PREDICTIONS = "predictions.csv"
OF_GROUPS = "labels are of groups of images, such as patients: each image below is such a group"
FILES = (PAGE, TEXT, TABLE, CURVE, PREDICTIONS, "looks.json")


def parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "python -m report.external", description=__doc__, allow_abbrev=False
    )
    parser.add_argument(
        "--Path", "--path", "-p", required=True, help="labelled images: a folder, or a glob"
    )
    parser.add_argument(
        "--Path_Checkpoint",
        "--path_checkpoint",
        "-k",
        type=Path,
        default=Path("ViT.ckpt"),
        help="ViT.ckpt, or a graph of python -m vit.export",
    )
    parser.add_argument(
        "--OUTPUT",
        "--output",
        "-o",
        type=Path,
        default=Path("external"),
        help=f"folder for {', '.join(FILES)} (default external)",
    )
    parser.add_argument(
        "--prevalence",
        type=float,
        default=0,
        help="share of positives where the model is to be used, for predictive values and net "
        "benefit there (default: that of the images)",
    )
    parser.add_argument(
        "--width",
        type=float,
        default=0.1,
        help="of an interval, for the number of patients that it needs (default %(default)s)",
    )
    parser.add_argument(
        "--device", "-d", default="auto", choices=("auto", "cpu", "gpu", "cuda", "mps")
    )
    arguments = parser.parse_args(argv)
    if not 0 < arguments.width < 1:
        parser.error(f"--width: got {arguments.width}, wanted more than 0 and less than 1")
    if not 0 <= arguments.prevalence < 1:
        parser.error(f"--prevalence: got {arguments.prevalence}, wanted a share from 0 to 1")
    return arguments


def report(arguments: argparse.Namespace) -> None:
    """Predict, then print and write all figures.

    Raises:
        UserError: files that do not fit, or images that no figure can be made of.
    """
    import vit
    from report import external_images, external_text, looks
    from report.answering import answered, inputs_of
    from report.external_study import Study

    output, path = arguments.OUTPUT, arguments.Path_Checkpoint
    check_output(output, Path(arguments.Path))
    facts = (predictor := vit.load(path, arguments.device)).facts
    external_images.check_classes(facts, path)
    record = looks.Record(output, path)
    record.read()  # what is wrong with it is said before any work
    inputs = inputs_of(arguments.Path, predictor)
    external_images.check_truths(inputs, facts)
    of_own_folder = external_images.own_folder_lines(inputs, facts)
    predictions = answered(predictor, inputs).judged
    chosen = external_images.choose(predictions, facts)
    study = Study.of(chosen.items, facts, arguments.prevalence)
    look = looks.Look.of(inputs, facts.preprocessing, looks.sha256_of(path))
    with held_beside(output / PAGE):
        former = record.add(look)  # before any figure is seen
        about = [
            external_text.frozen(facts, path, look.checkpoint_sha256),
            *external_text.of_set(study, Path(arguments.Path).absolute(), look),
            *([OF_GROUPS] if predictor.of_groups else []),
            *looks.told(former, look),
            *of_own_folder,
            *chosen.lines,
            *external_text.alarms(study, facts.provenance.estimates),
            *external_images.group_lines([each.item for each in chosen.items]),
            external_images.unchecked_line(facts),
            external_text.of_internal(facts, path),
        ]
        predictions.write(output / PREDICTIONS)
        write(chosen.items, study, facts, about, arguments)
    errors.say(f"wrote {', '.join(FILES)} into {output}")


def write(
    items: "Sequence[Prediction]",
    study: "Study",
    facts: "Facts",
    about: list[str],
    arguments: argparse.Namespace,
) -> None:
    """Write the report, its tables and its page; then print it.

    Args:
        items: the images that count.
        study: these, and what was predicted.
        facts: of the model.
        about: lines that stand above all figures.
        arguments: of the command line.
    """
    from report import external_page, external_text
    from report.external_table import curve_rows, measured

    output = arguments.OUTPUT
    figures = measured(study, facts.provenance.estimates, arguments.width)
    sections = external_text.sections(study, figures, arguments.width)
    lines = [*about, *(line for section in sections for line in section.as_text())]
    with written_whole(output / TEXT, keep_former=True) as beside:
        beside.write_text(errors.printable("\n".join(lines)) + "\n", encoding="utf-8")
    write_table(output / TABLE, [each.row() for each in figures], keep_former=True)
    write_table(output / CURVE, curve_rows(study.curve), keep_former=True)
    mistakes = external_page.surest_mistakes(items, facts.preprocessing)
    external_page.write(output / PAGE, study, about, sections, mistakes)
    errors.say("\n".join(lines))


def check_output(output: Path, images: Path) -> None:
    """Raise UserError unless the files can be written, and are no images of the next run."""
    if output.is_file():
        raise UserError(f"--OUTPUT: {output} is a file, wanted a folder")
    if images.is_dir() and output.resolve().is_relative_to(images.resolve()):
        raise UserError(
            f"--OUTPUT: {output} lies in the folder of the images, which stays as it is; name a "
            "folder outside of it"
        )
    refuse_other_kinds(*(output / name for name in FILES))


def main(argv: list[str]) -> None:
    """Print and write the report; a user's mistake ends in one line."""
    arguments = parse(argv)
    disk = "--OUTPUT is a folder where you may write"
    with errors.ending_in_one_line(disk=disk), reading(arguments.Path):
        report(arguments)


if __name__ == "__main__":
    errors.run(main, quiet_pipe=True)
