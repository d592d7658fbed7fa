"""Folders within folders: which of them only hold the class folders."""

from collections.abc import Callable, Mapping

from data.split_words import (
    fold_of,
    is_place,
    is_unsure_split,
    is_view,
    may_be_class,
    splits_of,
)

Parts = tuple[str, ...]  # the folders that an image lies in, from the outside in
Folders = dict[str, Parts]  # of each image


def first(folders: Folders) -> set[str]:
    """The outermost folders."""
    return {parts[0] for parts in folders.values() if parts}


def within(folders: Folders) -> dict[str, Folders]:
    """For each outermost folder its images, as seen from it."""
    found: dict[str, Folders] = {}
    for name, parts in folders.items():
        if parts:
            found.setdefault(parts[0], {})[name] = parts[1:]
    return found


def held_by(folders: Folders) -> dict[str, set[str]]:
    """For each outermost folder the folders in it."""
    return {child: first(inner) for child, inner in within(folders).items()}


def splits_among(folders: Folders) -> dict[str, str]:
    """The outermost folders that are splits.

    One that is called so in short, or with a number, is beside another split, alone, or beside the
    class folders that it holds too.
    """
    children = first(folders)
    splits = splits_of(children)
    if len(set(splits.values())) > 1 or not all(map(is_unsure_split, splits)):
        return splits
    if len(splits) != 1:
        return {}
    (child,) = splits
    around = children - {child}
    held = held_by(folders)[child]
    return splits if held and (held <= around if around else len(held) > 1) else {}


def holders(folders: Folders, means_class: Callable[[str], bool]) -> set[str]:
    """The outermost folders, where they are no classes but hold them; empty where they are.

    These are folds; folders that hold nothing but known classes, such as those of patients; and
    folders of hospitals and the like, by their names, that all hold the same ones.
    """
    children = first(folders)
    if any(map(means_class, children)):
        return set()
    if len(folds := folds_among(children)) > 1:
        return folds
    held = held_by(folders)
    every = set().union(*held.values())
    if len(every) < 2:
        return set()
    if all(map(means_class, every)) and all(len(parts) > 1 for parts in folders.values() if parts):
        return children
    are_places = len(children) > 1 and all(map(is_place, children)) and are_alike(held)
    return children if are_places and all(map(may_be_class, every)) else set()


def are_alike(held: Mapping[str, set[str]]) -> bool:
    """Whether several folders hold the same, two or more; ``held`` as ``held_by`` gives it."""
    return (
        len(held) > 1
        and len(min(held.values(), key=len)) > 1
        and len({frozenset(names) for names in held.values()}) == 1
    )


def guess_of(held: Mapping[str, set[str]], holding: set[str]) -> str:
    """Why folders of any name around those of classes are patients; empty where they are not.

    They hold a class each and not all classes, and are not called after a hospital or a vessel.
    """
    inner = {child: names for child, names in held.items() if child in holding}
    if len(inner) < 2 or are_alike(inner):
        return ""
    if all(is_place(name) or is_view(name) for name in inner):
        return ""
    why = "for they do not all hold the same classes"
    return f", {why}; if they are not patients, say with --group what belongs together"


def folds_among(names: set[str]) -> set[str]:
    """Those of the names that are folds."""
    return {name for name in names if fold_of(name)}


def fault_of(folders: Folders, means_class: Callable[[str], bool]) -> str:
    """Why it is not sure what the outermost folders are, as one line; else empty."""
    children = first(folders)
    folds = folds_among(children)
    inner = within(folders)
    for child, held in sorted(held_by(folders).items()):
        told = " and ".join(f"{name}/" for name in sorted(held))
        if len(folds) > 1 and child in folds and splits_of(held):
            return (
                f"{_whole(folders, child)}/ has a split of its own, {told}; give one such folder "
                "as --Path"
            )
        is_sure = len(held) > 1 or (all(map(means_class, held)) and not means_class(child))
        classes = set().union(*held_by(inner[child]).values())
        around_classes = bool(classes) and all(map(means_class, classes))
        if around_classes and not means_class(child) and _is_whole_split(held):
            return (
                f"{_whole(folders, child)}/ has a split of its own, {told}; wanted the split "
                "folders outermost, or one of the others as --Path"
            )
        if held and held <= children - {child} and is_sure:
            return (
                f"{_whole(folders, child)}/ holds {told}, and so does the folder around it; call "
                "it train, val or test if it is a split, or move it away"
            )
    return ""


def _is_whole_split(names: set[str]) -> bool:
    """Whether folders are train and another split, and nothing else."""
    splits = splits_of(names)
    return set(splits) == names and "train" in splits.values() and len(set(splits.values())) > 1


def _whole(folders: Folders, child: str) -> str:
    """The path of an outermost folder below the root of the data set."""
    name, parts = next(each for each in folders.items() if each[1] and each[1][0] == child)
    above = name.split("/")[:-1]
    return "/".join(above[: len(above) - len(parts) + 1])
