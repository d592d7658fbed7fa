"""What is said of pictures that are not shown just as their files store them."""

from data.preparation import Prepared


def notes_of_looks(images: list[Prepared]) -> list[str]:
    """What is said of pictures in colour, and of lesions on pictures that are stored turned."""
    coloured = [image.sample.path for image in images if image.coloured]
    drawn = [image for image in images if image.mask is not None or image.given_boxes.strip()]
    turned = [image.sample.path for image in drawn if image.turned]
    notes = []
    if coloured:
        notes.append(
            f"{len(coloured)} of {len(images)} images are in colour, such as {min(coloured)}, and "
            "are turned grey by their brightness, false colours and drawings too; export them as "
            "grey if another grey is meant"
        )
    if turned:
        notes.append(
            f"{len(turned)} images with masks or boxes are stored turned or mirrored (EXIF or TIFF "
            f"orientation), such as {min(turned)}: their lesions are taken as drawn on the upright "
            "picture that viewers show"
        )
    return notes
