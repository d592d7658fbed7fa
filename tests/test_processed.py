"""ProcessedFolder: what loads as it is, what is refused, and where pixels and boxes come to lie."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from data import processed
from data.geometry import Placement, format_boxes, parse_boxes
from data.prepare import prepare
from data.readers import DataError
from tests.test_prepare import CONFIGURATION


def test_placement_crops_boxes_and_drops_those_cut_off() -> None:
    place = Placement(height=100, width=200, size=80, border=0.1)
    assert place.boxes([(100, 50, 110, 60), (0, 0, 15, 8)]) == [(40, 40, 45, 45)]


def test_boxes_survive_their_text() -> None:
    boxes = [(1.0, 2.0, 3.5, 4.0), (5.0, 6.0, 7.0, 8.0)]
    assert parse_boxes(format_boxes(boxes)) == boxes


def test_first_published_folder_loads_as_it_is(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for split in ("train", "val"):
        for label in ("0", "1"):
            (tmp_path / split / label).mkdir(parents=True)
            np.save(tmp_path / split / label / "a.npy", rng.random((16, 16, 1)).astype(np.float16))
    loaded = processed.load(tmp_path)
    assert loaded.class_names == ["normal", "abnormal"]
    assert loaded.image(loaded.of("val")[0]).shape == (16, 16)


def test_images_of_the_splits_that_train_stay_in_memory_up_to_a_limit(
    tmp_path: Path, pictures: Callable[..., Path]
) -> None:
    prepare(pictures(), tmp_path / "out", CONFIGURATION)
    whole = processed.load(tmp_path / "out")
    limited = processed.load(tmp_path / "out")
    first, *others = whole.of("train")
    pixels = np.array(whole.image(first))
    whole.keep(("train",))
    limited.keep(("train",), most=3 * pixels.nbytes // 2)
    for sample in whole.samples:
        (tmp_path / "out" / sample.path).unlink()
    assert np.array_equal(whole.image(first), pixels)
    assert np.array_equal(limited.image(first), pixels)
    assert all(whole.image(each).shape == pixels.shape for each in others)
    with pytest.raises(FileNotFoundError):
        limited.image(others[0])
    with pytest.raises(FileNotFoundError):
        whole.image(whole.of("val")[0])


def test_faults_of_a_processed_folder_are_listed_together(
    tmp_path: Path, pictures: Callable[..., Path]
) -> None:
    result = prepare(pictures(), tmp_path / "out", CONFIGURATION)
    first = result.samples[0].path
    second = result.samples[1].path
    (tmp_path / "out" / first).unlink()
    np.save(tmp_path / "out" / second, np.full((16, 16), np.nan, np.float16))
    with pytest.raises(DataError, match=r"2 faults(.|\n)*no such file(.|\n)*holds NaN or infinite"):
        processed.load(tmp_path / "out")


def test_empty_masks_of_normal_images_are_no_fault(
    tmp_path: Path, pictures: Callable[..., Path]
) -> None:
    raw = pictures()
    with (raw / "manifest.csv").open("w") as file:
        file.write("path,label,mask\n")
        for path in sorted(raw.rglob("p*.png")):
            mask = np.zeros((40, 32), bool)
            mask[3:9, 4:9] = path.parent.name == "abnormal"
            label = path.parent.name
            name = f"mask_{label}_{path.stem}.npy"
            np.save(raw / name, mask)
            file.write(f"{path.relative_to(raw).as_posix()},{label},{name}\n")
    result = prepare(raw, tmp_path / "out", CONFIGURATION)
    sums = {
        sample.label: int(np.load(tmp_path / "out" / sample.mask).sum())
        for sample in result.samples
    }
    assert sums["normal"] == 0
    assert sums["abnormal"] > 0


@pytest.mark.parametrize(
    ("names", "ordered"),
    [
        ({"disease", "normal"}, ["normal", "disease"]),
        ({"calcified", "normal", "soft"}, ["normal", "calcified", "soft"]),
        ({"positive", "negative"}, ["negative", "positive"]),
        ({"0", "1"}, ["0", "1"]),
    ],
)
def test_normal_is_first_and_positive_last(names: set[str], ordered: list[str]) -> None:
    assert processed.order_classes(names, None) == ordered
