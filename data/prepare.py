"""Turn folders of raw images into a ProcessedFolder: python -m data.prepare --Path RAW --OUTPUT ProcessedFolder"""

import argparse
import hashlib
import multiprocessing
import os
import shutil
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

import CONFIG
from data import contact_sheet, duplicates, processed, sources, splits
from data.geometry import Placement, format_boxes, read_mask
from data.readers import DataError, about_dicom, read_grey

KEYS = ("image_size", "border", "stretch", "window_centre", "window_width", "frame",
        "val_share", "test_share", "folds", "seed")  # fmt: skip
FEW = 300  # images for which starting processes takes longer than the work


@dataclass(frozen=True)
class Prepared:
    """One image as it will be stored."""

    image: NDArray
    mask: NDArray | None
    boxes: str
    sha256: str
    patient: str
    spacing: str  # of the stored pixels in mm
    descriptor: NDArray


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
    found = sources.find(root, group, notes)
    names = processed.order_classes({source.label for source in found}, positive)
    if positive is None and not {name.lower() for name in names} & {*processed.NORMAL_NAMES, *processed.POSITIVE_NAMES}:
        notes.append(f"no class has a known name, so {names[-1]} is taken as positive; --positive names another")
    brings_split, brings_manifest = bool(found[0].split), root.suffix == ".csv" or (root / "manifest.csv").is_file()
    border = 0.0 if brings_split or brings_manifest else config.border
    if resplit:
        found, brings_split = [replace(source, split="") for source in found], False
    found, images = _read_all(found, config, border, skip_damaged, notes)

    pairs = duplicates.near_duplicates(np.stack([image.descriptor for image in images]))
    named = len({image.patient for image in images}) > 1  # a set that was made anonymous has one name for all
    keys = [(s.group, image.patient if named else "", image.sha256) for s, image in zip(found, images, strict=True)]
    groups = splits.join(keys, pairs)
    notes.append(f"{len(pairs)} pairs of images are identical or nearly so")
    sides = _split(found, groups, config, notes)
    if drop_leaks:
        keep = _without_leaks(sides, groups)
        notes.append(f"left out {len(found) - len(keep)} images that belong with images of val or test")
        found, images = [found[i] for i in keep], [images[i] for i in keep]
        sides, groups = [sides[i] for i in keep], [groups[i] for i in keep]

    partial_folder = output.with_name(f".{output.name}.partial")
    shutil.rmtree(partial_folder, ignore_errors=True)
    samples = _store(partial_folder, found, images, sides, groups, _folds(found, groups, sides, config, notes))
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
        "split": "as the data brought it" if brings_split else f"by data.prepare, grouped, seed {config.seed}",
        "notes": notes,
    }
    processed.write(partial_folder, samples, info)
    result = processed.load(partial_folder)
    contact_sheet.draw(result, partial_folder / "contact_sheet.png", config.seed)
    if output.exists():
        date = time.strftime("%Y-%m-%d_%H-%M-%S", time.localtime(output.stat().st_mtime))
        kept = output.with_name(f"{output.name}_{date}")
        output.rename(kept)
        notes.append(f"kept the former {output.name} as {kept.name}")
    partial_folder.rename(output)
    return processed.Processed(output, result.samples, names, info)


def _refuse_foreign(output: Path) -> None:
    if output.exists() and not output.is_dir():
        raise DataError(f"{output}: is a file; --OUTPUT names the folder to make")
    if output.is_dir() and any(output.iterdir()) and not (output / "dataset.json").exists():
        raise DataError(f"{output}: is not empty and was not made by data.prepare; name another folder")


def _read_all(found: list[sources.Source], config: CONFIG.Config, border: float, skip_damaged: bool,
              notes: list[str]) -> tuple[list[sources.Source], list[Prepared]]:  # fmt: skip
    work = partial(_prepare_one, config=config, border=border)
    bar = partial(tqdm, desc="preparing", total=len(found), unit=" images", mininterval=1)
    if len(found) < FEW:
        results = list(bar(map(work, found)))
    else:  # spawned, for a fork of a process whose libraries have started threads can hang
        spawn = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(os.cpu_count(), spawn, cv2.setNumThreads, (1,)) as pool:
            results = list(bar(pool.map(work, found, chunksize=16)))
    faults = [result for result in results if isinstance(result, str)]
    if faults and not skip_damaged:
        advice = "mend or remove them, or leave them out with --skip_damaged"
        raise DataError("\n".join([*faults, f"{len(faults)} of {len(found)} images cannot be used; {advice}"]))
    notes += [f"left out: {fault}" for fault in faults]
    good = [(source, result) for source, result in zip(found, results, strict=True) if isinstance(result, Prepared)]
    if not good:
        raise DataError("no usable image is left")
    return [source for source, _ in good], [result for _, result in good]


def _prepare_one(source: sources.Source, config: CONFIG.Config, border: float) -> Prepared | str:
    """The prepared image, or the fault as one line."""
    try:
        image = read_grey(source.path, config.window, None if config.frame < 0 else config.frame)
        patient, spacing = about_dicom(source.path)
        place = Placement(image.shape[0], image.shape[1], config.image_size, border, config.stretch)
        mask = None
        if source.mask is not None:
            share = place.image(read_mask(source.mask, image.shape).astype(np.float32))
            mask = (share >= 0.5 if (share >= 0.5).any() else share > 0).astype(np.uint8)
        spacing = place.spacing(source.pixel_spacing_mm or spacing)
    except ValueError as error:
        return str(error)
    digest = hashlib.sha256(image.tobytes()).hexdigest()
    pixels = place.image(image)
    stored = pixels if pixels.dtype == np.uint8 else np.clip(pixels, 0, 1).astype(np.float16)
    boxes = format_boxes(place.boxes(source.boxes))
    return Prepared(stored, mask, boxes, digest, patient, spacing, duplicates.describe(pixels.astype(np.float32)))


def _split(found: list[sources.Source], groups: list[int], config: CONFIG.Config, notes: list[str]) -> list[str]:
    """train, val or test for each image: as the data brings it, with what it lacks cut from train by group."""
    sides = np.array([source.split or "train" for source in found])
    brings_split = bool(found[0].split)
    labels, numbers = np.array([source.label for source in found]), np.array(groups)
    wanted = {"val": config.val_share} if brings_split else {"test": config.test_share, "val": config.val_share}
    rest = 1.0
    for side, share in wanted.items():
        if share and side not in sides:
            pool = np.flatnonzero(sides == "train")
            chosen = splits.grouped_split(labels[pool], numbers[pool], share / rest, config.seed)
            sides[pool[chosen]] = side
            rest -= share
    across = [group for group in set(groups) if len(set(sides[numbers == group])) > 1]
    if across:
        notes.append(
            f"the split that the data brings puts {len(across)} groups of images that belong together on two sides; "
            "--drop_leaks leaves their images out of train, or out of val where the other side is test"
        )
    return [str(side) for side in sides]


def _without_leaks(sides: list[str], groups: list[int]) -> list[int]:
    """The images to keep so that no group is on two sides: those on its side nearest to the test."""
    nearest: dict[int, int] = {}
    for side, group in zip(sides, groups, strict=True):
        nearest[group] = max(nearest.get(group, 0), processed.SPLITS.index(side))
    return [i for i, (side, group) in enumerate(zip(sides, groups, strict=True))
            if processed.SPLITS.index(side) == nearest[group]]  # fmt: skip


def _folds(found: list[sources.Source], groups: list[int], sides: list[str], config: CONFIG.Config,
           notes: list[str]) -> list[str]:  # fmt: skip
    """The fold of each image that is not for testing; none where there are too few groups."""
    pool = [i for i, side in enumerate(sides) if side != "test"]
    folds = [""] * len(found)
    try:
        numbers = splits.folds([found[i].label for i in pool], [groups[i] for i in pool], config.folds, config.seed)
    except DataError as error:
        notes.append(f"no folds for cross-validation: {error}")
        return folds
    for i, number in zip(pool, numbers, strict=True):
        folds[i] = str(number)
    return folds


def _store(folder: Path, found: list[sources.Source], images: list[Prepared], sides: list[str],
           groups: list[int], folds: list[str]) -> list[processed.Sample]:  # fmt: skip
    samples, taken = [], set()
    for source, image, side, group, fold in zip(found, images, sides, groups, folds, strict=True):
        stem = Path(source.name).with_suffix("")
        path = f"{side}/{source.label}/{stem.name}.npy"
        if path in taken:
            path = f"{side}/{source.label}/{'__'.join(stem.parts)}{Path(source.name).suffix}.npy"
        taken.add(path)
        mask = f"masks/{path}" if image.mask is not None else ""
        for name, pixels in ((path, image.image), (mask, image.mask)):
            if pixels is not None:
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                np.save(folder / name, pixels)
        about = (source.name, image.sha256, image.spacing, image.boxes, mask, source.more)
        samples.append(processed.Sample(path, side, source.label, f"g{group:05d}", fold, *about))
    return samples


def summary(result: processed.Processed) -> str:
    """A table of images and groups by split and class."""
    lines = [f"{'split':<8}{'class':<16}{'images':>8}{'groups':>8}"]
    for split in processed.SPLITS:
        for name in result.class_names if result.of(split) else []:
            samples = [sample for sample in result.of(split) if sample.label == name]
            lines.append(f"{split:<8}{name:<16}{len(samples):>8}{len({sample.group for sample in samples}):>8}")
    sizes = Counter(Counter(sample.group for sample in result.samples).values())
    lines.append("group sizes: " + ", ".join(f"{count} of {size}" for size, count in sorted(sizes.items())))
    return "\n".join(lines + [f"note: {note}" for note in result.info["notes"]])


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m data.prepare", description=__doc__, allow_abbrev=False)
    parser.add_argument(
        "--Path",
        "--path",
        "-p",
        type=Path,
        required=True,
        help="folder of class folders, of split folders, or with a manifest.csv",
    )
    parser.add_argument("--OUTPUT", "--output", "-o", type=Path, required=True, help="the ProcessedFolder to make")
    parser.add_argument(
        "--Config", "--config", "-c", type=Path, help="configuration (default: config.yml, if there is one)"
    )
    parser.add_argument(
        "--group", help="manifest column, or regular expression over paths, that ties images of one vessel or patient"
    )
    parser.add_argument(
        "--positive", help="name of the positive class; abnormal, diseased, positive and lesion are known"
    )
    parser.add_argument(
        "--skip_damaged", action="store_true", help="leave out images that cannot be read, and list them"
    )
    about = "leave out training images that belong with images of the val or test split that the data brings"
    parser.add_argument("--drop_leaks", action="store_true", help=about)
    about = "make a new, grouped split instead of the one that the data brings"
    parser.add_argument("--resplit", action="store_true", help=about)
    CONFIG.add_arguments(parser, KEYS)
    arguments = parser.parse_args(argv)
    default = Path("config.yml")
    try:
        config = CONFIG.load(arguments.Config or (default if default.exists() else None), CONFIG.overrides(arguments))
        how = (arguments.group, arguments.positive, arguments.skip_damaged, arguments.drop_leaks, arguments.resplit)
        result = prepare(arguments.Path, arguments.OUTPUT, config, *how)
    except (DataError, CONFIG.ConfigError) as error:
        sys.exit(str(error))
    print(summary(result))
    print(f"wrote {arguments.OUTPUT}; look at {arguments.OUTPUT / 'contact_sheet.png'}")


if __name__ == "__main__":
    main()
