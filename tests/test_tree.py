"""What in a folder is an image, a mask, a split or a class; and that nothing is lost in silence."""

import os
import re
from pathlib import Path

import cv2
import matplotlib.pyplot as plt
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import errors
from data import inputs, sources, tree
from data.group_columns import columns_among, groups_of, without_common
from data.readers import DataError
from data.split_words import split_of
from data.words import meaning_of

CLASSES = ("normal", "abnormal")


def picture(path: Path, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (24, 24), np.uint8)
    path.write_bytes(cv2.imencode(".png", pixels)[1].tobytes())
    return path


def pictures_in(root: Path, *folders: str, count: int = 3) -> Path:
    for number, folder in enumerate(folders):
        for image in range(count):
            picture(root / folder / f"p{image}.png", 100 * number + image)
    return root


def told(root: Path) -> tuple[dict[str, tuple[str, str]], str]:
    """Split and label of each image, and all notes."""
    notes: list[str] = []
    _, samples, _ = sources.find(root, None, notes)
    return {each.path: (each.split, each.label) for each in samples}, "\n".join(notes)


@pytest.mark.parametrize(("name", "kind"), [("a.jfif", "JPEG"), ("a.jpe", "JPEG"), ("a", "PNG")])
def test_an_image_is_known_by_its_content(tmp_path: Path, name: str, kind: str) -> None:
    Image.fromarray(np.arange(576, dtype=np.uint8).reshape(24, 24)).save(tmp_path / name, kind)
    assert tree.look(tmp_path).images == [name]


JUNK = [".DS_Store", "Thumbs.db", "notes.txt", "a.xml", "a.zip", "a.mat", "a.csv", "@eaDir/t.jpg"]


@pytest.mark.parametrize("name", JUNK)
def test_what_is_no_image_is_counted_with_an_example(tmp_path: Path, name: str) -> None:
    pictures_in(tmp_path, *CLASSES)
    (tmp_path / "normal" / name).parent.mkdir(exist_ok=True)
    (tmp_path / "normal" / name).write_bytes(b"no picture at all")
    found, notes = told(tmp_path)
    assert len(found) == 6
    assert re.search(rf"left out: 1 files, .*normal/{name}", notes)


@pytest.mark.parametrize("name", JUNK)
@pytest.mark.parametrize("table", ["manifest.csv", "list.csv"])
def test_what_is_no_image_is_counted_beside_a_manifest_too(
    tmp_path: Path, name: str, table: str
) -> None:
    pictures_in(tmp_path, *CLASSES)
    rows = [f"{label}/p{number}.png,{label}" for label in CLASSES for number in range(3)]
    (tmp_path / table).write_text("\n".join(["path,label", *rows[1:]]))
    (tmp_path / "normal" / name).parent.mkdir(exist_ok=True)
    (tmp_path / "normal" / name).write_bytes(b"no picture at all")
    found, notes = told(tmp_path / table)
    assert len(found) == 5
    assert re.findall(r"left out: (\d+) files", notes) == ["1", "1"]
    assert f"such as normal/{name}" in notes
    assert "which the manifest does not list; such as normal/p0.png" in notes


FOREIGN = {"x.HEIC": b"?", "film.avi": b"RIFF", "a.nii.gz": b"?", "a.dcm.gz": b"?", "a.zip": b"?"}
FOREIGN |= {"still": b"GIF89a", "phone": b"\0\0\0\x18ftypheic", "a.jp2": b"?"}


@pytest.mark.parametrize("name", FOREIGN)
def test_pictures_in_a_form_that_is_not_read_are_counted_apart(tmp_path: Path, name: str) -> None:
    pictures_in(tmp_path, *CLASSES)
    (tmp_path / "normal" / name).write_bytes(FOREIGN[name] + b"?" * 20)
    (tmp_path / "abnormal" / "a.json").write_text("{}")
    wanted = rf"left out: 1 files, which hold pictures in a format .* such as normal/{name}"
    assert re.search(wanted, told(tmp_path)[1])


MASKS = ["p0_mask.png", "p0-seg.png", "p0_label.png", "mask_p0.png", "masks/p0.png", "Masks/p0.png"]
MASKS += ["segmentation/p0.png", "annotations/p0_mask.png", "../masks/normal/p0.png"]


@pytest.mark.parametrize("name", MASKS)
def test_a_mask_beside_an_image_is_its_mask(tmp_path: Path, name: str) -> None:
    pictures_in(tmp_path, *CLASSES)
    mask = Path(os.path.normpath(picture(tmp_path / "normal" / name)))
    cv2.imwrite(str(mask), np.diag(np.full(24, 255, np.uint8)))
    notes: list[str] = []
    _, samples, _ = sources.find(tmp_path, None, notes)
    masks = {each.path: each.mask for each in samples if each.mask}
    assert masks == {"normal/p0.png": mask.relative_to(tmp_path).as_posix()}
    assert any("1 masks beside images" in note for note in notes)


@pytest.mark.parametrize("name", ["masks/p0.png", "normal/q_mask.png", "normal/masks/other.png"])
def test_a_mask_of_no_image_or_of_several_is_counted(tmp_path: Path, name: str) -> None:
    pictures_in(tmp_path, *CLASSES)
    picture(tmp_path / name)
    found, notes = told(tmp_path)
    assert len(found) == 6
    assert f"look like masks but belong to no image, or to several; such as {name}" in notes


SPLITS = [
    ("training_set", "validation_set", "holdout"),
    ("Train", "VALID", "Testing"),
    ("tr", "dev", "test_set"),
    ("training", "validation", "hold-out"),
    ("train", "val", "evaluation"),
]


@pytest.mark.parametrize("names", SPLITS)
@pytest.mark.parametrize("inside", [False, True])
def test_splits_are_known_around_classes_and_inside(
    tmp_path: Path, names: tuple[str, str, str], inside: bool
) -> None:
    places = [(name, label) for name in names for label in CLASSES]
    pictures_in(tmp_path, *("/".join(each[::-1] if inside else each) for each in places))
    found, notes = told(tmp_path)
    meant = dict(zip(names, ("train", "val", "test"), strict=True))
    for name, (split, label) in found.items():
        parts = name.split("/")
        assert label in parts
        assert split == meant[parts[1 if inside else 0]]
    assert len(found) == 18
    assert "split" in notes or names == ("train", "val", "test")


def test_a_split_without_classes_is_left_out_with_advice(tmp_path: Path) -> None:
    pictures_in(tmp_path, "train/normal", "train/abnormal", "test/7", "test/8")
    found, notes = told(tmp_path)
    assert len(found) == 6
    assert "left out: 6 files" in notes
    assert "predict.py" in notes


@pytest.mark.parametrize("folder", ["test", "holdout", "val"])
def test_a_split_folder_alone_is_no_class(tmp_path: Path, folder: str) -> None:
    pictures_in(tmp_path, f"{folder}/normal", f"{folder}/abnormal")
    assert {each for each, _ in told(tmp_path)[0].values()} == {split_of(folder)}


@pytest.mark.parametrize(
    "names", [("Normal", "normal "), ("NORMAL", "normal"), (" normal", "Normal")]
)
def test_classes_that_differ_in_case_and_blanks_are_one(
    tmp_path: Path, names: tuple[str, str]
) -> None:
    pictures_in(tmp_path, *names, "abnormal")
    found, notes = told(tmp_path)
    assert len({label for _, label in found.values()}) == 2
    assert "differ only in case, blanks or hyphens" in notes


@pytest.mark.parametrize(
    ("name", "meaning"),
    [
        ("no CAD", "normal"),
        ("non-stenosis", "normal"),
        ("no_stenosis", "normal"),
        ("Controls", "normal"),
        ("healthy", "normal"),
        ("Stenosis", "abnormal"),
        ("CAD", "abnormal"),
        ("non-normal", "abnormal"),
        ("P01", ""),
        ("0", ""),
        ("1", ""),
    ],
)
def test_words_for_classes(name: str, meaning: str) -> None:
    assert meaning_of(name) == meaning


@pytest.mark.parametrize(
    "made", ["dataset.json manifest.csv", "audit.json", "ViT.ckpt", "best.ckpt"]
)
def test_a_folder_of_our_own_is_no_class(tmp_path: Path, made: str) -> None:
    pictures_in(tmp_path, *CLASSES, "out/train/normal")
    for name in made.split():
        (tmp_path / "out" / name).write_text("")
    found, notes = told(tmp_path)
    assert len(found) == 6
    assert "this program made; such as out/" in notes


def test_figures_of_predict_are_no_images(tmp_path: Path) -> None:
    pictures_in(tmp_path, *CLASSES)
    for folder in ("out", "normal"):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / "predictions.csv").write_text("path,truth\n")
        plt.imsave(tmp_path / folder / "figure.png", np.eye(24))
    plt.imsave(tmp_path / "abnormal" / "saved.png", np.eye(24))
    found, notes = told(tmp_path)
    assert len(found) == 7
    assert "abnormal/saved.png" in found
    assert "left out: 2 files, which this program drew; such as normal/figure.png" in notes
    assert tree.is_image(tmp_path / "normal" / "p0.png", tmp_path)
    assert not tree.is_image(tmp_path / "out" / "figure.png", tmp_path)


@pytest.mark.parametrize("word", ["a\nforged: all is well", "a\tb"])
def test_a_word_of_the_command_line_is_of_one_line(word: str) -> None:
    with pytest.raises(errors.UserError, match=r"^got 'a\\[nt].*', wanted a name in one line"):
        errors.check_text(["--Path", word])


def test_a_name_of_several_lines_is_refused_or_written_in_one(tmp_path: Path) -> None:
    pictures_in(tmp_path, *CLASSES)
    (tmp_path / "normal" / "a\nforged: all is well.txt").write_text("no picture")
    assert r"such as normal/a\nforged: all is well.txt" in told(tmp_path)[1]
    name = picture(tmp_path / "normal" / "a\nforged.png")
    with pytest.raises(DataError) as caught:
        told(tmp_path)
    assert "\n" not in str(caught.value)
    for place in (tmp_path, name):
        with pytest.raises(DataError) as caught:
            inputs.find(str(place))
        assert "\n" not in str(caught.value)
        assert r"a\nforged.png' is no usable name; rename it" in str(caught.value)
    (tmp_path / "manifest.csv").write_text('path,label\n"normal/a\nforged.png",normal\n')
    with pytest.raises(DataError) as caught:
        told(tmp_path)
    assert "\n" not in str(caught.value)


def test_links_are_followed_inside_the_folder(tmp_path: Path) -> None:
    pictures_in(tmp_path / "raw", "pool/a", "pool/b")
    for name, pool in (("normal", "a"), ("abnormal", "b")):
        (tmp_path / "raw" / name).symlink_to(tmp_path / "raw" / "pool" / pool)
    (tmp_path / "raw" / "normal" / "circle").symlink_to(tmp_path / "raw")
    found, notes = told(tmp_path / "raw")
    assert sorted(found) == [f"{each}/p{i}.png" for each in sorted(CLASSES) for i in range(3)]
    assert "reached by another name" in notes


PARTS = st.sampled_from(
    ["normal", "abnormal", "train", "test_set", "masks", ".hid", "P1", "images"]
)
LEAVES = st.sampled_from(["a.png", "b.png", "a_mask.png", "mask_b.png", "c", "t.txt", ".h.png"])
PATHS = st.builds(lambda parts, leaf: "/".join([*parts, leaf]), st.lists(PARTS, max_size=4), LEAVES)


@settings(max_examples=150, deadline=None)
@given(st.sets(PATHS, max_size=14), st.sets(st.tuples(PATHS, PATHS), max_size=2))
def test_no_file_is_lost_in_silence(
    tmp_path_factory: pytest.TempPathFactory, names: set[str], links: set[tuple[str, str]]
) -> None:
    root = tmp_path_factory.mktemp("tree")
    for number, name in enumerate(sorted(names)):
        picture(root / name, number)
        if name.endswith(".txt"):
            (root / name).write_text("no picture")
    for link, target in sorted(links):
        if not (root / link).exists() and not (root / link).is_symlink():
            (root / link).parent.mkdir(parents=True, exist_ok=True)
            (root / link).symlink_to(root / target)
    there = sum(len(files) for _, _, files in os.walk(root))
    notes: list[str] = []
    try:
        _, samples, _ = sources.find(root, None, notes)
        text = "\n".join(notes)
    except DataError as error:
        samples, text = [], str(error)
        if re.search(r"got only|got none|the folder around it|split of its own", text) is None:
            raise
        return
    used = len(samples) + sum(bool(sample.mask) for sample in samples)
    assert used + sum(map(int, re.findall(r"left out: (\d+) files", text))) == there


@pytest.mark.parametrize(
    "name", ["PatientID", "patientId", "Patient ID", "patient_id", "Patient-Id", "PATIENT"]
)
def test_columns_are_known_in_any_spelling(name: str) -> None:
    assert columns_among(["path", "study", name, "frame"]) == {
        "patient": name,
        "study": "study",
        "frame": "frame",
    }


def test_an_anonymised_patient_is_said_and_the_study_is_used() -> None:
    notes: list[str] = []
    values = {"patient": ["ANON"] * 8, "study": list("aabbccdd")}
    columns = {"patient": "PatientID", "study": "study"}
    groups = groups_of(values, ["x"] * 4 + ["y"] * 4, columns, notes)
    assert groups == [f"study {name}" for name in "aabbccdd"]
    assert "PatientID is 'ANON' in 8 images" in notes[0]


def test_runs_of_one_study_are_one_group() -> None:
    notes: list[str] = []
    columns = {"patient": "PatientID", "study": "StudyInstanceUID"}
    values = {"patient": ["0"] * 8, "study": ["1.2.840.7"] * 8}
    assert set(groups_of(values, ["x"] * 4 + ["y"] * 4, columns, notes)) == {"study 1.2.840.7"}


@pytest.mark.parametrize("place", ["normal/annotations", "train/annotations"])
def test_class_folders_beside_annotations_are_not_sent_to_arcade(
    tmp_path: Path, place: str
) -> None:
    pictures_in(tmp_path, *(CLASSES if "normal" in place else [f"train/{c}" for c in CLASSES]))
    (tmp_path / place).mkdir(parents=True)
    (tmp_path / place / "a.json").write_text("{}")
    assert len(told(tmp_path)[0]) == 6


def test_folders_of_patients_around_class_folders_tie_their_images(tmp_path: Path) -> None:
    pictures_in(tmp_path, *(f"P{number}/{label}" for number in range(7) for label in CLASSES))
    notes: list[str] = []
    _, samples, _ = sources.find(tmp_path, None, notes)
    assert {each.group for each in samples} == {f"P{number}" for number in range(7)}
    assert {each.label for each in samples} == set(CLASSES)
    assert any("a patient each" in note for note in notes)


NAMED = (["sub-01", "sub-02"], ["Patient_A", "Patient_B"], ["0012", "0013"])


@pytest.mark.parametrize("names", NAMED)
def test_names_of_patients_are_no_classes(tmp_path: Path, names: list[str]) -> None:
    pictures_in(tmp_path, *names)
    with pytest.raises(DataError, match="which look like patients"):
        sources.find(tmp_path, None, [])


@pytest.mark.parametrize("value", ["0", "000000", "0000-0", "Anonymous"])
def test_an_id_that_stands_for_nobody_is_not_a_patient(value: str) -> None:
    others = [f"10{number}" for number in range(6)]
    labels = ["normal"] * 6 + ["abnormal"] * 6
    assert without_common([value] * 6 + others, labels) == [""] * 6 + others


def test_an_empty_folder_is_said(tmp_path: Path) -> None:
    pictures_in(tmp_path, *CLASSES)
    (tmp_path / "occlusion").mkdir()
    (tmp_path / ".git" / "refs").mkdir(parents=True)
    assert "1 folders are empty, such as occlusion/, and are no classes" in told(tmp_path)[1]


@pytest.mark.parametrize("name", ["excluded", "Rejected images", "old/2020"])
def test_images_in_a_folder_within_a_class_that_is_put_aside_are_said(
    tmp_path: Path, name: str
) -> None:
    pictures_in(tmp_path, *CLASSES, f"normal/{name}")
    found, notes = told(tmp_path)
    assert len(found) == 9
    wanted = "3 images lie in a folder for what is put aside, within a class folder"
    assert f"{wanted}, such as normal/{name}/p0.png" in notes
