"""Files whose names a table writes otherwise than the folder does."""

import unicodedata
from pathlib import Path

import pytest

from data import sources
from data.listed_files import ListedFiles
from data.readers import DataError
from tests.test_class_words import png

ACCENTED = "Gef\u00e4\u00df \u00e9.png"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("a.png", "b.png"):
        png(tmp_path / "images" / name)
    return tmp_path


def listed(root: Path, *names: str) -> list[str]:
    """The paths of the images that a manifest of these names lists."""
    rows = [f"{name},{label}" for name, label in zip(names, ("normal", "abnormal"), strict=True)]
    (root / "manifest.csv").write_text("\n".join(["path,label", *rows]), encoding="utf-8")
    return [sample.path for sample in sources.find(root, None, [])[1]]


@pytest.mark.parametrize(("table", "disk"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_accents_that_another_system_wrote_are_the_same(
    root: Path, table: "unicodedata._NormalizationForm", disk: "unicodedata._NormalizationForm"
) -> None:
    stored = f"images/{unicodedata.normalize(disk, ACCENTED)}"
    png(root / stored)
    written = f"images/{unicodedata.normalize(table, ACCENTED)}"
    assert listed(root, "images/a.png", written) == sorted(["images/a.png", stored])


def test_of_two_spellings_on_the_disk_the_one_that_is_written_is_taken(root: Path) -> None:
    both = [f"images/{unicodedata.normalize(form, ACCENTED)}" for form in ("NFC", "NFD")]
    for name in both:
        png(root / name)
    assert listed(root, *both) == sorted(both)


@pytest.mark.parametrize("name", ["a.png", "a", "other/a.png"])
def test_a_name_that_lies_elsewhere_is_refused_with_the_path_to_write(
    root: Path, name: str
) -> None:
    with pytest.raises(DataError, match=rf"such as images/a.png for {name}$"):
        listed(root, name, "images/b.png")


def test_a_name_that_is_nowhere_gets_no_advice(root: Path) -> None:
    assert ListedFiles(root).advice("images/c.png") == ""
    with pytest.raises(DataError, match=r"line 2: no such file \S+c.png$"):
        listed(root, "images/c.png", "images/b.png")


def test_a_whole_path_into_the_folder_is_the_part_below_it(root: Path) -> None:
    paths = listed(root, str(root / "images" / "a.png"), "./images/../images/b.png")
    assert paths == ["images/a.png", "images/b.png"]
    notes: list[str] = []
    sources.find(root, None, notes)
    assert "does not list" not in "".join(notes)


@pytest.mark.parametrize(
    ("folders", "split", "words"),
    [
        (("abnormal", "normal"), "", "the label of 2 images differs"),
        (
            ("train/x", "val/x"),
            "val train",
            "the split of 2 images differs",
        ),
        (("healthy", "CAD"), "", ""),
        (("train/normal", "val/CAD"), "train val", ""),
    ],
)
def test_a_row_that_contradicts_the_folders_is_said(
    tmp_path: Path, folders: tuple[str, str], split: str, words: str
) -> None:
    rows = ["path,label,split"]
    labels = ("normal", "abnormal")
    for folder, label, side in zip(folders, labels, split.split() or ["", ""], strict=True):
        png(tmp_path / folder / "a.png")
        rows.append(f"{folder}/a.png,{label},{side}")
    (tmp_path / "manifest.csv").write_text("\n".join(rows))
    notes: list[str] = []
    sources.find(tmp_path, None, notes)
    assert words in "".join(notes)
    assert words or "differs from the name" not in "".join(notes)
