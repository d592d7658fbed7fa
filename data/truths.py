"""The true class of an image that is predicted, as a manifest or its folders tell it."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

import errors
from data.layout import Layout
from data.lesion_columns import with_known_names
from data.listed_files import ListedFiles
from data.manifest import known_names, manifest_in
from data.multilabel import Findings
from data.readers import DataError
from data.samples import listed_twice
from data.split_words import split_of
from data.tables import read_table
from data.words import in_one_spelling, meaning_of
from metrics.decision import BETWEEN


def truths_by_folder(
    paths: list[Path], class_names: list[str], given: Path | None
) -> dict[Path, str]:
    """The truth of each file as the class folders of the given folder tell it."""
    if given is None or not given.is_dir():
        return {}
    names = {path.relative_to(given).as_posix(): path for path in paths if given in path.parents}
    layout = Layout(names, class_names, direct=True)
    is_split = split_of(given.resolve().name) != ""
    truths = {}
    for name, place in layout.places.items():
        is_number = place.label in ("0", "1") and place.label not in class_names
        first_form = layout.labels <= {"0", "1"} and bool(place.split or is_split)
        if not is_number or first_form:
            are_own = are_own_numbers(layout.labels, class_names)
            truths[names[name]] = class_of(place.label, class_names, are_own)
    return truths


def are_own_numbers(labels: Iterable[str], class_names: list[str]) -> bool:
    """Whether 0 and 1 among these labels are the classes 0 and 1 of several, as of grades 0 to 5.

    They are, where another number among the labels is a class too. Alone they may mean normal and
    diseased.
    """
    named = {in_one_spelling(name) for name in class_names}
    others = {in_one_spelling(label) for label in labels} - {"0", "1"}
    return {"0", "1"} <= named and any(word.isdigit() and word in named for word in others)


def class_of(label: str, class_names: list[str], are_own: bool = False) -> str:
    """The class that a label or folder means.

    It is the name of a class, whatever its case; or of two classes another word for normal or
    diseased. ``are_own``: as ``are_own_numbers`` says of all labels.
    """
    words = {in_one_spelling(name): name for name in class_names}
    word = in_one_spelling(label)
    are_numbers = all(name.strip().isdigit() for name in class_names)
    if are_numbers and not are_own and word in ("0", "1") and set(words) != {"0", "1"}:
        return ""  # 1 of the classes 1 and 2 may be the diseased one of 0 and 1
    if label in class_names or word in words:
        return label if label in class_names else words[word]
    if len(class_names) == 2 and word in ("0", "1"):
        return class_names[int(word)]
    meant = meaning_of(label)
    if len(class_names) != 2 or not meant:
        return ""
    meanings = [meaning_of(name) for name in class_names]
    if meant in meanings:
        return class_names[meanings.index(meant)]
    number = int(meant == "abnormal")
    return "" if meanings[number] else class_names[number]


def classes_of(labels: Iterable[str], class_names: list[str]) -> dict[str, str]:
    """The class that each label of one table means; empty where it means none.

    0 and 1 mean normal and diseased only where no other number is a label: in a table of 1 and 2,
    1 may well be the normal one.
    """
    given = set(labels)
    numbers = {in_one_spelling(label) for label in given if in_one_spelling(label).isdigit()}
    are_own = are_own_numbers(given, class_names)
    meant = {label: class_of(label, class_names, are_own) for label in given}
    if numbers <= {"0", "1"}:
        return meant
    named = {in_one_spelling(name) for name in class_names}
    is_unsure = {label: in_one_spelling(label) in numbers - named for label in given}
    return {label: "" if is_unsure[label] else name for label, name in meant.items()}


def folders_name(paths: Iterable[Path], given: Path | None, findings: Findings) -> bool:
    """Whether folders of the files are called after findings or none, as calcified+soft is.

    Looked at are the folder of each file, and those above it as far as the given one.
    """
    top = given.resolve() if given is not None and given.is_dir() else None
    folders = {path.resolve().parent for path in paths}
    if top is not None:
        above = {each for folder in folders for each in folder.parents if each.is_relative_to(top)}
        folders |= above
    return any(findings.told_by(folder.name.replace("+", BETWEEN)) for folder in folders)


def note_of_unknown(truths: Mapping[str, str], labelled: bool, several: bool = False) -> list[str]:
    """What is said where images have no truth, though others have one or something seems to tell.

    Args:
        truths: by the name of the image.
        labelled: whether a table has labels, or folders are called after findings.
        several: whether the truth is findings, which no folder tells.
    """
    unknown = [name for name, truth in truths.items() if not truth]
    if not unknown or (len(unknown) == len(truths) and not labelled):
        return []
    begin = f"{len(unknown)} of {len(truths)} images have no truth, such as {min(unknown)}: "
    if several:
        return [
            f"{begin}no manifest.csv says surely which findings they have, and folders tell no "
            "truth for findings; a manifest.csv with path and label does"
        ]
    return [f"{begin}neither their label nor their folder is a class of the model"]


def rows_above(
    paths: list[Path], findings: Findings | None = None
) -> dict[Path, tuple[Path, dict[str, str]]]:
    """For each file in a manifest.csv above any of the paths: the manifest's folder and its row.

    A table that is not one of ours is passed over with a note. ``findings``: whose columns may take
    the place of the label.
    """
    known = {}
    for folder in {parent for path in paths for parent in list(path.resolve().parents)[:4]}:
        files = ListedFiles(folder)
        for row in _rows_of(manifest_in(folder), findings):
            with suppress(OSError, RuntimeError, ValueError):  # a name that no file has
                known[(folder / files.named(row["path"])).resolve()] = (folder, row)
    return known


def _rows_of(manifest: Path, findings: Findings | None) -> list[dict[str, str]]:
    """The rows of a manifest; none where there is none, or one of something else."""
    if not (manifest.exists() or manifest.is_symlink()):
        return []
    try:
        rows = [known_names(row) for row in read_table(manifest, manifest.parent)]
    except DataError as error:
        if (manifest.parent / "dataset.json").exists():
            raise
        errors.note(f"passed over: {error}")
        return []
    has_columns = findings is not None and findings.columns_among(list(rows[0]))
    if "path" not in rows[0] or not ("label" in rows[0] or has_columns):
        errors.note(f"passed over: {manifest} has no columns path and label, so it is not ours")
        return []
    if faults := listed_twice(manifest, [(row["path"], row.get("label", "")) for row in rows]):
        if (manifest.parent / "dataset.json").exists():
            raise DataError("\n".join(faults))
        errors.note(f"passed over, for it tells no truth: {faults[0]}")
        return []
    notes: list[str] = []
    rows = with_known_names(rows, manifest.parent, notes)
    for line in notes:
        errors.note(f"{manifest}: {line}")
    return rows
