"""Masks beside images: which file is the mask of which image, by names alone."""

import re
from collections import defaultdict
from pathlib import PurePosixPath

from data.words import letters

MASK_WORDS = r"masks?|segs?|segmentations?|labels?|annotations?|gt|ground_?truth"
MASK_FOLDER = re.compile(f"({MASK_WORDS})", re.IGNORECASE)
MASK_AFTER = re.compile(f"(.+)[-_. ]({MASK_WORDS})", re.IGNORECASE)
MASK_BEFORE = re.compile(f"({MASK_WORDS})[-_. ](.+)", re.IGNORECASE)


def is_mask_folder(name: str) -> bool:
    """Whether a folder of that name holds masks."""
    return bool(MASK_FOLDER.fullmatch(name.strip()))


def pair(images: list[str]) -> tuple[dict[str, str], list[str]]:
    """Tell masks from images by their names.

    Args:
        images: relative paths with forward slashes.

    Returns:
        for each image its mask, or empty; and the masks of no image, or of several.
    """
    stems = {name: _stem_of_mask(name) for name in images}
    pictures = [name for name, stem in stems.items() if not stem]
    by_place: dict[tuple[str, str], list[str]] = defaultdict(list)
    by_stem: dict[str, list[str]] = defaultdict(list)
    for name in pictures:
        path = PurePosixPath(name)
        folders = [part for part in path.parts[:-1] if letters(part) != "images"]
        by_place["/".join(folders), path.stem].append(name)
        by_stem[path.stem].append(name)
    found: dict[str, list[str]] = defaultdict(list)
    lone = []
    for name, wanted in stems.items():
        if not wanted:
            continue
        candidates = _images_of_mask(name, wanted, by_place, by_stem)
        if len(candidates) == 1:
            found[candidates[0]].append(name)
        else:
            lone.append(name)
    pairs = {}
    for name in pictures:
        masks = found.get(name, [])
        pairs[name] = masks[0] if len(masks) == 1 else ""
        lone += masks if len(masks) > 1 else []
    return pairs, lone


def _stem_of_mask(name: str) -> tuple[str, ...]:
    """The stems that the image of a mask may have; empty: the file is no mask by its name."""
    path = PurePosixPath(name)
    bare: tuple[str, ...] = ()
    if match := MASK_AFTER.fullmatch(path.stem):
        bare = (match[1],)
    elif match := MASK_BEFORE.fullmatch(path.stem):
        bare = (match[2],)
    in_folder = any(is_mask_folder(part) for part in path.parts[:-1])
    return (path.stem, *bare) if in_folder else bare


def _images_of_mask(
    name: str,
    stems: tuple[str, ...],
    by_place: dict[tuple[str, str], list[str]],
    by_stem: dict[str, list[str]],
) -> list[str]:
    """The images that a mask may belong to: in its place, else anywhere beside its folder."""
    folders = PurePosixPath(name).parts[:-1]
    marks = [number for number, part in enumerate(folders) if is_mask_folder(part)]
    plain = [part for part in folders if not is_mask_folder(part)]
    place = "/".join(part for part in plain if letters(part) != "images")
    for stem in stems:
        if candidates := by_place.get((place, stem), []):
            return candidates
    if not marks:
        return []
    around = "".join(f"{part}/" for part in folders[: marks[0]])
    for stem in stems:
        if candidates := [each for each in by_stem.get(stem, []) if each.startswith(around)]:
            return candidates
    return []
