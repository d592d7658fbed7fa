"""Turn folders of raw images into a ProcessedFolder: python -m data.prepare --Path RAW --OUTPUT
ProcessedFolder
"""

import argparse
import hashlib
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import CONFIG
from data import contact_sheet, duplicates, processed, sources, splits
from data.geometry import Placement, format_boxes, read_mask
from data.processed import Sample
from data.readers import DataError, about_dicom, read_grey
from files import end_ctrl_c_in_one_line, folder_written_whole
from metrics.groups import join

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
)


@dataclass(frozen=True)
class Prepared:
    """One image as it will be stored; ``sample`` holds boxes and spacing in its pixels, but the
    path of its source.
    """

    sample: Sample
    image: NDArray
    mask: NDArray | None
    patient: str
    descriptor: NDArray


Work = Callable[[Sample], Prepared | str]


def prepare(
    root: Path,
    output: Path,
    config: CONFIG.Config,
    group: str | None = None,
    positive: str | None = None,
    skip_damaged: bool = False,
    drop_leaks: bool = False,
    resplit: bool = False,
) -> processed.Processed:
    """Write a ProcessedFolder at ``output``; an older one there is kept under a dated name.

    Raises:
        DataError: every fault found, a line each; nothing is left at ``output`` then.
    """
    _refuse_foreign(output)
    notes: list[str] = []
    folder, found, plain = sources.find(root, group, notes)
    names = processed.order_classes({sample.label for sample in found}, positive)
    if positive is None and not {name.lower() for name in names} & {
        *processed.NORMAL_NAMES,
        *processed.POSITIVE_NAMES,
    }:
        notes.append(
            f"no class has a known name, so {names[-1]} is taken as positive; --positive names another"
        )
    border = config.border if plain else 0.0
    if resplit:
        found = [replace(sample, split="") for sample in found]
    brings_split = bool(found[0].split)
    images = _read_all(
        partial(_prepare_one, folder=folder, config=config, border=border),
        found,
        skip_damaged,
        notes,
    )

    pairs = duplicates.near_duplicates(np.stack([image.descriptor for image in images]))
    named = (
        len({image.patient for image in images}) > 1
    )  # a set that was made anonymous has one name for all
    keys = [
        (image.sample.group, image.patient if named else "", image.sample.sha256)
        for image in images
    ]
    groups = join(keys, pairs)
    notes.append(f"{len(pairs)} pairs of images are identical or nearly so")
    labels = np.array([image.sample.label for image in images])
    sides = _split(np.array([image.sample.split for image in images]), labels, groups, config)
    leaks = _leaks(sides, groups)
    if leaks.any():
        notes.append(
            f"the split that the data brings puts {len(set(groups[leaks]))} groups of images that belong "
            "together on two sides; --drop_leaks leaves their images out of train, or out of val where the "
            "other side is test"
        )
    if drop_leaks:
        notes.append(f"left out {leaks.sum()} images that belong with images of val or test")
        images = [image for image, leak in zip(images, leaks, strict=True) if not leak]
        labels = labels[~leaks]
        groups = groups[~leaks]
        sides = sides[~leaks]

    folds = _folds(labels, groups, sides, config, notes)
    train = [image.image for image, side in zip(images, sides, strict=True) if side == "train"]
    mean, std = processed.statistics(train)
    info: dict[str, Any] = {
        "format": 1,
        "class_names": names,
        "image_size": config.image_size,
        "mean": mean,
        "std": std,
        "border": border,
        "stretch": config.stretch,
        "window": config.window,
        "frame": config.frame,
        "split": "as the data brought it"
        if brings_split
        else f"by data.prepare, grouped, seed {config.seed}",
        "notes": notes,
    }
    with folder_written_whole(output) as made:
        processed.write(made, _store(made, images, sides, groups, folds), info)
        result = processed.load(made)
        contact_sheet.of(result, made / "contact_sheet.png", config.seed)
        if output.exists():
            date = time.strftime("%Y-%m-%d_%H-%M-%S", time.localtime(output.stat().st_mtime))
            kept = output.with_name(f"{output.name}_{date}")
            output.rename(kept)
            notes.append(f"kept the former {output.name} as {kept.name}")
    return replace(result, folder=output, info=info)


def _refuse_foreign(output: Path) -> None:
    if output.exists() and not output.is_dir():
        raise DataError(f"{output}: is a file; --OUTPUT names the folder to make")
    if output.is_dir() and any(output.iterdir()) and not (output / "dataset.json").exists():
        raise DataError(
            f"{output}: is not empty and was not made by data.prepare; name another folder"
        )


def _read_all(
    work: Work, found: list[Sample], skip_damaged: bool, notes: list[str]
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


def _prepare_one(
    sample: Sample, folder: Path, config: CONFIG.Config, border: float
) -> Prepared | str:
    """The prepared image, or the fault as one line."""
    path = folder / sample.path
    try:
        image = read_grey(path, config.window, config.frame)
        patient, spacing = about_dicom(path)
        place = Placement(image.shape[0], image.shape[1], config.image_size, border, config.stretch)
        mask = place.mask(read_mask(folder / sample.mask, image.shape)) if sample.mask else None
        spacing = place.spacing(sample.pixel_spacing_mm or spacing)
    except ValueError as error:
        return str(error)
    digest = hashlib.sha256(image.tobytes()).hexdigest()
    pixels = place.image(image)
    stored = pixels if pixels.dtype == np.uint8 else np.clip(pixels, 0, 1).astype(np.float16)
    boxes = format_boxes(place.boxes(sample.boxes))
    sample = replace(sample, sha256=digest, pixel_spacing_mm=spacing, lesion_boxes_xyxy=boxes)
    return Prepared(sample, stored, mask, patient, duplicates.describe(pixels.astype(np.float32)))


def _split(given: NDArray, labels: NDArray, groups: NDArray, config: CONFIG.Config) -> NDArray:
    """train, val or test for each image: as the data brings it, with what it lacks cut from train
    by group.
    """
    sides = np.where(given == "", "train", given)
    wanted = (
        {"val": config.val_share}
        if given[0]
        else {"test": config.test_share, "val": config.val_share}
    )
    rest = 1.0
    for side, share in wanted.items():
        if share and side not in sides:
            pool = np.flatnonzero(sides == "train")
            chosen = splits.grouped_split(labels[pool], groups[pool], share / rest, config.seed)
            sides[pool[chosen]] = side
            rest -= share
    return sides


def _leaks(sides: NDArray, groups: NDArray) -> NDArray:
    """Whether an image belongs with others that are nearer to the test, on a later side of train,
    val, test.
    """
    ranks = np.array([processed.SPLITS.index(side) for side in sides])
    nearest = np.zeros(groups.max() + 1, int)
    np.maximum.at(nearest, groups, ranks)
    return ranks < nearest[groups]


def _folds(
    labels: NDArray, groups: NDArray, sides: NDArray, config: CONFIG.Config, notes: list[str]
) -> list[str]:
    """The fold of each image that is not for testing; none where there are too few groups."""
    numbers = np.full(len(labels), -1)
    pool = sides != "test"
    try:
        numbers[pool] = splits.folds(labels[pool], groups[pool], config.folds, config.seed)
    except DataError as error:
        notes.append(f"no folds for cross-validation: {error}")
    return [str(number) if number >= 0 else "" for number in numbers]


def _store(
    folder: Path, images: list[Prepared], sides: NDArray, groups: NDArray, folds: list[str]
) -> list[Sample]:
    samples = []
    taken = set()
    for item, side, group, fold in zip(images, sides.tolist(), groups, folds, strict=True):
        source = Path(item.sample.path)
        label = item.sample.label
        path = f"{side}/{label}/{source.stem}.npy"
        if path in taken:
            path = f"{side}/{label}/{'__'.join(source.with_suffix('').parts)}{source.suffix}.npy"
        taken.add(path)
        mask = f"masks/{path}" if item.mask is not None else ""
        for name, pixels in ((path, item.image), (mask, item.mask)):
            if pixels is not None:
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                np.save(folder / name, pixels)
        about = {"path": path, "split": side, "group": f"g{group:05d}", "fold": fold, "mask": mask}
        samples.append(replace(item.sample, source=item.sample.path, **about))
    return samples


def summary(result: processed.Processed) -> str:
    """A table of images and groups by split and class."""
    lines = [f"{'split':<8}{'class':<16}{'images':>8}{'groups':>8}"]
    for split in processed.SPLITS:
        for name in result.class_names if result.of(split) else []:
            samples = [sample for sample in result.of(split) if sample.label == name]
            lines.append(
                f"{split:<8}{name:<16}{len(samples):>8}{len({sample.group for sample in samples}):>8}"
            )
    sizes = Counter(Counter(sample.group for sample in result.samples).values())
    lines.append(
        "group sizes: " + ", ".join(f"{count} of {size}" for size, count in sorted(sizes.items()))
    )
    return "\n".join(lines + [f"note: {note}" for note in result.info["notes"]])


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m data.prepare", description=__doc__, allow_abbrev=False
    )
    about = "folder of class folders, of split folders, or with a manifest.csv"
    parser.add_argument("--Path", "--path", "-p", type=Path, required=True, help=about)
    parser.add_argument(
        "--OUTPUT", "--output", "-o", type=Path, required=True, help="the ProcessedFolder to make"
    )
    about = "configuration (default: config.yml, if there is one)"
    parser.add_argument("--Config", "--config", "-c", type=Path, help=about)
    about = "manifest column, or regular expression over paths, that ties images of one vessel or patient"
    parser.add_argument("--group", help=about)
    about = "name of the positive class; abnormal, diseased, positive and lesion are known"
    parser.add_argument("--positive", help=about)
    about = "leave out images that cannot be read, and list them"
    parser.add_argument("--skip_damaged", action="store_true", help=about)
    about = "leave out training images that belong with images of the val or test split that the data brings"
    parser.add_argument("--drop_leaks", action="store_true", help=about)
    about = "make a new, grouped split instead of the one that the data brings"
    parser.add_argument("--resplit", action="store_true", help=about)
    CONFIG.add_arguments(parser, KEYS)
    arguments = parser.parse_args(argv)
    default = Path("config.yml")
    try:
        config = CONFIG.load(
            arguments.Config or (default if default.exists() else None), CONFIG.overrides(arguments)
        )
        how = (
            arguments.group,
            arguments.positive,
            arguments.skip_damaged,
            arguments.drop_leaks,
            arguments.resplit,
        )
        result = prepare(arguments.Path, arguments.OUTPUT, config, *how)
    except (DataError, CONFIG.ConfigError) as error:
        sys.exit(str(error))
    except OSError as error:
        said = (
            error.strerror or f"not written whole ({error}); is the disk full?"
        )  # numpy gives no errno for that
        sys.exit(f"{error.filename or arguments.OUTPUT}: {said}")
    print(summary(result))
    print(f"wrote {arguments.OUTPUT}; look at {arguments.OUTPUT / 'contact_sheet.png'}")


if __name__ == "__main__":
    end_ctrl_c_in_one_line()
    main()
