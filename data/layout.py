"""Which folders of a data set are splits, which are classes, and which are neither."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, replace

from data.words import LeftOut, is_short_split, meaning_of, split_of

LOOSE = "which lie beside the class folders and have no label"
UNLABELLED = "which lie in a split without class folders: show them to the model with predict.py"
BESIDE = "which lie beside the split folders and in none of them"
NUMBERS = {"0", "1"}  # the classes of the first published form
MANY = 5  # folders around the class folders that are taken for patients, not for batches


@dataclass(frozen=True)
class Place:
    """What its folders say of an image; empty where they say nothing.

    Args:
        split: train, val or test.
        label: name of the class folder.
        patient: name of the folder around the class folder, where that is a patient's.
    """

    split: str = ""
    label: str = ""
    patient: str = ""


Parts = tuple[str, ...]  # the folders that an image lies in, from the outside in
Folders = dict[str, Parts]  # of each image


class Layout:
    """Where each image has its place.

    Forms that are understood: class folders; split folders around them, or inside them; any of
    these within lone folders; and, unless ``direct``, class folders inside those of patients.

    Args:
        images: relative paths with forward slashes.
        known: names that mean a class, beside the words that always do.
        direct: class folders are looked for right in the folder or in its splits alone.
    """

    def __init__(
        self, images: Collection[str], known: Collection[str] = (), direct: bool = False
    ) -> None:
        self.places: dict[str, Place] = {}
        self.left_out = LeftOut()
        self.notes: list[str] = []
        self._known = set(known)
        self._direct = direct
        folders = {name: tuple(name.split("/")[:-1]) for name in images}
        self._outside_in(folders)

    @property
    def labels(self) -> set[str]:
        """The names of all class folders."""
        return {place.label for place in self.places.values()}

    def _outside_in(self, folders: Folders) -> None:
        folders, beside = self._inside_lone_folders(folders)
        self.left_out.add(LOOSE, beside)
        children = _first(folders)
        splits = _splits_among(children)
        if not splits:
            self._classes(folders, "")
            self._splits_inside_classes(folders)
            return
        parts = {child: _inside(folders, child) for child in splits}
        rest = {
            name: parts for name, parts in folders.items() if not parts or parts[0] not in splits
        }
        for child, split in splits.items():
            self._known |= self._sure(parts[child], split)
        if any(child != split for child, split in splits.items()):
            told = ", ".join(f"{child} is {split}" for child, split in splits.items())
            self.notes.append(f"split folders: {told}")
        around = {name for name in children if name not in splits}
        if "train" in splits.values() or not any(map(self._means_class, around)):
            self.left_out.add(BESIDE, rest)
        else:
            self._known |= around
            self._classes(rest, "train")
            self.notes.append("images outside the split folders are taken for train")
        for child, split in splits.items():
            self._classes(parts[child], split)

    def _sure(self, folders: Folders, split: str) -> set[str]:
        """The class folders of a split, where they stand side by side."""
        children = _first(self._inside_lone_folders(folders)[0])
        sure = split == "train" or any(map(self._means_class, children))
        return children if len(children) > 1 and sure else set()

    def _means_class(self, name: str) -> bool:
        return bool(meaning_of(name)) or name.strip() in self._known or name in self._known

    def _inside_lone_folders(self, folders: Folders) -> tuple[Folders, set[str]]:
        """The images as seen from the lone folders around them, and those beside such folders."""
        beside: set[str] = set()
        while True:
            inner = {name: parts for name, parts in folders.items() if parts}
            children = _first(inner)
            if len(children) != 1:
                return folders, beside
            (child,) = children
            is_number = child in NUMBERS and all(len(parts) == 1 for parts in inner.values())
            if self._means_class(child) or split_of(child) or is_number:
                return folders, beside
            beside |= folders.keys() - inner.keys()
            folders = {name: parts[1:] for name, parts in inner.items()}

    def _classes(self, folders: Folders, split: str) -> None:
        """Give the images of a split their labels, or leave them out."""
        folders, beside = self._inside_lone_folders(folders)
        self.left_out.add(LOOSE, beside)
        children = _first(folders)
        are_numbers = children <= NUMBERS and (self._direct or self._known <= NUMBERS)
        are_classes = are_numbers or any(map(self._means_class, children))
        other_split = split in ("val", "test") and self._known
        if not children or (other_split and not are_classes):
            self.left_out.add(UNLABELLED if split else LOOSE, folders)
            return
        loose = [name for name, parts in folders.items() if not parts]
        self.left_out.add(LOOSE, loose)
        inner = {name: parts for name, parts in folders.items() if parts}
        if self._is_patients_first(inner, children):
            self._patients(inner, children, split)
            return
        for name, parts in inner.items():
            self.places[name] = Place(split, parts[0])

    def _is_patients_first(self, folders: Folders, children: set[str]) -> bool:
        if self._direct or any(map(self._means_class, children)):
            return False
        seconds = {parts[1] if len(parts) > 1 else "" for parts in folders.values()}
        return len(seconds) > 1 and all(map(self._means_class, seconds))

    def _patients(self, folders: Folders, children: set[str], split: str) -> None:
        are_patients = len(children) > MANY
        for name, parts in folders.items():
            self.places[name] = Place(split, parts[1], parts[0] if are_patients else "")
        means = "a patient each" if are_patients else "not patients; if they are, --group ties them"
        self.notes.append(
            f"the class folders lie inside {len(children)} folders such as {min(children)}, which "
            f"are taken for {means}"
        )

    def _splits_inside_classes(self, folders: Folders) -> None:
        """normal/train, normal/test: the split is that of the folders inside the classes."""
        deep = {name: name.split("/")[:-1] for name in self.places}
        inside = {
            name: parts[parts.index(self.places[name].label) + 1 :] for name, parts in deep.items()
        }
        splits = _splits_among({part for parts in inside.values() for part in parts})
        found = {
            name: next((splits[part] for part in parts if part in splits), "")
            for name, parts in inside.items()
        }
        if not any(found.values()):
            return
        counts = Counter(found.values())
        told = ", ".join(f"{count} {split}" for split, count in sorted(counts.items()) if split)
        self.notes.append(f"the split is that of folders inside the classes: {told}")
        if counts[""]:
            self.notes.append(f"{counts['']} images outside those folders are taken for train")
        for name, split in found.items():
            self.places[name] = replace(self.places[name], split=split or "train")


def _first(folders: Folders) -> set[str]:
    return {parts[0] for parts in folders.values() if parts}


def _inside(folders: Folders, child: str) -> Folders:
    return {name: parts[1:] for name, parts in folders.items() if parts and parts[0] == child}


def _splits_among(names: set[str]) -> dict[str, str]:
    """The folders that are splits. One that is called so in short is, beside others."""
    splits = {name: split_of(name) for name in sorted(names) if split_of(name)}
    if all(map(is_short_split, splits)) and len(set(splits.values())) < 2:
        return {}
    return splits
