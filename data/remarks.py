"""What a file declares of its picture and the grey pixels do not show, counted over a set."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Remark(NamedTuple):
    """One thing that is said of all images that it holds for."""

    what: str  # they are or have
    then: str = ""  # and what was made of it


COLOUR = Remark(
    "are in colour",
    ": their brightness is taken as grey, also that of false colours and of drawings; export them "
    "in grey if that is wrong",
)
TURNED = Remark(
    "with masks or boxes are stored turned or mirrored (EXIF or TIFF orientation)",
    ": their lesions are taken as drawn on the upright picture that viewers show",
)


def notes_of_remarks(remarks: Mapping[str, Sequence[Remark]]) -> list[str]:
    """A line for each remark: how many images it holds for, and one of them.

    ``remarks``: of each image, by its name.
    """
    named: dict[Remark, list[str]] = {}
    for name, own in remarks.items():
        for remark in own:
            named.setdefault(remark, []).append(name)
    return [
        f"{len(names)} of {len(remarks)} images {remark.what}, such as {min(names)}{remark.then}"
        for remark, names in named.items()
    ]
