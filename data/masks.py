"""Masks beside images: which file is the mask of which image, by names, and by what it holds."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from posixpath import splitext

from data import mask_names
from data.mask_names import bare
from data.words import LeftOut, letters, meaning_of

LONE = "which look like masks but belong to no image, or to several"
SEVERAL = "which are one of several masks of an image: draw all its lesions into one file"
OF_OTHERS = "which are masks of something else than lesions"
COPIES = "which are annotated copies: named as a mask of another image, but pictures"
SOME = 5  # files of a folder, or a few more, that tell whether it holds masks

Size = tuple[int, ...] | None
Parts = tuple[str, ...]  # the folders that a file lies in, from the outside in
Marks = Mapping[Parts, tuple[str, str]]  # of folders of masks: name without their words, and these


def tell_apart(
    images: list[str], picture_size: Callable[[str], Size]
) -> tuple[dict[str, str], LeftOut]:
    """Tell masks from images.

    Args:
        images: relative paths with forward slashes.
        picture_size: height and width of one of them if it is a picture; None: it is a mask. It is
            asked where names say mask.

    Returns:
        for each image its mask, or empty; and the masks and copies that are of no use.
    """
    size_of = cache(picture_size)
    names = _Names(images)
    drawn = dict(names.drawn(size_of))
    if drawn:
        names = _Names(images, drawn)
    return names.paired(size_of)


def pair(images: list[str]) -> tuple[dict[str, str], list[str]]:
    """As ``tell_apart``, by names that mean masks alone; all that is of no use in one list."""
    masks, left_out = _Names(images).paired(lambda name: None)
    return masks, [name for names in left_out.files.values() for name in names]


class _Names:
    """Files by what their names say they are: an image, a mask of one, or a mask of none."""

    def __init__(self, images: list[str], marks: Marks | None = None) -> None:
        folders = {_parts(name)[:end] for name in images for end in _ends(name)}
        by_name = _marks_by_name(folders, mask_names.is_mask_folder)
        self.marks = {**by_name, **(marks or {})}
        self._may_be = _marks_by_name(folders, mask_names.may_be_mask_folder)
        self.images: list[str] = []
        self.owners: dict[str, list[str]] = {}  # of masks by name: the images it may belong to
        self.words: dict[str, str] = {}  # of masks by name
        self._by_place: dict[tuple[Parts, str], list[str]] = defaultdict(list)
        self._below: dict[tuple[Parts, str], list[str]] = defaultdict(list)  # at any depth
        self._beside: dict[Parts, set[str]] = defaultdict(set)  # the folders in a folder
        for folder in folders:
            self._beside[folder[:-1]].add(folder[-1])
        inside = [name for name in images if _mark_around(name, self.marks)]
        for name in sorted(set(images) - set(inside), key=lambda name: (len(_stem(name)), name)):
            self._take_plain(name)
        for name in inside:
            self.owners[name] = self._owners(name, self.marks)

    def drawn(self, size_of: Callable[[str], Size]) -> Iterator[tuple[Parts, tuple[str, str]]]:
        """Folders whose name may mean masks or images, and that hold masks or copies of images."""
        files = defaultdict(list)
        for name in self.images:
            if folder := _mark_around(name, self._may_be):
                files[folder].append(name)
        for folder, names in files.items():
            own, words = mark = self._may_be[folder]
            marks = {**self.marks, folder: mark}
            owned = [name for name in names if self._owners(name, marks)]
            beside = [name for name in owned if self._owners(name, marks, around=False)]
            if self._is_class(folder):
                continue
            may_be_copies = not meaning_of(folder[-1]) and not (
                own and mask_names.is_finding(words)
            )
            are_copies = len(beside) == len(names) and may_be_copies
            some = owned[:: max(1, len(owned) // SOME)]
            are_masks = 2 * len(owned) >= len(names) and 2 * sum(
                size_of(name) is not None for name in some
            ) < len(some)
            if are_copies or are_masks:
                yield folder, mark

    def paired(self, size_of: Callable[[str], Size]) -> tuple[dict[str, str], LeftOut]:
        """What ``tell_apart`` returns."""
        masks: dict[str, list[str]] = defaultdict(list)
        left_out = LeftOut()
        for name, owners in self.owners.items():
            size = size_of(name) if len(owners) < 2 else None
            if not owners and size is not None and mask_names.is_numbered_mask(_stem(name)):
                self.images.append(name)
            elif len(owners) != 1:
                left_out.add(LONE, [name])
            elif size is not None and size_of(owners[0]) not in (None, size):
                self.images.append(name)  # a piece of the other one, and no copy
            elif size is not None:
                left_out.add(COPIES, [name])
            elif mask_names.means_others(self.words[name]):
                left_out.add(OF_OTHERS, [name])
            else:
                masks[owners[0]].append(name)
        for found in masks.values():
            left_out.add(SEVERAL, found if len(found) > 1 else [])
        alone = {image: found[0] for image, found in masks.items() if len(found) == 1}
        return {image: alone.get(image, "") for image in self.images}, left_out

    def _take_plain(self, name: str) -> None:
        """A file outside folders of masks, after all of its place that have a shorter name."""
        stem = _stem(name)
        place, _ = _place(name, self.marks)
        for other, words in mask_names.without_mask_words(stem):
            if owners := self._by_place.get((place, other)):
                self.owners[name], self.words[name] = _exact(name, owners), words
                return
        if mask_names.is_mask_alone(stem) or mask_names.is_numbered_mask(stem):
            self.owners[name] = []
            return
        self.images.append(name)
        self._by_place[place, bare(stem)].append(name)
        parts = _parts(name)
        for end in range(len(parts) + 1):
            self._below[parts[:end], bare(stem)].append(name)

    def _owners(self, name: str, marks: Marks, around: bool = True) -> list[str]:
        """The images of a mask in a folder of masks: in its place, else around that folder."""
        place, of_folders = _place(name, marks)
        others = [(bare(_stem(name)), ""), *mask_names.without_mask_words(_stem(name))]
        for other, words in others:
            self.words[name] = f"{of_folders} {words}"
            if owners := self._by_place.get((place, other)):
                return _exact(name, owners)
        folder = _mark_around(name, marks)
        for other, words in others if around else []:
            self.words[name] = f"{of_folders} {words}"
            around_it = self._below.get((folder[:-1], other), [])
            if owners := [image for image in around_it if _parts(image)[: len(folder)] != folder]:
                return _exact(name, owners)
        return []

    def _is_class(self, folder: Parts) -> bool:
        """Whether a folder that may hold masks is a class by its name, beside another class."""
        others = self._beside[folder[:-1]] - {folder[-1]}
        names = {name for name, _ in mask_names.without_mask_words(folder[-1])}
        # abnormal_lesions beside abnormal, or lesions/abnormal
        if names & set(map(bare, others)) or self._beside[folder] & others:
            return False
        return bool(meaning_of(folder[-1])) and any(map(meaning_of, others))


def _marks_by_name(folders: set[Parts], is_mask: Callable[[str], bool]) -> Marks:
    """Folders of masks: by words alone, or such as normal_masks beside normal.

    ``is_mask``: whether words mean masks.
    """
    by_name = {(folder[:-1], bare(folder[-1])): folder[-1] for folder in sorted(folders)}
    marks = {}
    for folder in folders:
        *_, name = folder
        if is_mask(name):
            marks[folder] = ("", name)
            continue
        for other, words in mask_names.without_mask_words(name):
            if (folder[:-1], other) in by_name and is_mask(words):
                marks[folder] = (by_name[folder[:-1], other], words)
                break
    return marks


def _place(name: str, marks: Marks) -> tuple[Parts, str]:
    """Where the image of a mask lies, and the words of the folders of masks around it."""
    place, words = [], []
    parts = _parts(name)
    for end in _ends(name):
        own, of_mask = marks.get(parts[:end], (parts[end - 1], ""))
        if own and letters(own) != "images":
            place.append(own)
        words.append(of_mask)
    return tuple(place), " ".join(words)


def _exact(name: str, owners: list[str]) -> list[str]:
    """Of images whose names differ only in case, those that are written as in the mask's name."""
    ends = _stem(name).startswith, _stem(name).endswith
    return [each for each in owners if any(end(_stem(each)) for end in ends)] or owners


def _mark_around(name: str, marks: Marks) -> Parts:
    """The outermost folder of masks that a file lies in; empty where there is none."""
    parts = _parts(name)
    return next((parts[:end] for end in _ends(name) if parts[:end] in marks), ())


def _stem(name: str) -> str:
    return splitext(name.rpartition("/")[2])[0]


def _parts(name: str) -> Parts:
    return tuple(name.split("/")[:-1])


def _ends(name: str) -> range:
    """How many of its folders, from the outside in, each folder around a file is."""
    return range(1, name.count("/") + 1)
