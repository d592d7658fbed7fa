"""Folders within folders: which of them only hold the class folders."""

from collections.abc import Callable

from data.split_words import fold_of, is_unsure_split, may_be_class, splits_of

Parts = tuple[str, ...]  # the folders that an image lies in, from the outside in
Folders = dict[str, Parts]  # of each image


def first(folders: Folders) -> set[str]:
    """The outermost folders."""
    return {parts[0] for parts in folders.values() if parts}


def inside(folders: Folders, child: str) -> Folders:
    """The images in an outermost folder, as seen from it."""
    return {name: parts[1:] for name, parts in folders.items() if parts and parts[0] == child}


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
    held = first(inside(folders, child))
    return splits if held and (held <= around if around else len(held) > 1) else {}


def holders(folders: Folders, means_class: Callable[[str], bool]) -> set[str]:
    """The outermost folders, where they are no classes but hold them; empty where they are.

    These are folds; folders that hold nothing but known classes, such as those of patients; and
    folders that all hold the same ones, such as those of hospitals.
    """
    children = first(folders)
    if any(map(means_class, children)):
        return set()
    if len(folds := folds_among(children)) > 1:
        return folds
    held = [first(inside(folders, child)) for child in children]
    every = set().union(*held)
    if len(every) < 2:
        return set()
    if all(map(means_class, every)) and all(len(parts) > 1 for parts in folders.values() if parts):
        return children
    are_alike = len(children) > 1 and all(each == every for each in held)
    return children if are_alike and all(map(may_be_class, every)) else set()


def folds_among(names: set[str]) -> set[str]:
    """Those of the names that are folds."""
    return {name for name in names if fold_of(name)}


def fault_of(folders: Folders, means_class: Callable[[str], bool]) -> str:
    """Why it is not sure what the outermost folders are, as one line; else empty."""
    children = first(folders)
    folds = folds_among(children)
    for child in sorted(children):
        held = first(inside(folders, child))
        told = " and ".join(f"{name}/" for name in sorted(held))
        if len(folds) > 1 and child in folds and splits_of(held):
            return (
                f"{_whole(folders, child)}/ has a split of its own, {told}; give one such folder "
                "as --Path"
            )
        is_sure = len(held) > 1 or (all(map(means_class, held)) and not means_class(child))
        if held and held <= children - {child} and is_sure:
            return (
                f"{_whole(folders, child)}/ holds {told}, and so does the folder around it; call "
                "it train, val or test if it is a split, or move it away"
            )
    return ""


def _whole(folders: Folders, child: str) -> str:
    """The path of an outermost folder below the root of the data set."""
    name, parts = next(each for each in folders.items() if each[1] and each[1][0] == child)
    above = name.split("/")[:-1]
    return "/".join(above[: len(above) - len(parts) + 1])
