"""What is said where the rows of a manifest say otherwise than the folders of their images."""

from collections.abc import Callable, Sequence
from pathlib import PurePosixPath

from data.samples import Sample
from data.split_words import split_of
from data.words import meaning_of
from errors import one_line


def notes_of_folders(samples: Sequence[Sample]) -> list[str]:
    """A line each for labels and for splits that the names of folders contradict."""
    labels = [(each, other) for each in samples if (other := _other(each, meaning_of, each.label))]
    splits = [(each, other) for each in samples if (other := _other(each, split_of, each.split))]
    return [*_counted(labels, "label"), *_counted(splits, "split")]


def _other(sample: Sample, meaning: Callable[[str], str], told: str) -> str:
    """The innermost folder of an image that means something else than its row tells."""
    folders = PurePosixPath(sample.path).parts[:-1]
    named = next((folder for folder in reversed(folders) if meaning(folder)), "")
    return named if named and meaning(told) and meaning(named) != meaning(told) else ""


def _counted(found: Sequence[tuple[Sample, str]], column: str) -> list[str]:
    if not found:
        return []
    sample, folder = found[0]
    return [
        f"the {column} of {len(found)} images differs from the name of their folder, such as "
        f"{getattr(sample, column)} for {one_line(sample.path)} in {one_line(folder)}/: the "
        "manifest is believed"
    ]
