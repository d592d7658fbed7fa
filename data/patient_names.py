"""File names that seem to hold a patient's number, as p001_v0.png and p001_v1.png do."""

import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import PurePosixPath

# what stands before the number of a view, and has a digit of its own
BEFORE = re.compile(r"(.*\d.*?)[-_ .]+(?:[a-z]{1,8}[-_ ]?)?\d{1,4}", re.IGNORECASE)
MOST = 50  # images of one patient, on average


def note_of_names(paths: Iterable[str]) -> list[str]:
    """A hint where many images that nothing ties have names that begin as another one's does.

    ``paths``: of the images that nothing ties.
    """
    found = defaultdict(list)
    count = 0
    for path in paths:
        count += 1
        if match := BEFORE.fullmatch(PurePosixPath(path).stem):
            found[match[1].casefold()].append(path)
    alike = [names for names in found.values() if len(names) > 1]
    images = sum(map(len, alike))
    if len(alike) < 2 or 2 * images < count or images > MOST * len(alike):
        return []
    first, second, *_ = min(alike)
    return [
        f"the names of {images} images begin as those of others, such as {first} and {second}, "
        "and nothing else ties these; if they are of one patient, name the part that they share: "
        r"--group '([^/]*\d[^/]*)[-_ .][^/]*\.\w+$'"
    ]
