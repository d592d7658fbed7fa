"""The rows of a ProcessedFolder's manifest: what they may say, which files they have to name."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from data import processed
from data.inputs import find, gather
from data.preprocessing import Preprocessing
from data.readers import DataError
from data.samples import Sample
from data.tables import Row, read_table, write_table
from tests.conftest import CONFIGURATION
from tests.test_dataset import first_form
from training.data_checks import check_images

NAMES = ["normal", "abnormal"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """As data.prepare makes one, of 2 classes with 8 images for training and 2 for validation."""
    rng = np.random.default_rng(0)
    samples = []
    for label, i in ((label, i) for label in NAMES for i in range(10)):
        split = "val" if i in (3, 4) else "train"
        path = f"{split}/{label}/p{i}.npy"
        (tmp_path / "PF" / path).parent.mkdir(parents=True, exist_ok=True)
        np.save(tmp_path / "PF" / path, rng.integers(0, 256, (32, 32), np.uint8))
        samples.append(Sample(path, split, label, f"{label}{i}", str(i % 5), sha256=f"{label}{i}"))
    processed.write(tmp_path / "PF", samples, {"class_names": NAMES, "notes": []})
    return tmp_path / "PF"


def edited(folder: Path, change: Callable[[list[Row]], object]) -> Path:
    """The folder, with a manifest in which something is changed."""
    rows = read_table(folder / "manifest.csv")
    change(rows)
    write_table(folder / "manifest.csv", rows)
    return folder


def setting(column: str, *values: str) -> Callable[[list[Row]], object]:
    """Puts values into the first rows for training."""

    def change(rows: list[Row]) -> None:
        chosen = [row for row in rows if row["split"] == "train"]
        for row, value in zip(chosen, values, strict=False):
            row[column] = value

    return change


def test_other_words_for_a_split_mean_it(folder: Path) -> None:
    before = processed.load(folder)
    words = setting("split", "Train", "training", " train ", "TRAINING_SET")
    assert processed.load(edited(folder, words)).samples == before.samples


@pytest.mark.parametrize("word", ["trian", "", "both"])
def test_a_split_of_no_known_word_is_a_fault_of_its_row(folder: Path, word: str) -> None:
    edited(folder, setting("split", word, word))
    with pytest.raises(DataError, match="2 faults") as error:
        processed.load(folder)
    said = [line for line in str(error.value).splitlines()[1:] if line.startswith(str(folder))]
    assert [line.split(": ")[1] for line in said] == 2 * [
        f"got split {word!r}, wanted train, val or test"
    ]


def again(path: str, label: str = "normal") -> Callable[[list[Row]], object]:
    """A further row of the first image, ``path`` being made of its folders and its name."""

    def change(rows: list[Row]) -> None:
        row = next(row for row in rows if row["label"] == "abnormal")
        split, class_, name = row["path"].split("/")
        written = path.format(split=split, label=class_, name=name)
        rows.append(row | {"path": written, "label": label})

    return change


SPELLINGS = [
    "{split}/{label}/{name}",
    "./{split}/{label}/{name}",
    "{split}//{label}/{name}",
    "{split}/{label}/../{label}/{name}",
]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_an_image_listed_twice_is_refused_by_training(folder: Path, spelling: str) -> None:
    edited(folder, again(spelling))
    said = r"1 faults\n.*manifest\.csv: \S+\.npy is listed more than once, as (ab)?normal and as "
    with pytest.raises(DataError, match=said):
        processed.load(folder)


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_an_image_listed_twice_is_refused_by_prediction(folder: Path, spelling: str) -> None:
    edited(folder, again(spelling))
    with pytest.raises(DataError, match=r"manifest\.csv: \S+\.npy is listed more than once, as"):
        gather(find(str(folder / "val")), NAMES, folder / "val")


def test_an_image_listed_twice_under_one_label_is_refused_too(folder: Path) -> None:
    edited(folder, again(SPELLINGS[0], "abnormal"))
    with pytest.raises(DataError, match=r"\S+\.npy is listed more than once; keep one row"):
        processed.load(folder)


def test_a_raw_table_that_lists_an_image_twice_tells_no_truth(
    tmp_path: Path, pictures: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    raw = pictures()
    rows = [{"path": "normal/p00.png", "label": label} for label in NAMES]
    write_table(raw / "manifest.csv", rows)
    (item,) = gather([raw / "normal" / "p00.png"], NAMES)
    assert item.truth == ""
    assert "normal/p00.png is listed more than once" in capsys.readouterr().err


def test_folds_as_pandas_writes_them_are_whole_numbers(folder: Path) -> None:
    before = processed.load(folder)

    def as_pandas(rows: list[Row]) -> None:
        for row in rows:
            row["fold"] = f"{row['fold']}.0"

    assert processed.load(edited(folder, as_pandas)).samples == before.samples


def test_training_images_without_a_fold_are_refused(folder: Path) -> None:
    edited(folder, setting("fold", "", " "))
    said = r"2 images of train and val have no fold, such as train/\S+\.npy; "
    with pytest.raises(DataError, match=said):
        processed.load(folder)


def test_a_test_image_with_a_fold_is_refused(folder: Path) -> None:
    edited(folder, setting("split", "test"))
    said = r"1 images of test have a fold, such as train/\S+\.npy; "
    with pytest.raises(DataError, match=said):
        processed.load(folder)


def without_folds(rows: list[Row]) -> None:
    for row in rows:
        row["fold"] = ""


def test_a_folder_without_any_fold_is_read(folder: Path) -> None:
    assert processed.load(edited(folder, without_folds)).folds == 0


def from_one(rows: list[Row]) -> None:
    for row in rows:
        row["fold"] = str(int(row["fold"]) + 1)


def with_gap(rows: list[Row]) -> None:
    for row in rows:
        row["fold"] = row["fold"].replace("2", "7")


def with_words(rows: list[Row]) -> None:
    for row in rows:
        row["fold"] = row["fold"].replace("2", "two")


@pytest.mark.parametrize(
    ("change", "got"),
    [(from_one, "1, 2, 3, 4, 5"), (with_gap, "0, 1, 3, 4, 7"), (with_words, "0, 1, 3, 4, two")],
)
def test_folds_that_are_not_counted_from_0_are_refused(
    folder: Path, change: Callable[[list[Row]], object], got: str
) -> None:
    edited(folder, change)
    with pytest.raises(DataError, match=f"got the folds {got}, wanted whole numbers from 0"):
        processed.load(folder)


def test_a_box_outside_its_image_is_a_fault_each(folder: Path) -> None:
    edited(folder, setting("lesion_boxes_xyxy", "300,310,340,350;1,1,5,5;-9,-9,-1,-1"))
    with pytest.raises(DataError, match=r"2 faults") as error:
        processed.load(folder)
    said = [line.split(": ")[1] for line in str(error.value).splitlines()[1:]]
    assert [words.split(" outside")[0] for words in said] == [
        "got the box 300,310,340,350",
        "got the box -9,-9,-1,-1",
    ]


def test_a_box_outside_its_image_is_no_empty_lesion_for_prediction(folder: Path) -> None:
    edited(folder, setting("lesion_boxes_xyxy", "300,310,340,350"))
    row = next(row for row in read_table(folder / "manifest.csv") if row["split"] == "train")
    (item,) = gather([folder / row["path"]], NAMES)
    with pytest.raises(DataError, match=r"\.npy: got the box 300,310,340,350 outside the image"):
        item.lesion(Preprocessing(32, 0.5, 0.2))


def copied(name: str) -> Callable[[Path], None]:
    """Puts a copy of one of the images of train/abnormal into the folder."""

    def act(folder: Path) -> None:
        first = min([*folder.glob("train/abnormal/*.npy"), *folder.glob("train/1/*.npy")])
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if name.endswith("png"):
            cv2.imwrite(str(folder / name), np.eye(32, dtype=np.uint8))
        else:
            shutil.copy(first, folder / name)

    return act


def copied_folder(folder: Path) -> None:
    shutil.copytree(folder / "val", folder / "validation")


@pytest.mark.parametrize(
    ("act", "said"),
    [
        (copied("train/abnormal/new.png"), "1 images .* such as train/abnormal/new.png"),
        (copied("train/abnormal/q.NPY"), "1 images .* such as train/abnormal/q.NPY"),
        (copied("train/abnormal/more/q.npy"), "1 images .* such as train/abnormal/more/q.npy"),
        (copied("train/q.npy"), "1 images .* such as train/q.npy"),
        (copied_folder, r"[2-9] images .* such as validation/abnormal/\S+"),
    ],
)
def test_images_that_the_manifest_does_not_list_are_refused_wherever_they_lie_in_a_split(
    folder: Path, act: Callable[[Path], None], said: str
) -> None:
    act(folder)
    with pytest.raises(DataError, match=said.replace(".*", "are not listed in manifest.csv,")):
        processed.load(folder)


@pytest.mark.parametrize("name", ["train/0/a.png", "train/1/q.NPY", "train/1/more/q.npy"])
def test_images_of_another_kind_in_the_first_published_form_are_refused(
    tmp_path: Path, name: str
) -> None:
    first_form(tmp_path, {})
    copied(name)(tmp_path)
    said = rf"1 images are not read, such as {name}; wanted train/0/\*\.npy"
    with pytest.raises(DataError, match=said):
        processed.load(tmp_path)


def test_images_beside_the_splits_are_said(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copied("extra/new.png")(folder)
    processed.load(folder)
    assert "1 images lie outside its splits and are not used, such as extra/new.png" in (
        capsys.readouterr().err
    )


@pytest.mark.parametrize("name", [".DS_Store", "Thumbs.db", "._p00.npy", "notes.txt"])
def test_what_systems_leave_in_folders_is_no_fault(
    folder: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for place in (folder, folder / "train", folder / "train" / "abnormal"):
        (place / name).write_bytes(b"not an image")
    processed.load(folder)
    assert capsys.readouterr().err == ""


def ties_two_folds(rows: list[Row]) -> None:
    first = next(row for row in rows if row["fold"] == "3")
    other = next(row for row in rows if row["fold"] == "4")
    other["group"] = first["group"]


def test_a_group_in_two_folds_is_said_before_any_fold_is_trained(
    folder: Path,
) -> None:
    loaded = processed.load(edited(folder, ties_two_folds))
    said = (
        r"1 groups of images that belong together lie in two folds, as \S+\.npy \(fold [34]\), "
        r"\S+\.npy \(fold [34]\); "
    )
    with pytest.raises(DataError, match=said) as error:
        check_images(CONFIGURATION, loaded, folds=5)
    assert "--drop_leaks" not in str(error.value)
    check_images(replace(CONFIGURATION, allow_leaks=True), loaded, folds=5)
    check_images(CONFIGURATION, loaded)
