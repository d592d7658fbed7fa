"""Class folders within a folder called labels or annotations, which are no masks."""

import re
from pathlib import Path

from data.mask_levels import picture_size
from data.masks import pair

LABELS = re.compile(r"labels?|annotations?", re.IGNORECASE)
SOME = 8  # files that tell whether they are pictures


def classes_in_labels(
    root: Path, masks: dict[str, str], lone: list[str]
) -> tuple[dict[str, str], list[str]]:
    """Images and masks again, where folders for labels hold class folders and the only images.

    Args:
        root: the folder of the data set.
        masks: for each image its mask, as ``data.masks.pair`` gives them.
        lone: masks of no image, which may be pictures.

    Returns:
        both, as they came where there are no such folders.
    """
    if any(masks.values()) or any("/" in name for name in masks):
        return masks, lone
    plain = {_without_labels(name): name for name in lone}
    classes = {name.rpartition("/")[0] for name in plain}
    found, rest = pair(list(plain))
    are_classes = len(classes - {""}) > 1 and len(plain) == len(lone)
    some = sorted(found)[:: max(1, len(found) // SOME)]
    if not are_classes or all(picture_size(root / plain[name]) is None for name in some):
        return masks, lone
    found_masks = {plain[name]: plain.get(mask, "") for name, mask in found.items()}
    return masks | found_masks, [plain[name] for name in rest]


def _without_labels(name: str) -> str:
    """The path without its folders for labels."""
    *folders, last = name.split("/")
    return "/".join([*(part for part in folders if not LABELS.fullmatch(part.strip())), last])
