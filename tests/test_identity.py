"""A ProcessedFolder is what it was made as: what a run is called after, and what is refused."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from data import processed
from data.expected import notes_of
from data.inputs import Input
from data.prepare import prepare
from data.preprocessing import Preprocessing
from data.processed import Processed
from data.readers import DataError
from tests.test_prepare import CONFIGURATION
from training.beginning import Beginning
from training.data_module import CoronaryData
from training.run import run_folder
from vit import checkpoint
from vit.checkpoint import Checkpoint
from vit.model import VisionTransformer

OUT = Path("out")


@pytest.fixture
def folder(tmp_path: Path, pictures: Callable[..., Path]) -> Path:
    prepare(pictures(), tmp_path / "PF", CONFIGURATION)
    return tmp_path / "PF"


def run_of(folder: Path) -> Path:
    return run_folder(OUT, Beginning(CONFIGURATION), processed.load(folder))


def invert_one(folder: Path) -> None:
    path = min(folder.glob("train/*/*.npy"))
    np.save(path, 255 - np.load(path))


def edit_info(key: str, value: object) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        path = folder / "dataset.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))

    return edit


def add_box(folder: Path) -> None:
    loaded = processed.load(folder)
    first, *rest = loaded.samples
    boxed = replace(first, lesion_boxes_xyxy="1,1,5,5")
    processed.write(folder, [boxed, *rest], loaded.info)


@pytest.mark.parametrize(
    "change",
    [
        invert_one,
        add_box,
        edit_info("border", 0.3),
        edit_info("mean", 0.123),
        edit_info("class_names", ["abnormal", "normal"]),
        edit_info("full_scale", 4095),
    ],
)
def test_a_folder_that_was_changed_is_another_run(
    folder: Path, change: Callable[[Path], None]
) -> None:
    before = run_of(folder)
    assert run_of(folder) == before
    change(folder)
    assert run_of(folder) != before


def test_a_folder_that_was_moved_is_the_same_run(folder: Path) -> None:
    before = run_of(folder)
    assert run_of(folder.rename(folder.with_name("moved"))) == before


def earlier_run(output: Path, loaded: Processed) -> Path:
    """An unfinished run as earlier versions named it."""
    name = f"{CONFIGURATION.fingerprint()}-{loaded.split_hash()[:6]}-1"
    run = output / "runs" / name
    run.mkdir(parents=True)
    preprocessing = CoronaryData(CONFIGURATION, loaded).preprocessing
    contents = Checkpoint(CONFIGURATION, loaded.class_names, preprocessing).plain()
    state = VisionTransformer(CONFIGURATION).state_dict()
    weights = {f"model.{name}": value for name, value in state.items()}
    checkpoint.save(contents | {"state_dict": weights}, run / "last.ckpt")
    return run


def test_an_unfinished_run_of_an_earlier_version_goes_on_over_the_same_preparation_alone(
    tmp_path: Path, folder: Path
) -> None:
    loaded = processed.load(folder)
    run = earlier_run(tmp_path / "out", loaded)
    assert run_folder(tmp_path / "out", Beginning(CONFIGURATION), loaded) == run
    edit_info("mean", 0.123)(folder)
    assert run_folder(tmp_path / "out", Beginning(CONFIGURATION), processed.load(folder)) != run


def test_changed_pixels_are_said(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    invert_one(folder)
    CoronaryData(CONFIGURATION, processed.load(folder))
    assert "1 images hold other pixels than data.prepare stored" in capsys.readouterr().err


def add_file(folder: Path) -> None:
    shutil.copy(min(folder.glob("train/abnormal/*.npy")), folder / "train/abnormal/new.npy")


def remove_file(folder: Path) -> None:
    min(folder.glob("train/abnormal/*.npy")).unlink()


def remove_manifest(folder: Path) -> None:
    (folder / "manifest.csv").unlink()


def remove_both(folder: Path) -> None:
    remove_manifest(folder)
    (folder / "dataset.json").unlink()


def blacken_one(folder: Path) -> None:
    np.save(min(folder.glob("val/*/*.npy")), np.zeros((16, 16), np.uint8))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (add_file, "1 images are not listed in manifest.csv, such as train/abnormal/new.npy"),
        (remove_file, "no such file .*train/abnormal"),
        (remove_manifest, "got dataset.json without manifest.csv"),
        (remove_both, "got no manifest.csv, and .* images in folders of other names than 0 and 1"),
        (blacken_one, "every pixel has the same value"),
    ],
)
def test_a_folder_that_is_not_what_it_was_made_as_is_refused(
    folder: Path, change: Callable[[Path], None], said: str
) -> None:
    change(folder)
    with pytest.raises(DataError, match=said):
        processed.load(folder)


PREPROCESSING = Preprocessing(32, 0.5, 0.2, border=0.1)


@pytest.mark.parametrize(
    ("key", "value"), [("border", 0.0), ("stretch", True), ("window", [40, 400])]
)
def test_a_folder_prepared_otherwise_than_the_model_learned_is_said(
    folder: Path, key: str, value: object
) -> None:
    for name, like in PREPROCESSING.plain().items():
        edit_info(name, like)(folder)
    item = Input(min(folder.glob("val/*/*.npy")), "a")
    assert notes_of([item], [], PREPROCESSING) == []
    edit_info(key, value)(folder)
    (note,) = notes_of([item], [], PREPROCESSING)
    assert note.startswith(f"PF: its images were prepared with {key} {value}")


def test_a_raw_npy_is_cut_and_one_of_a_prepared_folder_is_not(tmp_path: Path, folder: Path) -> None:
    path = min(folder.glob("val/*/*.npy"))
    alone = shutil.copy(path, tmp_path / "alone.npy")
    assert Input(path, "a").prepared
    assert not Input(alone, "b").prepared
    (note,) = notes_of([Input(alone, "b")], [], PREPROCESSING)
    assert note.startswith("1 .npy files lie in no ProcessedFolder, such as b")


def test_the_stored_pixels_of_floating_images_are_known_too(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).random((16, 16)).astype(np.float16)
    np.save(tmp_path / "a.npy", pixels)
    digest = processed.Processed(
        tmp_path, [processed.Sample("a.npy", "train", "x")], ["x", "y"], {}
    ).digests["a.npy"]
    assert digest in Input(tmp_path / "a.npy", "a").digests(Preprocessing(16, 0.5, 0.2))
