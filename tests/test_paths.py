"""Names and links: nothing outside a data folder is read or written, whatever its tables and links
say.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from data import processed, sources
from data.inputs import find, gather
from data.prepare import prepare
from data.readers import DataError
from data.tables import read_table, write_table
from tests.conftest import CONFIGURATION

LONG = "n" * 300 + ".png"
NAMES = [
    "../out.png",
    "/etc/passwd",
    "normal/../../out.png",
    "a\0b.png",
    LONG,
    "circle/a.png",
    "link.png",
]
STRANGE = (
    "[" * 100_000,
    "[]",
    '{"class_names": [1, 2]}',
    '{"std": 0}',
    '{"mean": NaN}',
    '{"window": ["a", 1]}',
    "{",
    "",
)


def image(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(
        cv2.imencode(".png", np.random.default_rng(0).integers(0, 256, (40, 32), np.uint8))[
            1
        ].tobytes()
    )
    return path


@pytest.fixture
def raw(tmp_path: Path, pictures: Callable[..., Path]) -> Path:
    """Class folders, an image beside them, a link to that and a link to itself."""
    raw = pictures()
    outside = image(tmp_path / "out.png")
    (raw / "link.png").symlink_to(outside)
    (raw / "circle").symlink_to(raw / "circle")
    return raw


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("column", ["path", "mask"])
def test_a_manifest_names_nothing_outside(raw: Path, name: str, column: str) -> None:
    row = {"path": "normal/p00.png", "label": "normal", "mask": ""} | {column: name}
    write_table(raw / "manifest.csv", [row])
    with pytest.raises(DataError) as error:
        sources.find(raw, None, [])
    assert "manifest.csv, line 2: " in str(error.value)
    assert len(str(error.value).splitlines()) == 1
    if column == "mask":
        with pytest.raises(DataError, match=r"manifest.csv(: |, line 2: )"):
            gather([raw / "normal" / "p00.png"], ["normal", "abnormal"])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("column", ["path", "mask"])
def test_nor_does_that_of_a_processed_folder(folder: Path, name: str, column: str) -> None:
    (folder / "link.png").symlink_to(image(folder.parent / "out.png"))
    (folder / "circle").symlink_to(folder / "circle")
    rows = read_table(folder / "manifest.csv")
    rows[0][column] = name
    write_table(folder / "manifest.csv", rows)
    with pytest.raises(DataError, match=r"outside|no such file|no usable name|control character"):
        processed.load(folder)


def test_links_that_lead_out_of_the_folder_are_not_followed(raw: Path) -> None:
    (raw / "normal" / "p99.png").symlink_to(raw.parent / "out.png")
    for act in (
        lambda: sources.find(raw, None, []),
        lambda: find(str(raw)),
        lambda: find(f"{raw}/*/*.png"),
    ):
        with pytest.raises(DataError, match=r"lies outside .*; nothing there is read"):
            act()
    assert find(str(raw / "link.png")) == [raw / "link.png"]  # it was given


def test_nor_is_a_linked_class_or_array(tmp_path: Path, pictures: Callable[..., Path]) -> None:
    raw = pictures()
    other = pictures(name="other")
    (raw / "third").symlink_to(other / "normal")
    with pytest.raises(DataError, match="lies outside"):
        sources.find(raw, None, [])
    for split in ("train", "val"):
        for label in ("0", "1"):
            (tmp_path / "first" / split / label).mkdir(parents=True)
            np.save(tmp_path / "first" / split / label / "a.npy", np.zeros((16, 16), np.float16))
    (tmp_path / "first" / "train" / "0" / "b.npy").symlink_to("/dev/zero")
    with pytest.raises(DataError, match="lies outside"):
        processed.load(tmp_path / "first")


def test_spaces_unicode_and_long_names_are_kept(
    tmp_path: Path, pictures: Callable[..., Path]
) -> None:
    raw = pictures(name="Ärzte 心 bilder")
    long = "é" * 100 + ".png"
    (raw / "normal" / "p00.png").rename(raw / "normal" / long)
    (raw / "normal" / "p01.png").rename(raw / "normal" / ("x" * 251 + ".png"))
    result = prepare(raw, tmp_path / "o u t", CONFIGURATION)
    assert len(processed.load(result.folder).samples) == 24
    assert {Path(sample.path).stem for sample in result.samples} >= {"é" * 100, "x" * 251}
    assert len(find(str(raw))) == 24


def test_a_name_that_is_no_text_is_said(raw: Path) -> None:
    (raw / "normal" / "p00.png").rename(raw / "normal" / os.fsdecode(b"\xff.png"))
    for act in (lambda: sources.find(raw, None, []), lambda: find(str(raw))):
        with pytest.raises(DataError, match="no usable name"):
            act()


@pytest.mark.parametrize("text", STRANGE)
def test_a_strange_dataset_json_is_one_line(folder: Path, text: str) -> None:
    (folder / "dataset.json").write_text(text)
    with pytest.raises(DataError, match=r"dataset.json: not readable") as error:
        processed.load(folder)
    assert len(str(error.value).splitlines()) == 1


def test_a_mask_of_another_shape_or_kind_is_a_fault(folder: Path) -> None:
    rows = read_table(folder / "manifest.csv")
    (folder / "masks").mkdir(exist_ok=True)
    np.save(folder / "masks" / "small.npy", np.zeros((3, 3), np.uint8))
    np.savez(folder / "masks" / "zip.npz", np.zeros((32, 32), np.uint8))
    (folder / "masks" / "zip.npz").rename(folder / "masks" / "zip.npy")
    rows[0]["mask"], rows[1]["mask"] = "masks/small.npy", "masks/zip.npy"
    write_table(folder / "manifest.csv", rows)
    with pytest.raises(DataError, match="2 faults"):
        processed.load(folder)


def test_prepare_says_what_it_cannot_write_in_a_line(raw: Path, tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "data.prepare",
        "--Path",
        raw,
        "--OUTPUT",
        tmp_path / ("n" * 255),
    ]
    run = subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, text=True)
    assert run.returncode == 1
    assert "Traceback" not in run.stderr
