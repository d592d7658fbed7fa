"""Which folders of a data set are splits, which are classes, and which are neither."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, replace

from data.nested import (
    Folders,
    are_alike,
    fault_of,
    first,
    folds_among,
    guess_of,
    held_by,
    holders,
    splits_among,
    within,
)
from data.patient_names import note_of_runs, runs_of
from data.spare_folders import spare_among
from data.split_words import PATIENT, is_unsure_split, split_of, splits_of
from data.words import LeftOut, meaning_of
from metrics.names import canonical

LOOSE = "which lie beside the class folders and have no label"
UNLABELLED = "which lie in a split without class folders: show them to the model with predict.py"
BESIDE = "which lie beside the split folders and in none of them"
BESIDE_FOLDS = "which lie beside the fold folders and in none of them"
SPARE = "which lie in a folder that is no class by its name, beside folders that are"
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


class Layout:
    """Where each image has its place.

    Forms that are understood: class folders; split folders around them, or inside them; any of
    these within lone folders; and, unless ``direct``, class folders inside those of patients, of
    folds, or of others that all hold the same. Where two of them may be meant, ``fault`` says so.

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
        self.fault = ""
        self._patients: dict[str, str] = {}  # their folders, by what is the same in all spellings
        self._known = set(known)
        self._direct = direct
        spare = spare_among(images, self._means_class)
        self.left_out.add(SPARE, spare)
        folders = {name: tuple(name.split("/")[:-1]) for name in images if name not in spare}
        self._outside_in(folders)

    @property
    def labels(self) -> set[str]:
        """The names of all class folders."""
        return {place.label for place in self.places.values()}

    def _outside_in(self, folders: Folders) -> None:
        folders, beside = self._inside_lone_folders(folders)
        self.left_out.add(LOOSE, beside)
        splits = splits_among(folders)
        if not splits:
            self._classes(folders, "")
            self._splits_inside_classes(folders)
            return
        parts = {child: inner for child, inner in within(folders).items() if child in splits}
        rest = {
            name: parts for name, parts in folders.items() if not parts or parts[0] not in splits
        }
        around = self._class_names(rest)
        for child, split in splits.items():
            self._known |= self._sure(parts[child], split, around)
        if any(child != split for child, split in splits.items()):
            told = ", ".join(f"{child} is {split}" for child, split in splits.items())
            self.notes.append(f"split folders: {told}")
        if "train" in splits.values() or not any(map(self._means_class, around)):
            self.left_out.add(BESIDE, rest)
        else:
            self._known |= around
            self._classes(rest, "train")
            self.notes.append("images outside the split folders are taken for train")
        for child, split in splits.items():
            self._classes(parts[child], split)

    def _sure(self, folders: Folders, split: str, around: set[str]) -> set[str]:
        """The class folders of a split, where they stand side by side, or ``around`` it too."""
        names = self._class_names(self._inside_lone_folders(folders)[0])
        sure = split == "train" or any(map(self._means_class, names)) or names <= around
        return names if len(names) > 1 and sure else set()

    def _class_names(self, folders: Folders) -> set[str]:
        holding = self._holders(folders)
        if not holding:
            return first(folders)
        held = held_by(folders)
        return set().union(*(held[child] for child in holding))

    def _holders(self, folders: Folders) -> set[str]:
        return set() if self._direct else holders(folders, self._means_class)

    def _means_class(self, name: str) -> bool:
        return bool(meaning_of(name)) or name.strip() in self._known or name in self._known

    def _inside_lone_folders(self, folders: Folders) -> tuple[Folders, set[str]]:
        """The images as seen from the lone folders around them, and those beside such folders."""
        beside: set[str] = set()
        while True:
            inner = {name: parts for name, parts in folders.items() if parts}
            children = first(inner)
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
        if not self._direct:
            self.fault = self.fault or fault_of(folders, self._means_class)
        names = self._class_names(folders)
        are_numbers = names <= NUMBERS and (self._direct or self._known <= NUMBERS)
        are_classes = are_numbers or any(map(self._means_class, names))
        other_split = split in ("val", "test") and self._known
        if not names or (other_split and not are_classes):
            self.left_out.add(UNLABELLED if split else LOOSE, folders)
            return
        holding = self._holders(folders)
        depth = 2 if holding else 1
        loose = [name for name, parts in folders.items() if len(parts) < depth]
        self.left_out.add(LOOSE, loose)
        inner = {name: parts for name, parts in folders.items() if len(parts) >= depth}
        if holding:
            self._held(inner, holding, split)
            return
        if not self._direct and not are_classes and are_alike(held := held_by(inner)):
            inside = " and ".join(f"{name}/" for name in sorted(next(iter(held.values())))[:3])
            self.notes.append(
                f"the classes are {' and '.join(sorted(held)[:4])}, and not the folders in each of "
                f"them, such as {inside}"
            )
        for name, parts in inner.items():
            self.places[name] = Place(split, parts[0])

    def _held(self, folders: Folders, holding: set[str], split: str) -> None:
        """Class folders inside others, which are those of patients, folds or hospitals."""
        folds = folds_among(holding)
        named = all(map(PATIENT.fullmatch, holding))
        are_patients = (named or len(holding) > MANY) and not folds
        guessed = "" if are_patients or folds else guess_of(held_by(folders), holding)
        are_patients = are_patients or bool(guessed)
        runs = runs_of(holding) if are_patients else {}
        self.notes += note_of_runs(runs)
        beside = {name for name, parts in folders.items() if parts[0] not in holding}
        self.left_out.add(BESIDE_FOLDS, beside)
        for name, parts in folders.items():
            if name not in beside:
                folder = runs.get(parts[0], parts[0])
                patient = self._patients.setdefault(canonical(folder), folder)
                self.places[name] = Place(split, parts[1], patient if are_patients else "")
        if folds:
            self._note_folds(folds)
            return
        means = "a patient each" if are_patients else "not patients; if they are, --group ties them"
        self.notes.append(
            f"the class folders lie inside {len(holding)} folders such as {min(holding)}, which "
            f"are taken for {means}{guessed}"
        )

    def _note_folds(self, folds: set[str]) -> None:
        self.notes.append(
            f"the images lie in {len(folds)} folds such as {min(folds)}/, which are not kept: "
            "data.prepare makes folds of its own"
        )

    def _splits_inside_classes(self, folders: Folders) -> None:
        """normal/train, normal/test: the split is that of the folders inside the classes."""
        deep = {name: name.split("/")[:-1] for name in self.places}
        deeper = {
            name: parts[parts.index(self.places[name].label) + 1 :] for name, parts in deep.items()
        }
        named = {part for parts in deeper.values() for part in parts}
        if not self._direct and len(folds := folds_among(named)) > 1:
            self._note_folds(folds)
        splits = splits_of(named)
        if all(map(is_unsure_split, splits)) and len(set(splits.values())) < 2:
            return
        found = {
            name: next((splits[part] for part in parts if part in splits), "")
            for name, parts in deeper.items()
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
