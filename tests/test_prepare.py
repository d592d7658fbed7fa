"""data.prepare: what becomes of folders, manifests, splits, boxes, masks and damaged files."""

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom.data import get_testdata_file

import CONFIG
from data import prepare as command
from data import processed
from data.prepare import prepare
from data.readers import DataError, read_grey

CONFIGURATION = CONFIG.Config(
    init="none", epochs=60, lr=1e-3, image_size=32, patch_size=8, border=0.1
)


def rows(folder: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((folder / "manifest.csv").open()))


def test_class_folders_become_a_processed_folder(
    tmp_path: Path, pictures: Callable[..., Path]
) -> None:
    result = prepare(pictures(), tmp_path / "out", CONFIGURATION)
    assert result.class_names == ["normal", "abnormal"]
    table = rows(tmp_path / "out")
    assert len(table) == 24
    assert {row["split"] for row in table} == {"train", "val"}
    for row in table:
        image = np.load(tmp_path / "out" / row["path"])
        assert image.shape == (32, 32)
        assert image.dtype == np.uint8
    info = json.loads((tmp_path / "out" / "dataset.json").read_text())
    train = (
        np.stack(
            [np.load(tmp_path / "out" / row["path"]) for row in table if row["split"] == "train"]
        )
        / 255
    )
    assert (info["mean"], info["std"]) == pytest.approx((train.mean(), train.std()))
    assert (tmp_path / "out" / "contact_sheet.png").stat().st_size > 10_000


def test_nested_folders_as_in_the_published_data_set(
    tmp_path: Path, pictures: Callable[..., Path]
) -> None:
    pictures(name="raw/Coronary_Artery/Dataset", suffix=".jpg")
    result = prepare(tmp_path / "raw", tmp_path / "out", CONFIGURATION)
    assert result.class_names == ["normal", "abnormal"]


def test_border_of_raw_class_folders_is_cut(tmp_path: Path, pictures: Callable[..., Path]) -> None:
    raw = pictures(height=100, width=100)
    for path in raw.rglob("*.png"):
        image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        image = np.minimum(image, 200)
        image[:9, :30] = 255  # burned-in text
        cv2.imwrite(str(path), image)
    result = prepare(raw, tmp_path / "out", CONFIGURATION)
    assert max(int(result.image(sample).max()) for sample in result.samples) <= 200
    assert any(
        note.startswith("10.00% of height and width is cut") for note in result.info["notes"]
    )


def test_given_split_is_kept_and_never_cropped(
    tmp_path: Path, pictures: Callable[..., Path]
) -> None:
    pictures(height=32, width=32, name="raw/train")
    pictures(count=6, height=32, width=32, name="raw/validation")
    result = prepare(tmp_path / "raw", tmp_path / "out", CONFIGURATION)
    assert (len(result.of("train")), len(result.of("val"))) == (24, 12)
    sample = result.of("val")[0]
    original = cv2.imread(str(tmp_path / "raw" / sample.source), cv2.IMREAD_GRAYSCALE)
    np.testing.assert_array_equal(result.image(sample), original)


def test_boxes_and_mask_follow_resize_and_padding(
    tmp_path: Path, pictures: Callable[..., Path]
) -> None:
    raw = pictures(height=64, width=32)
    with (raw / "manifest.csv").open("w") as file:
        file.write("path,label,lesion_boxes_xyxy,mask,site\n")
        for path in sorted(raw.rglob("p*.png")):
            name = path.relative_to(raw).as_posix()
            lesion = path.parent.name == "abnormal"
            mask = np.zeros((64, 32), np.uint8)
            mask[20:40, 8:24] = 255
            cv2.imwrite(str(raw / f"mask_{path.name}"), mask)
            extra = f'"8,20,24,40",mask_{path.name}' if lesion else ","
            file.write(f"{name},{path.parent.name},{extra},north\n")
    result = prepare(raw, tmp_path / "out", CONFIGURATION)
    sample = next(sample for sample in result.samples if sample.label == "abnormal")
    assert sample.boxes == [(12, 10, 20, 20)]  # halved, and moved by the 8 px of padding
    mask = np.load(tmp_path / "out" / sample.mask)
    assert (np.argwhere(mask).min(0).tolist(), np.argwhere(mask).max(0).tolist()) == (
        [10, 12],
        [19, 19],
    )
    assert sample.more == {"site": "north"}


def test_group_pattern_keeps_images_on_one_side(
    tmp_path: Path, pictures: Callable[..., Path]
) -> None:
    result = prepare(
        pictures(count=20), tmp_path / "out", CONFIGURATION, group=r"(normal|abnormal)/p0"
    )
    sides = {
        sample.split
        for sample in result.samples
        if "/p0" in sample.source and sample.label == "normal"
    }
    assert len(sides) == 1


@pytest.mark.parametrize(
    "change", [lambda image: np.roll(image, 3, axis=1), lambda image: image[:, ::-1]]
)
def test_shifted_and_mirrored_images_stay_on_one_side_and_pictures_are_counted(
    tmp_path: Path, pictures: Callable[..., Path], change: Callable[[NDArray], NDArray]
) -> None:
    raw = pictures(count=20, height=64, width=64)
    for label in ("normal", "abnormal"):
        for i in range(20):
            image = cv2.imread(str(raw / label / f"p{i:02d}.png"), cv2.IMREAD_GRAYSCALE)
            cv2.imwrite(str(raw / label / f"q{i:02d}.png"), change(image))
    result = prepare(raw, tmp_path / "out", CONFIGURATION)
    side = {sample.source: sample.split for sample in result.samples}
    assert all(side[name] == side[name.replace("/p", "/q")] for name in side)
    assert set(side.values()) == {"train", "val"}
    assert any("80 images hold 40 different pictures: " in note for note in result.info["notes"])


def test_same_split_whatever_the_order_of_files_on_disk(
    tmp_path: Path, pictures: Callable[..., Path]
) -> None:
    first = prepare(pictures(), tmp_path / "a", CONFIGURATION)
    second = prepare(tmp_path / "raw", tmp_path / "b", CONFIGURATION)
    assert first.split_hash() == second.split_hash()


def test_positive_class_is_last(tmp_path: Path, pictures: Callable[..., Path]) -> None:
    assert prepare(pictures(), tmp_path / "out", CONFIGURATION, positive="normal").class_names == [
        "abnormal",
        "normal",
    ]


def test_unknown_positive_class_lists_the_choices(
    tmp_path: Path, pictures: Callable[..., Path]
) -> None:
    with pytest.raises(DataError, match=r"--positive: got sick, wanted one of: abnormal, normal"):
        prepare(pictures(), tmp_path / "out", CONFIGURATION, positive="sick")


def damage(raw: Path) -> None:
    (raw / "normal" / "zero.png").write_bytes(b"")
    (raw / "normal" / "text.jpg").write_bytes(b"not an image")
    nan = np.full((40, 32), 0.5, np.float32)
    nan[3, 4] = np.nan
    np.save(raw / "abnormal" / "nan.npy", nan)
    cv2.imwrite(str(raw / "abnormal" / "flat.png"), np.full((40, 32), 9, np.uint8))


def test_all_damaged_images_are_listed_and_nothing_is_left(
    tmp_path: Path, pictures: Callable[..., Path]
) -> None:
    raw = pictures()
    damage(raw)
    with pytest.raises(DataError) as error:
        prepare(raw, tmp_path / "out", CONFIGURATION)
    message = str(error.value)
    for part in (
        "zero.png: empty file",
        "text.jpg: no readable",
        "nan.npy: holds NaN",
        "flat.png: every pixel",
        "4 of 28",
    ):
        assert part in message
    assert not (tmp_path / "out").exists()


def test_damaged_images_are_left_out_when_asked(
    tmp_path: Path, pictures: Callable[..., Path]
) -> None:
    raw = pictures()
    damage(raw)
    result = prepare(raw, tmp_path / "out", CONFIGURATION, skip_damaged=True)
    assert len(result.samples) == 24
    assert sum(note.startswith("left out:") for note in result.info["notes"]) == 4


@pytest.mark.parametrize("missing", ["folder", "images", "class"])
def test_missing_input_says_what_is_wanted(
    tmp_path: Path, pictures: Callable[..., Path], missing: str
) -> None:
    root = tmp_path / "raw"
    if missing != "folder":
        root.mkdir()
    if missing == "class":
        pictures()
        for path in (root / "abnormal").iterdir():
            path.unlink()
    with pytest.raises(
        DataError, match=r"no such folder|wanted a folder with images for each class"
    ):
        prepare(root, tmp_path / "out", CONFIGURATION)


def test_older_folder_is_kept_under_a_dated_name(
    tmp_path: Path, pictures: Callable[..., Path]
) -> None:
    prepare(pictures(), tmp_path / "out", CONFIGURATION)
    prepare(tmp_path / "raw", tmp_path / "out", CONFIGURATION)
    assert len(list(tmp_path.glob("out_20*"))) == 1


def test_foreign_folder_is_left_alone(tmp_path: Path, pictures: Callable[..., Path]) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("mine")
    with pytest.raises(DataError, match=r"was not made by data.prepare"):
        prepare(pictures(), tmp_path / "out", CONFIGURATION)


def test_manifest_cannot_reach_outside_its_folder(
    tmp_path: Path, pictures: Callable[..., Path]
) -> None:
    raw = pictures()
    (tmp_path / "secret.png").write_bytes((raw / "normal" / "p00.png").read_bytes())
    (raw / "manifest.csv").write_text(
        "path,label\n../secret.png,normal\nabnormal/p00.png,abnormal\n"
    )
    with pytest.raises(DataError, match=r"line 2: .*secret.png lies outside"):
        prepare(raw, tmp_path / "out", CONFIGURATION)


def test_command_line_ends_with_one_line_and_a_status(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"no such folder"):
        command.main(["--path", str(tmp_path / "none"), "--output", str(tmp_path / "out")])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_colour_becomes_grey_and_depth_is_scaled(tmp_path: Path, dtype: type) -> None:
    full = np.iinfo(dtype).max
    image = np.zeros((20, 30, 3), dtype)
    image[:, 15:] = full
    cv2.imwrite(str(tmp_path / "a.png"), image)
    grey = read_grey(tmp_path / "a.png")
    assert grey.shape == (20, 30)
    assert float(grey[0, -1]) == (255 if dtype == np.uint8 else 1)


def test_a_label_cannot_name_a_place_outside(tmp_path: Path, pictures: Callable[..., Path]) -> None:
    raw = pictures()
    (raw / "manifest.csv").write_text(
        "path,label\nnormal/p00.png,../../escaped\nabnormal/p00.png,abnormal\n"
    )
    with pytest.raises(DataError, match=r"line 2: got label '../../escaped', wanted a name"):
        prepare(raw, tmp_path / "out", CONFIGURATION)


def test_a_prepared_folder_can_be_prepared_again(
    tmp_path: Path, pictures: Callable[..., Path]
) -> None:
    prepare(pictures(), tmp_path / "out", CONFIGURATION)
    again = prepare(
        tmp_path / "out", tmp_path / "smaller", CONFIG.Config(image_size=16, patch_size=8)
    )
    header = (tmp_path / "smaller" / "manifest.csv").read_text().splitlines()[0].split(",")
    assert len(header) == len(set(header))
    assert again.samples[0].source.endswith(".npy")


def test_images_that_belong_with_validation_can_be_left_out_of_training(
    tmp_path: Path, pictures: Callable[..., Path]
) -> None:
    pictures(height=32, width=32, name="raw/train")
    pictures(count=6, height=32, width=32, name="raw/val")
    twin = (tmp_path / "raw" / "val" / "normal" / "p02.png").read_bytes()
    (tmp_path / "raw" / "train" / "normal" / "twin.png").write_bytes(twin)
    kept = prepare(tmp_path / "raw", tmp_path / "kept", CONFIGURATION)
    dropped = prepare(tmp_path / "raw", tmp_path / "dropped", CONFIGURATION, drop_leaks=True)
    assert any(
        "1 groups of images that belong together on two sides" in note
        for note in kept.info["notes"]
    )
    assert "12 of 13 images of normal stay in train" in dropped.info["notes"]
    assert {sample.source for sample in kept.samples} - {
        sample.source for sample in dropped.samples
    } == {"train/normal/twin.png"}


def test_dicom_brings_patient_spacing_and_window(tmp_path: Path) -> None:

    raw = tmp_path / "raw"
    for label, name in (("normal", "CT_small.dcm"), ("abnormal", "MR_small.dcm")):
        (raw / label).mkdir(parents=True)
        file = Path(str(get_testdata_file(name, download=False)))
        for copy in ("a", "b"):
            (raw / label / f"{copy}.dcm").write_bytes(file.read_bytes())
    (raw / "manifest.csv").write_text(
        "path,label,split\n"
        + "".join(
            f"{label}/{c}.dcm,{label},{s}\n"
            for label in ("normal", "abnormal")
            for c, s in (("a", "train"), ("b", "val"))
        )
    )
    narrow = CONFIG.Config(image_size=32, patch_size=8, window_centre=100, window_width=1500)
    wide, cut = (
        prepare(raw, tmp_path / name, how)
        for name, how in (("wide", CONFIGURATION), ("cut", narrow))
    )
    sample = next(sample for sample in wide.samples if sample.label == "normal")
    assert sample.pixel_spacing_mm == f"{0.661468 * 128 / 32:.6g}"  # 128 px became 32
    assert len({sample.group for sample in wide.samples}) == 2
    assert not np.array_equal(wide.image(wide.samples[0]), cut.image(cut.samples[0]))


def test_a_split_that_the_data_brings_can_be_made_anew(
    tmp_path: Path, pictures: Callable[..., Path]
) -> None:
    pictures(height=32, width=32, name="raw/train")
    pictures(count=6, height=32, width=32, name="raw/test")
    result = prepare(tmp_path / "raw", tmp_path / "out", CONFIGURATION, resplit=True)
    assert not result.of("test")
    said = "the split that the data brings is not used (--resplit); its 12 test images are"
    assert any(note.startswith(said) for note in result.info["notes"])
    assert len(result.samples) == 36
    assert result.folds == 5


def test_arcade_as_downloaded_is_sent_to_its_importer(tmp_path: Path) -> None:
    for split in ("train", "val"):
        (tmp_path / "stenosis" / split / "annotations").mkdir(parents=True)
        (tmp_path / "stenosis" / split / "annotations" / f"{split}.json").write_text("{}")
    for root in (tmp_path, tmp_path / "stenosis"):
        with pytest.raises(DataError, match=r"python -m data.arcade --Path"):
            prepare(root, tmp_path / "out", CONFIGURATION)


def test_a_picture_is_no_data_set(tmp_path: Path, pictures: Callable[..., Path]) -> None:
    with pytest.raises(DataError, match=r"p00.png: is a file; --Path is a folder"):
        prepare(pictures() / "normal" / "p00.png", tmp_path / "out", CONFIGURATION)


def test_masks_and_hidden_folders_are_no_classes(
    tmp_path: Path, pictures: Callable[..., Path]
) -> None:
    raw = pictures()
    for name in ("masks", ".thumbnails", "__MACOSX"):
        (raw / name).mkdir()
        (raw / name / "p00.png").write_bytes((raw / "normal" / "p00.png").read_bytes())
    result = prepare(raw, tmp_path / "out", CONFIGURATION)
    assert result.class_names == ["normal", "abnormal"]
    assert len(result.samples) == 24


@pytest.mark.parametrize("split", ["test", "val"])
def test_a_set_for_testing_alone_is_prepared_and_refused_for_training(
    tmp_path: Path, pictures: Callable[..., Path], split: str
) -> None:
    raw = pictures(count=4)
    names = sorted(path.relative_to(raw).as_posix() for path in raw.rglob("*.png"))
    lines = [f"{name},{split},{name.split('/')[0]}" for name in names]
    (raw / "manifest.csv").write_text("\n".join(["path,split,label", *lines]))
    result = prepare(raw, tmp_path / "out", CONFIGURATION)
    assert len(result.of(split)) == 8
    assert len(processed.load(tmp_path / "out", for_training=False).samples) == 8
    with pytest.raises(DataError, match=r"no images of train, only of .* a set for testing alone"):
        processed.load(tmp_path / "out")


def test_a_fault_of_the_result_names_no_hidden_folder(
    tmp_path: Path, pictures: Callable[..., Path]
) -> None:
    pictures(count=4, name="raw/train")
    pictures(count=2, name="raw/val")
    shutil.copytree(tmp_path / "raw/val/normal", tmp_path / "raw/val/borderline")
    with pytest.raises(DataError, match=r"out/train: no image of class borderline") as error:
        prepare(tmp_path / "raw", tmp_path / "out", CONFIGURATION)
    assert "/." not in str(error.value)


def test_a_label_misspelt_once_is_named_with_its_count_and_the_nearest_name(
    tmp_path: Path, pictures: Callable[..., Path]
) -> None:
    raw = pictures(count=5)
    names = sorted(path.relative_to(raw).as_posix() for path in raw.rglob("*.png"))
    labels = [name.split("/")[0] for name in names[:-1]] + ["normale"]
    rows = [f"{name},{label}" for name, label in zip(names, labels, strict=True)]
    (raw / "manifest.csv").write_text("\n".join(["path,label", *rows]))
    wanted = r"normale 1 images in 1 group\(s\).*is normale another spelling of normal\?"
    with pytest.raises(DataError, match=wanted):
        prepare(raw, tmp_path / "out", CONFIGURATION)
