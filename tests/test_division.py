"""data/division.py: images that belong together, and pictures under two labels."""

from pathlib import Path

import numpy as np

import CONFIG
from data.prepare import prepare
from data.tables import write_table
from tests.image_files import dicom, encode, picture, save

CONFIGURATION = CONFIG.Config(image_size=48, patch_size=8, border=0.0)


def raw(folder: Path) -> Path:
    """Six different pictures of each class."""
    for seed, label in enumerate(("normal", "abnormal")):
        (folder / label).mkdir(parents=True)
        for number in range(6):
            save(folder / label / f"{number}.png", encode(".png", picture(100 * seed + number)))
    return folder


def test_a_picture_under_two_labels_is_said(tmp_path: Path) -> None:
    folder = raw(tmp_path / "raw")
    content = (folder / "normal" / "0.png").read_bytes()
    save(folder / "abnormal" / "same.png", content)
    notes = "\n".join(prepare(folder, tmp_path / "PF", CONFIGURATION).info["notes"])
    said = "1 pictures stand under more than one label, such as abnormal/same.png (abnormal)"
    assert f"{said} and normal/0.png (normal)" in notes


def test_patients_on_two_sides_are_said_where_groups_are_vessels(tmp_path: Path) -> None:
    folder = raw(tmp_path / "raw")
    rows = [
        {"path": f"{label}/{i}.png", "label": label, "patient": label, "vessel": f"{label} {i}"}
        for label in ("normal", "abnormal")
        for i in range(6)
    ]
    write_table(folder / "manifest.csv", rows)
    made = prepare(folder, tmp_path / "PF", CONFIGURATION, group="vessel")
    notes = "\n".join(made.info["notes"])
    assert "2 of 2 patients have images on two sides of the split, such as abnormal" in notes


def test_copies_under_one_label_are_no_contradiction(tmp_path: Path) -> None:
    folder = raw(tmp_path / "raw")
    save(folder / "normal" / "same.png", (folder / "normal" / "0.png").read_bytes())
    notes = "\n".join(prepare(folder, tmp_path / "PF", CONFIGURATION).info["notes"])
    assert "13 images hold 12 different pictures" in notes and "more than one label" not in notes


def test_dicom_patients_whose_ids_were_typed_otherwise_are_one(tmp_path: Path) -> None:
    for seed, label in enumerate(("normal", "abnormal")):
        for number in range(8):
            patient = f"{'P' if number % 2 else 'p'}{number // 2:0{1 + number % 2}}{label}"
            values = np.round(picture(100 * seed + number) * 200).astype(np.uint8)
            path = tmp_path / "raw" / label / f"{number}"
            path.parent.mkdir(parents=True, exist_ok=True)
            save(path, dicom(values, PatientID=patient))
    made = prepare(tmp_path / "raw", tmp_path / "PF", CONFIGURATION)
    assert len({sample.group for sample in made.samples}) == 8


def test_images_of_one_name_in_many_folders_are_all_kept(tmp_path: Path) -> None:
    folder = raw(tmp_path / "raw")
    names = ("a/1", "a__b/1", "a/b/1", "A/1", "B/1", "b/1", "C/1", "c/1", "D/1", "d/1")
    for number, name in enumerate(names):
        path = folder / "normal" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        save(path, encode(".png", picture(50 + number)))
    made = prepare(folder, tmp_path / "PF", CONFIGURATION)
    assert len({sample.path.casefold() for sample in made.samples}) == len(made.samples) == 22


def test_one_patient_by_two_spellings_ties_what_the_manifest_keeps_apart(tmp_path: Path) -> None:
    rows = ["path,label,group"]
    for number in range(12):
        label = ("normal", "abnormal")[number // 6]
        patient = ("P7", "p07")[number % 2] if number < 2 else f"Q{number}"
        values = np.round(picture(number) * 200).astype(np.uint8)
        save(tmp_path / f"{number}", dicom(values, PatientID=patient))
        rows.append(f"{number},{label},g{number}")
    (tmp_path / "manifest.csv").write_text("\n".join(rows))
    made = prepare(tmp_path, tmp_path.parent / "PF", CONFIGURATION)
    groups = {sample.source: sample.group for sample in made.samples}
    assert groups["0"] == groups["1"] and len(set(groups.values())) == 11
