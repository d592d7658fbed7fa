"""What lies in a folder: images, the masks beside them, and what is neither."""

import os
import re
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from data.foreign import FOREIGN, is_foreign
from data.label_folders import classes_in_labels
from data.mask_levels import picture_size
from data.mask_names import is_mask_folder
from data.masks import LONE, tell_apart
from data.readers import SUFFIXES, DataError, kind_of
from data.words import LeftOut

# of network drives, macOS, Windows and Linux, around pictures that they make themselves
SYSTEM_FOLDERS = {"@eadir", "__macosx", "$recycle.bin", "#recycle", "@recycle", "lost+found"}
SYSTEM_FOLDERS |= {"system volume information", "@recently-snapshot", "__pycache__"}
# files by which a folder of our own commands is known: all of a line have to be there
OWN_FOLDERS = (
    ("dataset.json", "manifest.csv"),
    ("audit.json",),
    ("ViT.ckpt",),
    ("best.ckpt",),
    ("last.ckpt",),
    ("finished.json",),
)
OWN_FILES = ("contact_sheet.png", "audit.png")
PREDICTIONS = "predictions.csv"  # lies beside the figures that predict.py draws
FIGURE = b"tEXtSoftware\0Matplotlib"  # among the first bytes of a PNG
OWN_TABLES = ("manifest.csv", "dataset.json")
# classes of DICOM objects without a picture: a directory, reports, plans, curves, documents
NO_PICTURE = re.compile(
    rb"1\.2\.840\.10008\.(1\.3\.10|5\.1\.4\.1\.1\.(88\.\d+|11\.\d+|104\.\d+|9\.\d+\.\d+|66(\.\d+)?"
    rb"|481\.[3589]|67))(?![0-9.])"
)
HEAD = 2000  # bytes of a DICOM file that hold its class
OURS = "which lie in a folder that this program made"
HIDDEN = "which are hidden or kept by the system"
NO_IMAGE = "which are no images"
UNREAD = "which cannot be opened"
DRAWN = "which this program drew"
TWICE = "which are reached by another name too"


@dataclass
class Tree:
    """What lies below a folder, as paths relative to it with forward slashes.

    Args:
        root: the folder.
        masks: for each image the file of its mask, or empty.
        left_out: all other files.
        empty: folders without anything in them.
    """

    root: Path
    masks: dict[str, str] = field(default_factory=dict)
    left_out: LeftOut = field(default_factory=LeftOut)
    empty: list[str] = field(default_factory=list)

    @property
    def images(self) -> list[str]:
        """The images in the order of their paths."""
        return sorted(self.masks)


def look(root: Path) -> Tree:
    """All files below a folder. Links are followed as long as they stay inside it.

    Raises:
        DataError: links that lead out of it and names that are no text, a line each.
    """
    walk = _Walk(root)
    walk.run()
    if walk.faults:
        raise DataError("\n".join(walk.faults))
    tree = Tree(root, left_out=walk.left_out, empty=sorted(walk.empty))
    images = []
    for real, names in walk.images.items():
        first, *others = sorted(names, key=lambda name: (name.count("/"), name != real, name))
        images.append(first)
        tree.left_out.add(TWICE, others)
    tree.masks, no_images = tell_apart(images, lambda name: picture_size(root / name))
    tree.masks, lone = classes_in_labels(root, tree.masks, no_images.files.pop(LONE, []))
    for reason, left_out in [(LONE, lone), *no_images.files.items()]:
        tree.left_out.add(reason, left_out)
    return tree


def is_image(path: Path, folder: Path) -> bool:
    """Whether a file below ``folder`` is an image of its own, by its content.

    It is not hidden, no mask, and not what our commands draw.
    """
    inside = path.parts[len(folder.parts) :]
    if not path.is_file() or any(_is_hidden(part) for part in inside):
        return False
    return not any(is_mask_folder(part) for part in inside[:-1]) and not why_no_image(path)


def why_no_image(path: Path) -> str:
    """Why a file is no image; empty if it is one, or is called one and may be damaged."""
    if path.name in OWN_FILES or _is_predicted(path):
        return DRAWN
    if path.name.upper() == "DICOMDIR":
        return NO_IMAGE
    called = path.suffix.lower() in SUFFIXES
    try:
        kind = kind_of(path)
        if kind == "DICOM" and path.is_file():
            with open(path, "rb") as file:
                return NO_IMAGE if NO_PICTURE.search(file.read(HEAD)) else ""
    except (DataError, OSError):
        kind = ""
    if kind or called:
        return ""
    return FOREIGN if is_foreign(path) else NO_IMAGE


def _is_predicted(path: Path) -> bool:
    """Whether a file is a figure of predict.py."""
    if path.suffix.lower() != ".png" or not (path.parent / PREDICTIONS).is_file():
        return False
    try:
        with open(path, "rb") as file:
            return FIGURE in file.read(HEAD)
    except OSError:
        return False  # reading it tells why


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name.lower() in SYSTEM_FOLDERS or name.startswith("__MACOSX")


@dataclass(frozen=True)
class _Folder:
    """A folder on the way: its name below the root, and what holds for all in it."""

    name: str  # empty, or ending in a slash
    real: str  # after all links
    reason: str  # why nothing in it is an image, else empty
    above: frozenset[str]  # the folders that it lies in, and itself, after all links


class _Walk:
    """Every way to a file below a folder; a folder that contains itself is entered once."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.real_root = os.path.realpath(root)
        self.images: dict[str, list[str]] = defaultdict(list)  # of each file all its names
        self.left_out = LeftOut()
        self.faults: list[str] = []
        self.empty: list[str] = []
        self._waiting = [_Folder("", self.real_root, "", frozenset([self.real_root]))]

    def run(self) -> None:
        """Look at all files."""
        while self._waiting:
            folder = self._waiting.pop()
            try:
                entries = list(os.scandir(folder.real))
            except OSError as error:
                self.faults.append(
                    f"{self.root / folder.name}: not readable: {error.strerror}; mend or remove it"
                )
                continue
            if not (entries or folder.reason):
                self.empty.append(folder.name)
            for entry in entries:
                self._take(entry, folder)

    def _take(self, entry: "os.DirEntry[str]", folder: _Folder) -> None:
        name = f"{folder.name}{entry.name}"
        reason = folder.reason or (HIDDEN if _is_hidden(entry.name) else "")
        if not _is_text(name):
            self.faults.append(f"{str(self.root / name)!a} is no usable name; rename the file")
            return
        real = f"{folder.real}/{entry.name}"
        if entry.is_symlink():
            real = os.path.realpath(real)
            if not Path(real).exists():
                self.left_out.add(reason or UNREAD, [name])
                return
            if not f"{real}{os.sep}".startswith(f"{self.real_root}{os.sep}"):
                self._outside(name, real, reason)
                return
        if Path(real).is_dir():
            if real not in folder.above:  # else all in it is found already
                reason = reason or (OURS if _is_ours(real) else "")
                inner = _Folder(f"{name}/", real, reason, folder.above | {real})
                self._waiting.append(inner)
        elif folder.name or entry.name not in OWN_TABLES:
            reason = reason or why_no_image(Path(real))
            if reason:
                self.left_out.add(reason, [name])
            else:
                self.images[os.path.relpath(real, self.real_root)].append(name)

    def _outside(self, name: str, real: str, reason: str) -> None:
        """What a link leads to that is not in the folder: a folder or an image is refused."""
        may_be_image = Path(real).is_dir() or Path(name).suffix.lower() in ("", *SUFFIXES)
        if reason or not may_be_image:
            self.left_out.add(reason or NO_IMAGE, [name])
        else:
            self.faults.append(
                f"{self.root / name} lies outside {self.root}; nothing there is read; "
                "put the files themselves there, or remove the link"
            )


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_ours(folder: str) -> bool:
    """Whether one of our commands has made a folder."""
    sets = ([Path(folder, name) for name in names] for names in OWN_FOLDERS)
    return folder.endswith(".partial") or any(
        all(file.exists() for file in files) for files in sets
    )
