"""Folders of DICOM files as scanners and archives write them: patients, studies, runs."""

import re
import shutil
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file

import CONFIG
from data import sources, tree
from data.prepare import prepare
from data.readers import DataError
from tests.test_tree import CLASSES, pictures_in, told


def dicom(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(str(get_testdata_file("CT_small.dcm", download=False)), path)
    return path


@pytest.mark.parametrize("name", ["IM1", "00000001", "1.2.840.113619.2", "scan.ima"])
def test_a_dicom_file_needs_no_suffix(tmp_path: Path, name: str) -> None:
    pictures_in(tmp_path, *CLASSES)
    dicom(tmp_path / "normal" / name)
    (tmp_path / "DICOMDIR").write_bytes((tmp_path / "normal" / name).read_bytes())
    assert f"normal/{name}" in told(tmp_path)[0]
    assert "DICOMDIR" not in tree.look(tmp_path).images


def test_patients_of_a_dicomdir_are_no_classes(tmp_path: Path) -> None:
    for patient in ("PA0", "PA1", "PA2"):
        dicom(tmp_path / "DICOM" / patient / "ST0" / "SE0" / "IM0")
    (tmp_path / "DICOMDIR").write_bytes(b"directory")
    assert len(tree.look(tmp_path).images) == 3
    with pytest.raises(DataError, match=r"3 folders such as PA0, which look like patients"):
        told(tmp_path)
    rows = [f"DICOM/PA{number}/ST0/SE0/IM0,normal" for number in range(3)]
    (tmp_path / "manifest.csv").write_text("\n".join(["path,label", *rows]))
    assert len(told(tmp_path)[0]) == 3


def dicom_of(path: Path, patient: str, number: int, frames: int = 1, study: str = "") -> Path:
    data = pydicom.dcmread(dicom(path))
    data.PatientID = patient
    data.StudyInstanceUID = study or f"1.2.840.1.{number}"
    values = np.random.default_rng(number).integers(0, 2000, (frames, 128, 128))
    data.PixelData = values.astype("<i2").tobytes()
    data.NumberOfFrames = frames
    data.save_as(path)
    return path


def dicom_tree(root: Path, places: dict[str, str]) -> Path:
    """Two studies of two runs for each patient, below the folder that stands for the patient."""
    for number, (patient, folder) in enumerate(places.items()):
        for run in range(4):
            path = root / folder / f"ST{run // 2}" / "SE0" / f"IM{run % 2}"
            dicom_of(path, patient, 2 * number + run // 2, frames=3)
    return root


@pytest.mark.parametrize("directory", [True, False])
def test_dicoms_of_patients_without_classes_are_refused_with_their_number(
    tmp_path: Path, directory: bool
) -> None:
    dicom_tree(tmp_path, {f"P{number}": f"PAT{number}/IMAGES" for number in range(3)})
    if directory:
        (tmp_path / "DICOMDIR").write_bytes(b"directory")
    said = "got 12 DICOM images of 3 patients, no classes: 3 folders such as PAT0.*manifest.csv"
    with pytest.raises(DataError, match=said):
        told(tmp_path)


def test_folders_named_as_patients_are_no_classes_whatever_their_files_say(tmp_path: Path) -> None:
    dicom_tree(tmp_path / "a", {"ANON": "PAT1", "": "PAT2"})
    with pytest.raises(DataError, match="got 8 DICOM images of 1 patients, no classes: 2 folders"):
        told(tmp_path / "a")
    pictures_in(tmp_path / "b", "patient_01", "patient_02")
    with pytest.raises(DataError, match="got 2 folders such as patient_01, which look like pat"):
        told(tmp_path / "b")


@pytest.mark.parametrize(("directory", "listed"), [("", False), ("normal", False), ("", True)])
def test_a_tree_of_patients_below_classes_or_in_a_manifest_is_prepared(
    tmp_path: Path, directory: str, listed: bool
) -> None:
    labels = ("abnormal", "abnormal", "normal", "normal")
    places = {f"P{n}": f"{'DICOM' if listed else label}/PAT{n}" for n, label in enumerate(labels)}
    raw = dicom_tree(tmp_path / "raw", places)
    if listed:
        paths = [path.relative_to(raw).as_posix() for path in sorted(raw.rglob("IM*"))]
        rows = [f"{path},{labels[int(path[9])]}" for path in paths]
        (raw / "manifest.csv").write_text("\n".join(["path,label", *rows]))
    if directory:
        (raw / directory / "DICOMDIR").write_bytes(b"directory")
    (raw / "DICOMDIR").write_bytes(b"directory")
    config = CONFIG.Config(image_size=32, patch_size=8)
    made = prepare(raw, tmp_path / "PF", config)
    groups = {re.findall(r"PAT\d", sample.source)[0]: sample.group for sample in made.samples}
    assert len(made.samples) == 16
    assert len(set(groups.values())) == len({sample.group for sample in made.samples}) == 4
    notes = "\n".join(made.info["notes"])
    assert "16 of 16 images are DICOM runs of several frames" in notes
    assert f"left out: {1 + bool(directory)} files, which are no images" in notes


def test_a_class_of_one_patient_is_not_taken_for_anonymous(tmp_path: Path) -> None:
    places = {"P1": "normal/PAT1", "P2": "normal/PAT2", "P3": "abnormal/PAT3"}
    notes: list[str] = []
    _, samples, _ = sources.find(dicom_tree(tmp_path, places), None, notes)
    assert {each.group for each in samples} == {"patient P1", "patient P2", "patient P3"}


def test_runs_of_one_study_cannot_be_divided_and_why_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(8):
        path = tmp_path / "raw" / CLASSES[number % 2] / f"IM{number}"
        dicom_of(path, "ANON", number, frames=3, study="1.2.840.7")
    _, samples, _ = sources.find(tmp_path / "raw", None, [])
    assert {each.group for each in samples} == {"study 1.2.840.7"}
    with pytest.raises(DataError, match=r"4 images in 1 group\(s\)"):
        prepare(tmp_path / "raw", tmp_path / "PF", CONFIG.Config(image_size=32, patch_size=8))
    said = capsys.readouterr().err
    assert "8 of 8 images are DICOM runs of several frames" in said
    assert "images with the same StudyInstanceUID stay on one side of the split" in said


def test_a_patient_without_an_id_is_known_by_name(tmp_path: Path) -> None:
    for number in range(8):
        path = dicom_of(tmp_path / CLASSES[number % 2] / f"IM{number}", "", number)
        data = pydicom.dcmread(path)
        data.PatientName = f"Doe^{number // 4}"
        data.save_as(path)
    notes: list[str] = []
    _, samples, _ = sources.find(tmp_path, None, notes)
    assert {each.group for each in samples} == {"subject Doe^0", "subject Doe^1"}
    assert "images with the same PatientName stay on one side of the split" in notes


def test_one_patient_in_each_class_folder_is_no_reason_to_refuse_the_classes(
    tmp_path: Path,
) -> None:
    root = dicom_tree(tmp_path, {"P1": "LAD", "P2": "RCA"})
    _, samples, _ = sources.find(root, None, [])
    assert {each.label for each in samples} == {"LAD", "RCA"}
