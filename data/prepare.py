"""Turn folders of raw images into a ProcessedFolder.

python -m data.prepare --Path RAW --OUTPUT ProcessedFolder
"""

import argparse
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import CONFIG
import errors
from data import boxes, contact_sheet, processed, sources
from data.aspect import note_of_aspects, note_of_narrow
from data.class_notes import notes_of_classes
from data.dataset_info import Info
from data.division import divide, folds_of, only, without_leaks
from data.geometry import Placement
from data.grades import as_given, order_of
from data.group_columns import patient_in
from data.lesion_notes import notes_of_lesions
from data.manifest import manifest_in
from data.multilabel import Findings
from data.patient_numbers import numbered
from data.preparation import Prepared, prepare_one, store
from data.readers import DataError
from data.remarks import notes_of_remarks
from data.run_pictures import samples_of_runs
from data.samples import Sample
from data.scale import check_one_scale, note_of, note_of_windows, white_of
from data.splits import Division
from files import folder_to_make, folder_written_whole, free_dated_name
from locks import held_beside
from metrics.decision import MULTILABEL

KEYS = (
    "image_size",
    "border",
    "stretch",
    "window_centre",
    "window_width",
    "frame",
    "val_share",
    "test_share",
    "folds",
    "seed",
    "task",
)


def prepare(
    root: Path,
    output: Path,
    config: CONFIG.Config,
    group: str | None = None,
    positive: str | None = None,
    skip_damaged: bool = False,
    drop_leaks: bool = False,
    resplit: bool = False,
    order: list[str] | None = None,
    findings: list[str] | None = None,
) -> processed.Processed:
    """Write a ProcessedFolder at ``output``; an older one there is kept under a dated name.

    Args:
        root: the raw images, as ``data.sources.find`` takes them, with ``group``.
        output: the folder to make.
        config: the keys of KEYS are used.
        positive: name of the positive class; None: a known name, else the last one.
        skip_damaged: leave out images that cannot be read.
        drop_leaks: leave out training images that belong with images of another side.
        resplit: make a new split instead of the one that the data brings.
        order: the classes as grades, the lowest first; None: with task: ordinal as their names
            tell, else there is none.
        findings: of which an image may have several; None: with task: multilabel they are missing,
            else a label is one class.

    Raises:
        DataError: every fault found, a line each; nothing is left at ``output`` then.
    """
    _refuse_foreign(output)
    config = config.sized()
    notes: list[str] = []
    several = _findings_of(config, findings, order, positive)
    ordered = several is None and (order is not None or config.task == "ordinal")
    folder, found, plain = sources.find(root, group, notes, several)
    labels = {sample.label for sample in found}
    if several:
        config = replace(config, task=MULTILABEL)
        names = several.names
    elif ordered:
        names = _in_order(labels, positive, order, notes)
    else:
        names = processed.order_classes(labels, positive)
        notes += notes_of_classes(names, positive)
    if not plain:  # only exported class folders have text burned into their borders
        config = replace(config, border=0.0)
    if config.border:
        notes.append(
            f"{config.border:.2%} of height and width is cut from each edge, where exported "
            "pictures have text burned in; --border 0 keeps all"
        )
    if resplit:
        found = _without_split(found, notes)
    if config.frame == "all":
        found = samples_of_runs(found, folder)
    table = manifest_in(root)
    boxes.check_units(found, table)
    work = partial(prepare_one, folder=folder, config=config, table=table)
    images = _read_all(work, found, skip_damaged, notes)
    images, white = _one_scale(work, found, images, notes)
    _note_boxes(images, notes)
    notes += [] if several else notes_of_lesions(images, names[-1])
    aspects = {image.sample.path: image.aspect for image in images}
    notes += note_of_aspects(aspects, config.stretch)
    sizes = {image.sample.path: image.size for image in images}
    notes += note_of_narrow(sizes, partial(_resized, config=config), config.image_size)
    notes += notes_of_remarks({image.sample.path: image.remarks for image in images})
    images = numbered(images, notes)
    division = _divided(images, config, notes)
    if drop_leaks:
        images, division = without_leaks(images, division, notes)
    if "train" not in division.sides:
        notes.append("no image is for training: this is a set for testing alone")
    notes[:] = [note.replace(f"{folder}{os.sep}", "") for note in notes]  # it may be sent on
    info = _info(names, images, division, bool(found[0].split), config, white, notes)
    info["ordered"] = ordered
    info["multilabel"] = several is not None
    return _written(output, images, division, config, info)


def _findings_of(
    config: CONFIG.Config,
    findings: list[str] | None,
    order: list[str] | None,
    positive: str | None,
) -> Findings | None:
    """The findings that the user names; None: a label is one class."""
    if findings is None:
        if config.task == MULTILABEL:
            raise DataError(
                "task: multilabel: got no --findings; name them, as --findings calcified soft stent"
            )
        return None
    for option, given in (("--order", order), ("--positive", positive)):
        if given is not None:
            raise DataError(
                f"{option}: is of classes, got findings; leave out the one or the other"
            )
    if config.task == "ordinal":
        raise DataError("--findings: got task: ordinal, wanted multilabel; leave out --task")
    return Findings.given(findings)


def _in_order(
    labels: set[str], positive: str | None, order: list[str] | None, notes: list[str]
) -> list[str]:
    """The classes as grades, the lowest first; the highest counts as the positive class."""
    names = as_given(labels, order) if order else order_of(labels)
    if positive not in (None, names[-1]):
        raise DataError(
            f"--positive: got {positive}, but of grades the highest is the positive class: "
            f"{names[-1]}; leave out --positive, or give --order"
        )
    notes.append(f"the classes are grades: {' < '.join(names)}")
    return names


def _without_split(found: list[Sample], notes: list[str]) -> list[Sample]:
    """The images for a new split; says what happens to those for testing."""
    tested = sum(sample.split == "test" for sample in found)
    if any(sample.split for sample in found):
        further = f"; its {tested} test images are divided too" if tested else ""
        notes.append(f"the split that the data brings is not used (--resplit){further}")
    return [replace(sample, split="") for sample in found]


def _resized(height: int, width: int, config: CONFIG.Config) -> tuple[int, int]:
    """Width and height of an image in its square."""
    return Placement(height, width, config.image_size, config.border, config.stretch).resized


def _written(
    output: Path, images: list[Prepared], division: Division, config: CONFIG.Config, info: Info
) -> processed.Processed:
    """The folder, made beside ``output`` and moved there when it is whole."""
    folds = folds_of(division, config, info["notes"])
    with folder_written_whole(output) as made:
        samples = store(made, images, division, folds, info["multilabel"])
        processed.write(made, samples, info)
        result = _loaded(made, output, for_training="train" in division.sides)
        contact_sheet.of(result, made / "contact_sheet.png", config.seed)
        _keep_former(output, info["notes"])
    return replace(result, folder=output, info=info)


def _loaded(made: Path, output: Path, for_training: bool) -> processed.Processed:
    """The folder that was just made; its faults name the folder that was asked for."""
    try:
        return processed.load(made, for_training)
    except DataError as error:
        raise DataError(str(error).replace(str(made), str(output))) from None


def _refuse_foreign(output: Path) -> None:
    if output.exists() and not output.is_dir():
        raise DataError(f"{output}: is a file; --OUTPUT names the folder to make")
    if output.is_dir() and any(output.iterdir()) and not (output / "dataset.json").exists():
        raise DataError(
            f"{output}: is not empty and was not made by data.prepare; name another folder"
        )


def _keep_former(output: Path, notes: list[str]) -> None:
    if output.exists():
        kept = free_dated_name(output)
        output.rename(kept)
        notes.append(f"kept the former {output.name} as {kept.name}")


def _read_all(
    work: Callable[[Sample], Prepared | str],
    found: list[Sample],
    skip_damaged: bool,
    notes: list[str],
) -> list[Prepared]:
    results = sources.each(work, found, "preparing")
    faults = [result for result in results if isinstance(result, str)]
    if faults and not skip_damaged:
        advice = "mend or remove them, or leave them out with --skip_damaged"
        raise DataError(
            "\n".join([*faults, f"{len(faults)} of {len(found)} images cannot be used; {advice}"])
        )
    if len(faults) == len(found):
        raise DataError("no usable image is left")
    notes += [f"left out: {fault}" for fault in faults]
    return [result for result in results if isinstance(result, Prepared)]


def _one_scale(
    work: Callable[..., Prepared | str],
    found: list[Sample],
    images: list[Prepared],
    notes: list[str],
) -> tuple[list[Prepared], int | None]:
    """The images with one value of white, and that value; those that had another are read again."""
    check_one_scale({image.sample.path: image.ends for image in images})
    depths = [image.depth for image in images if image.depth]
    white = white_of(depths)
    notes += note_of(depths, len(images))
    notes += note_of_windows({image.sample.path: image.window for image in images})
    sources_of = {sample.path: sample for sample in found}
    others = [
        sources_of[image.sample.path]
        for image in images
        if image.depth and image.depth.white != white
    ]
    again = sources.each(partial(work, white=white), others, "one scale")
    faults = [result for result in again if isinstance(result, str)]
    if faults:
        raise DataError("\n".join(faults))
    mended = {result.sample.path: result for result in again if isinstance(result, Prepared)}
    return [mended.get(image.sample.path, image) for image in images], white


def _divided(images: list[Prepared], config: CONFIG.Config, notes: list[str]) -> Division:
    """The division; where there can be none, what tied the images is said first."""
    try:
        return divide(images, config, notes)
    except DataError:
        for line in notes:
            errors.note(line)
        raise


def _note_boxes(images: list[Prepared], notes: list[str]) -> None:
    given = [(image.sample.path, image.given_boxes) for image in images]
    kept = [len(image.sample.boxes) for image in images]
    notes += boxes.notes_of(given, [image.size for image in images], kept)


def _info(
    names: list[str],
    images: list[Prepared],
    division: Division,
    brings_split: bool,
    config: CONFIG.Config,
    white: int | None,
    notes: list[str],
) -> Info:
    """What dataset.json says."""
    train = only(images, division.sides == "train") or images
    mean, std = processed.statistics([image.image for image in train])
    made_here = f"by data.prepare, grouped, seed {config.seed}"
    return {
        "format": 1,
        "class_names": names,
        "image_size": config.image_size,
        "mean": mean,
        "std": std,
        "border": config.border,
        "stretch": config.stretch,
        "window": config.window,
        "frame": config.frame,
        "full_scale": white,
        "patients_named": all(patient_in(image.sample.group) for image in images),
        "split": "as the data brought it" if brings_split else made_here,
        "notes": notes,
    }


def summary(result: processed.Processed) -> str:
    """A table of images and groups by split and class."""
    lines = [f"{'split':<8}{'class':<16}{'images':>8}{'groups':>8}"]
    for split in processed.SPLITS:
        in_split = result.of(split)
        if not in_split:
            continue
        for name, samples in result.by_class(in_split).items():
            groups = {sample.group for sample in samples}
            lines.append(f"{split:<8}{name:<16}{len(samples):>8}{len(groups):>8}")
    sizes = Counter(Counter(sample.group for sample in result.samples).values())
    counts = ", ".join(f"{count} of {size}" for size, count in sorted(sizes.items()))
    lines.append(f"groups: {counts}")
    return "\n".join(lines + [f"note: {note}" for note in result.info["notes"]])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m data.prepare", description=__doc__, allow_abbrev=False
    )
    parser.add_argument(
        "--Path",
        "--path",
        "-p",
        type=Path,
        required=True,
        help="folder of class folders, of split folders, or with a manifest.csv",
    )
    parser.add_argument(
        "--OUTPUT",
        "--output",
        "-o",
        type=folder_to_make,
        required=True,
        help="the ProcessedFolder to make",
    )
    parser.add_argument(
        "--Config",
        "--config",
        "-c",
        type=Path,
        help="configuration (default: config.yml, if there is one)",
    )
    parser.add_argument(
        "--group",
        help="manifest column, or regular expression over paths, "
        "that ties images of one vessel or patient",
    )
    parser.add_argument(
        "--positive",
        help="name of the positive class; abnormal, diseased, positive and lesion are known",
    )
    parser.add_argument(
        "--skip_damaged",
        action="store_true",
        help="leave out images that cannot be read, and list them",
    )
    parser.add_argument(
        "--drop_leaks",
        action="store_true",
        help="leave out training images that belong with images of the val or test split "
        "that the data brings",
    )
    parser.add_argument(
        "--resplit",
        action="store_true",
        help="make a new, grouped split instead of the one that the data brings",
    )
    parser.add_argument(
        "--order",
        nargs="+",
        metavar="GRADE",
        help="the classes as grades, the lowest first; with --task ordinal alone their names tell",
    )
    parser.add_argument(
        "--findings",
        nargs="+",
        metavar="FINDING",
        help="findings of which an image may have several, as its label names them between ; or "
        "as columns of 0 and 1 do (task: multilabel)",
    )
    CONFIG.add_arguments(parser, KEYS)
    return parser


def main(argv: list[str]) -> None:
    """Prepare a folder and say what it holds."""
    arguments = _parser().parse_args(argv)
    memory = "free memory, or prepare fewer or smaller images"
    with errors.ending_in_one_line(memory), held_beside(arguments.OUTPUT):
        result = prepare(
            arguments.Path,
            arguments.OUTPUT,
            CONFIG.load_usual(arguments.Config, CONFIG.overrides(arguments)),
            group=arguments.group,
            positive=arguments.positive,
            skip_damaged=arguments.skip_damaged,
            drop_leaks=arguments.drop_leaks,
            resplit=arguments.resplit,
            order=arguments.order,
            findings=arguments.findings,
        )
    errors.say(summary(result))
    errors.say(f"wrote {arguments.OUTPUT}; look at {arguments.OUTPUT / 'contact_sheet.png'}")


if __name__ == "__main__":
    errors.run(main)
