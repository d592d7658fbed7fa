"""Patients whom DICOM headers name are numbered in a manifest, and their names stay out of it."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import CONFIG
from data.dicom_header import Header, ids_in
from data.group_dataset import owners
from data.input_groups import groups_in
from data.inputs import Input
from data.prepare import prepare
from data.processed import Processed, load
from data.readers import DataError
from metrics import intervals
from metrics.levels import levels
from report.external_images import group_lines
from tests.conftest import table
from tests.image_files import dicom, encode, save
from training.data_module import CoronaryData

CONFIGURATION = CONFIG.Config(image_size=32, patch_size=8, num_classes=2, label_of="group")
LABELS = ("normal", "abnormal")


def pixels(number: int) -> NDArray:
    return np.random.default_rng(number).integers(0, 4000, (40, 40)).astype("<u2")


def file_of(root: Path, name: str, number: int, **elements: object) -> None:
    named = {"StudyInstanceUID": f"1.2.840.{number}", "PatientName": "", "IssuerOfPatientID": ""}
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    save(root / name, dicom(pixels(number), **(named | elements)))


def hospital(root: Path, patients: int = 6, **elements: object) -> Path:
    """Three views of each patient; odd patients are abnormal."""
    for patient in range(patients):
        for view in range(3):
            named = {"PatientID": f"SECRET{9 - patient}", "PatientName": f"Hidden^{patient}"}
            name = f"{LABELS[patient % 2]}/{patient}_{view}.dcm"
            file_of(root, name, 3 * patient + view, **(named | elements))
    return root


def prepared(root: Path) -> Processed:
    made = root.with_name("Processed")
    prepare(root, made, CONFIGURATION)
    return load(made)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Processed:
    return prepared(hospital(tmp_path_factory.mktemp("plain") / "raw", IssuerOfPatientID="CLINIC"))


def numbers(folder: Processed) -> dict[str, str]:
    """The number of each image's patient, by the name of its source without class and suffix."""
    return {Path(each.source).stem: each.more.get("patient_number", "") for each in folder.samples}


def note_of(folder: Processed) -> str:
    return next((note for note in folder.info["notes"] if "patient_number" in note), "")


def test_patients_are_numbered_in_the_order_of_their_first_images(plain: Processed) -> None:
    # abnormal comes before normal, so patients 1, 3 and 5 come before 0, 2 and 4
    wanted = {1: "1", 3: "2", 5: "3", 0: "4", 2: "5", 4: "6"}
    assert numbers(plain) == {f"{p}_{view}": wanted[p] for p in range(6) for view in range(3)}
    assert "headers of DICOM images name 6 patients;" in note_of(plain)
    assert note_of(plain).endswith("has a number for each")


def test_no_name_of_a_header_reaches_the_folder(plain: Processed) -> None:
    for name in ("manifest.csv", "dataset.json"):
        told = (plain.folder / name).read_text()
        assert not [word for word in ("SECRET", "Hidden", "CLINIC", "1.2.840.") if word in told]


def test_training_goes_by_the_numbers(plain: Processed, capsys: pytest.CaptureFixture[str]) -> None:
    assert sorted(set(owners(plain.samples))) == list("123456")
    data = CoronaryData(CONFIGURATION, plain)
    assert len(data.train_units.labels) + len(data.val_units.labels) == 6
    assert "names the patients" not in capsys.readouterr().err


def test_two_patients_with_one_picture_stay_two(tmp_path: Path) -> None:
    root = hospital(tmp_path / "raw")
    for patient in ("1", "3"):  # both are abnormal
        save(
            root / f"abnormal/{patient}_9.dcm",
            dicom(pixels(99), PatientID=f"SECRET{patient}x", StudyInstanceUID=f"1.2.8.{patient}"),
        )
    folder = prepared(root)
    tied = {each.group for each in folder.samples if each.source.endswith("_9.dcm")}
    assert len(tied) == 1
    assert numbers(folder)["1_9"] != numbers(folder)["3_9"]
    assert len(set(owners(folder.samples))) == 8


@pytest.mark.parametrize("name", ["ANON", "0", "TRIAL-1"])
def test_an_id_that_all_have_is_no_patient(tmp_path: Path, name: str) -> None:
    folder = prepared(hospital(tmp_path / "raw", PatientID=name, PatientName=""))
    assert set(numbers(folder).values()) == {""}
    assert note_of(folder) == ""
    assert len(set(owners(folder.samples))) == 18


def test_where_the_id_is_that_of_all_the_name_counts(tmp_path: Path) -> None:
    folder = prepared(hospital(tmp_path / "raw", PatientID="ANON"))
    assert len(set(numbers(folder).values())) == 6


def test_images_whose_headers_name_nobody_have_no_number_and_are_counted(tmp_path: Path) -> None:
    root = hospital(tmp_path / "raw")
    file_of(root, "normal/x.dcm", 50, PatientID="")
    file_of(root, "normal/y.dcm", 51, PatientID="000")
    save(root / "normal" / "z.png", encode(".png", (pixels(52) // 16).astype("u1")))
    folder = prepared(root)
    of_nobody = [name for name, number in numbers(folder).items() if not number]
    assert sorted(of_nobody) == ["x", "y", "z"]
    assert note_of(folder).endswith("; 2 of 20 such images name none")
    assert len(set(owners(folder.samples))) == 9


def test_one_id_of_two_issuers_is_two_patients(tmp_path: Path) -> None:
    root = hospital(tmp_path / "raw")
    for view, issuer in enumerate(("A", "a", "B", "")):
        file_of(root, f"abnormal/s_{view}.dcm", 60 + view, PatientID="S1", IssuerOfPatientID=issuer)
    folder = prepared(root)
    first, again, other, nobody = (numbers(folder)[f"s_{view}"] for view in range(4))
    assert first == again != other
    assert nobody == ""
    tied = {each.group for each in folder.samples if "s_" in each.source}
    assert len(tied) == 1  # one side of the split, for one of the headers may be wrong


def test_an_issuer_that_some_files_leave_out_changes_nothing() -> None:
    headers = [Header("S1", "A"), Header("S1"), Header("s1", "a"), Header("S2", "B")]
    assert ids_in(headers) == ["S1", "S1", "s1", "S2"]


def test_a_patient_whom_the_manifest_names_keeps_that_name(tmp_path: Path) -> None:
    root = tmp_path / "raw"
    rows = ["path,label,patient"]
    for number in range(12):
        file_of(root, f"{number}.dcm", number, PatientID=f"SECRET{number // 2}")
        name = ("1", "anonymous", "")[number // 4]
        rows.append(f"{number}.dcm,{LABELS[number // 2 % 2]},{name}")
    (root / "manifest.csv").write_text("\n".join(rows))
    folder = prepared(root)
    found = numbers(folder)
    assert [found[f"{number}"] for number in range(4)] == [""] * 4
    # in the order of paths: 10, 11, then 4 to 9; 1 is taken
    assert [found[f"{number}"] for number in (10, 4, 6, 8)] == ["2", "3", "4", "5"]
    assert len(set(owners(folder.samples))) == 5


def test_frames_of_a_run_have_the_number_of_its_patient(tmp_path: Path) -> None:
    root = hospital(tmp_path / "raw", patients=4)
    run = np.stack([pixels(70 + frame) for frame in range(3)])
    save(root / "normal" / "run.dcm", dicom(run, PatientID="SECRET9", StudyInstanceUID="1.2.8.1"))
    made = tmp_path / "Processed"
    prepare(root, made, CONFIG.Config(image_size=32, patch_size=8, frame="all"))
    rows = table(made / "manifest.csv")
    of_run = {row["patient_number"] for row in rows if "run.dcm" in row["source"]}
    of_first = {row["patient_number"] for row in rows if "/0_" in row["source"]}
    assert of_run == of_first == {"3"}


def test_figures_of_patients_go_by_the_number(plain: Processed) -> None:
    rows = table(plain.folder / "manifest.csv")
    answers = [
        {**row, "truth": row["label"], "probability_normal": "0.5", "probability_abnormal": "0.5"}
        for row in rows
    ]
    image, patient = levels(answers, "abnormal")
    assert (image.count, patient.name, patient.count) == (18, "patient", 6)
    assert patient.labels.sum() == 3


def test_a_patient_called_anonymous_is_not_one_patient() -> None:
    row = {"truth": "sick", "probability_sick": "0.5", "patient": "anonymous"}
    assert [level.name for level in levels([row | {"path": x} for x in "abc"], "sick")] == ["image"]


def test_figures_know_the_patient_zero() -> None:
    row = {"truth": "sick", "probability_sick": "0.5"}
    rows = [
        row | {"path": path, "patient": patient} for path, patient in zip("abc", "001", strict=True)
    ]
    found = levels(rows, "sick")
    assert [(level.name, level.count) for level in found] == [("image", 3), ("patient", 2)]


@pytest.mark.parametrize("name", ["0000", "anonymous", "missing"])
def test_a_name_of_nobody_ties_no_images_in_intervals(name: str) -> None:
    rows = [{"path": path, "group": path, "patient": name} for path in "abc"]
    assert intervals.groups_in(rows) == ["a", "b", "c"]


def test_a_number_of_data_prepare_is_no_name_of_a_manifest() -> None:
    rows = [{"path": "a", "patient": "3"}, {"path": "b", "patient_number": "3"}]
    assert intervals.groups_in(rows) == ["a", "b"]


def test_an_external_study_knows_the_numbers() -> None:
    items = [Input(Path(x), x, row={"patient_number": n}) for x, n in (("a", "1"), ("b", ""))]
    assert group_lines(items[:1]) == []
    assert "the patients of 1 of 2 images" in group_lines(items)[0]


def test_patients_of_two_folders_with_one_number_stay_apart() -> None:
    items = [named("a/x.npy", "a"), named("a/y.npy", "a"), named("b/z.npy", "b")]
    assert groups_in(items) == ["a: 1", "a: 1", "b: 1"]
    assert groups_in(items[:2]) == ["1", "1"]


def named(path: str, folder: str) -> Input:
    """The image of patient 1 of a ProcessedFolder, which is looked for otherwise."""
    item = Input(Path(path), path, row={"group": "g00001", "patient_number": "1"})
    item.__dict__["folder"] = Path(folder)
    return item


def inputs_in(root: Path) -> list[Input]:
    return [Input(path, path.stem) for path in sorted(root.rglob("*.dcm"))]


def test_prediction_of_raw_files_goes_by_id_and_issuer(tmp_path: Path) -> None:
    for number, issuer in enumerate(("A", "B", "A")):
        file_of(tmp_path, f"{number}.dcm", number, PatientID="S1", IssuerOfPatientID=issuer)
    file_of(tmp_path, "3.dcm", 3, PatientID="", PatientName="Hidden^1")
    file_of(tmp_path, "4.dcm", 4, PatientID="0", PatientName="Hidden^1")
    assert groups_in(inputs_in(tmp_path)) == ["S1 (A)", "S1 (B)", "S1 (A)", *["Hidden^1"] * 2]


@pytest.mark.parametrize("name", ["ANON", "0", "", "Anonymous^^"])
def test_anonymous_raw_files_are_no_group(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match="of which nothing tells the group"):
        groups_in(inputs_in(hospital(tmp_path, PatientID=name, PatientName=name)))


def test_one_id_for_several_studies_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = hospital(tmp_path, patients=2, PatientID="TRIAL-1")
    assert set(groups_in(inputs_in(root))) == {"TRIAL-1"}
    said = capsys.readouterr().err
    assert "the 6 DICOM files of 6 studies name one patient, TRIAL-1, and are one group" in said
    groups_in(inputs_in(hospital(tmp_path / "b")))
    assert "name one patient" not in capsys.readouterr().err
