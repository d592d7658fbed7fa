"""What is said where lesions that are known do not fit the class of their image."""

from collections.abc import Sequence

from data.preparation import Prepared
from data.words import is_normal


def notes_of_lesions(images: Sequence[Prepared], positive: str) -> list[str]:
    """Lines for the summary; ``positive`` is the name of the positive class."""
    healthy, empty = [], []
    known = diseased = 0
    for image in images:
        name, label = image.sample.path, image.sample.label
        is_marked = image.mask is not None and bool(image.mask.any())
        has_lesion = is_marked or bool(image.sample.lesion_boxes_xyxy)
        diseased += label == positive
        known += label == positive and has_lesion
        if is_normal(label) and has_lesion:
            healthy.append(name)
        if label == positive and image.mask is not None and not is_marked:
            empty.append(name)
    notes = []
    if known:
        notes.append(f"{known} of {diseased} images of {positive} have a known lesion")
    if healthy:
        notes.append(
            f"{len(healthy)} normal images have lesions, such as {min(healthy)}: is the label "
            "wrong, or is what is drawn no lesion?"
        )
    if empty:
        notes.append(
            f"{len(empty)} images of {positive} have a mask without a lesion, such as {min(empty)}"
            ": training learns that there is none; leave the mask out where it was not drawn"
        )
    return notes
