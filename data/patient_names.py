"""File names that seem to hold a patient's number, as p001_v0.png and p001_v1.png do."""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from pathlib import PurePosixPath

from metrics.names import canonical

# what stands before the number of a view, and has a digit of its own
BEFORE = re.compile(r"(.*\d.*?)[-_ .]+(?:[a-z]{1,8}[-_ ]?)?\d{1,4}", re.IGNORECASE)
WORD = re.compile(r"(.*\d)[-_ .]+[a-z]{1,12}", re.IGNORECASE)  # P01_LAO beside P01_RAO
RUN = re.compile(r"(.*\d)[-_ ]?[a-z]", re.IGNORECASE)  # P01a beside P01b
RUNS = 4  # of one patient; of more, the letter is the patient's
MOST = 50  # images of one patient, on average


def note_of_names(paths: Iterable[str]) -> list[str]:
    """A hint where many images that nothing ties have names that begin as another one's does.

    ``paths``: of the images that nothing ties.
    """
    names = list(paths)
    before = r"--group '([^/]*\d[^/]*)[-_ .][^/]*\.\w+$'"
    run = r"--group '([^/]*\d)[-_ ]?[A-Za-z]\.\w+$'"
    word = r"--group '([^/]*\d)[-_ .][A-Za-z]+\.\w+$'"
    return (
        _note_of(names, BEFORE, before) or _note_of(names, RUN, run) or _note_of(names, WORD, word)
    )


def _note_of(names: Collection[str], shape: re.Pattern[str], advice: str) -> list[str]:
    """The hint where the names have a shape, whose first bracket is the part that they share."""
    found = defaultdict(list)
    for path in names:
        if match := shape.fullmatch(PurePosixPath(path).stem):
            found[match[1].casefold()].append(path)
    alike = [paths for paths in found.values() if len(paths) > 1]
    images = sum(map(len, alike))
    if len(alike) < 2 or 2 * images < len(names) or images > MOST * len(alike):
        return []
    first, second, *_ = min(alike)
    return [
        f"the names of {images} images begin as those of others, such as {first} and {second}, "
        "and nothing else ties these; if they are of one patient, name the part that they share: "
        f"{advice}"
    ]


def runs_of(names: Collection[str]) -> dict[str, str]:
    """Those names that differ from others in the letter at their end alone, without that letter.

    P01a and P01b are of one patient, P01, and so is P01 itself beside them. To tie two patients
    costs little, to part one is a leak.
    """
    alike = defaultdict(list)
    for name in names:
        if match := RUN.fullmatch(name.strip()):
            alike[canonical(match[1])].append((name, match[1]))
    few = {stem: found for stem, found in alike.items() if len(found) <= RUNS}
    for name in names:
        if found := few.get(canonical(name)):
            found.append((name, found[0][1]))
    several = [found for found in few.values() if len(found) > 1]
    return {name: stem for found in several for name, stem in found}


def note_of_runs(runs: Mapping[str, str]) -> list[str]:
    """What is said of the folders that ``runs_of`` gives."""
    if not runs:
        return []
    told = " and ".join(sorted(runs)[:2])
    return [f"{len(runs)} folders, such as {told}, are taken for runs of the same patient"]
