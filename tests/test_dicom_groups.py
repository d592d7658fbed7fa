"""predict.py --dicom with models that learned labels of groups, or several frames of a run."""

import re
from dataclasses import asdict
from pathlib import Path

import pydicom
import pytest
import torch
from highdicom.sr import srread

import predict
from data.dicom_source import other_patients, source_of
from tests.archive import needs, run
from tests.conftest import contents, table
from tests.dicom_sources import ROOT, of_archive, saved
from tests.dicom_sources import run as frames_of
from tests.test_groups import GROUPED
from vit import checkpoint
from vit.model import VisionTransformer


def answer(sources: Path, model: Path, output: Path) -> Path:
    predict.main(["-p", str(sources), "-k", str(model), "-o", f"{output}/", "--dicom"])
    return output


def model_of(path: Path, frame: int | str, of_groups: bool = True) -> Path:
    made = contents()
    if of_groups:
        torch.manual_seed(0)
        model = VisionTransformer(GROUPED)
        with torch.no_grad():
            model.pooling.score.weight.normal_()  # type: ignore[union-attr]
        state = {f"model.{name}": value for name, value in model.state_dict().items()}
        made = contents(config=asdict(GROUPED), state_dict=state)
    made["preprocessing"] = {**made["preprocessing"], "frame": frame}
    checkpoint.save(made, path)
    return path


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of P7 a run and a picture of one study, and a picture of another; of P8 a picture."""
    return saved(
        tmp_path_factory.mktemp("in"),
        run=of_archive(1, frames_of(5)),
        single=of_archive(2),
        later=of_archive(3, StudyInstanceUID=f"{ROOT}.8", SeriesInstanceUID=f"{ROOT}.9"),
        other=of_archive(4, StudyInstanceUID=f"{ROOT}.10", PatientID="P8"),
    )


@pytest.fixture(scope="module")
def results(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("answers")
    return answer(sources, model_of(folder / "ViT.ckpt", "all"), folder / "results")


def of_patient(results: Path, name: str) -> tuple[dict[str, str], Path, Path]:
    """The row of a patient, and the picture and the report of it."""
    (row,) = [row for row in table(results / "patients.csv") if row["group"] == name]
    stem = Path(row["decided_by"]).stem
    if row["frame"]:
        stem += f"_frame{row['frame']}"
    return row, results / f"{stem}_picture.dcm", results / f"{stem}_report.dcm"


def test_each_patient_gets_one_picture_and_one_report(results: Path) -> None:
    wanted = {path.name for name in ("P7", "P8") for path in of_patient(results, name)[1:]}
    made = {path.name for path in results.glob("*.dcm")}
    assert made == wanted
    assert len(table(results / "predictions.csv")) == 5 + 3


@needs("dciodvfy", "dsrdump")
def test_other_programs_take_the_objects(results: Path) -> None:
    for path in sorted(results.glob("*.dcm")):
        said = run("dciodvfy", "-new", str(path))
        assert "Error" not in said, f"{path}: {said}"
        assert re.search("^(SCImage|ComprehensiveSR)$", said, re.M)
    said = run("dsrdump", "+Pl", str(of_patient(results, "P7")[2]))
    assert said.count('(,,"Weight of the picture")=') == 7
    assert said.count('(,,"Source of Measurement")=') == 7 + 7  # of the group, and of each weight


def test_the_weights_are_those_of_the_table_with_the_picture_of_each(
    sources: Path, results: Path
) -> None:
    row, _, report = of_patient(results, "P7")
    wanted = {}
    for each in table(results / "predictions.csv"):
        if each["group"] == "P7":
            instance = pydicom.dcmread(each["path"].split("#")[0]).SOPInstanceUID
            frame = int(each["frame"]) + 1 if each["frame"] else None
            wanted[instance, frame] = pytest.approx(float(each["weight"]), abs=1e-9)
    (group,) = srread(report).content.get_image_measurement_groups()
    found = {}
    for each in group.get_measurements():
        if each.name.meaning == "Weight of the picture":
            (image,) = each.referenced_images
            reference = image.ReferencedSOPSequence[0]
            frame = reference.get("ReferencedFrameNumber")
            found[reference.ReferencedSOPInstanceUID, frame] = each.value
    assert found == wanted
    assert len(found) == 7
    assert group.finding_type.meaning == row["predicted"]


def test_the_answer_lies_in_the_study_of_the_picture_that_decided(results: Path) -> None:
    row, picture, report = of_patient(results, "P7")
    decided = pydicom.dcmread(row["decided_by"].split("#")[0])
    for made in map(pydicom.dcmread, (picture, report)):
        assert made.StudyInstanceUID == decided.StudyInstanceUID
        assert made.PatientID == "P7"
    first, *others = pydicom.dcmread(picture).SourceImageSequence
    assert first.ReferencedSOPInstanceUID == decided.SOPInstanceUID
    assert len(others) == 6
    read = pydicom.dcmread(report)
    own, elsewhere = (
        {
            reference.ReferencedSOPInstanceUID
            for study in read[name]
            for series in study.ReferencedSeriesSequence
            for reference in series.ReferencedSOPSequence
        }
        for name in ("CurrentRequestedProcedureEvidenceSequence", "PertinentOtherEvidenceSequence")
    )
    assert own | elsewhere == {f"{ROOT}.3.{number}" for number in (1, 2, 3)}
    assert decided.SOPInstanceUID in own
    assert not own & elsewhere


def test_the_words_say_that_several_pictures_made_the_answer(results: Path) -> None:
    row, picture, report = of_patient(results, "P7")
    share = f"{float(row['weight']):.4f}"
    said = pydicom.dcmread(picture).ImageComments
    wanted = f"Of 7 pictures together. The one shown here has the most weight, {share} of 1;"
    assert wanted in said
    assert said.count("\nWeight 0.") == 7
    assert wanted in pydicom.dcmread(report).to_json()
    of_one = pydicom.dcmread(of_patient(results, "P8")[1]).ImageComments
    assert "together" not in of_one
    assert "Weight" not in of_one


def test_each_frame_of_a_model_of_all_frames_gets_an_answer(sources: Path, tmp_path: Path) -> None:
    model = model_of(tmp_path / "ViT.ckpt", "all", of_groups=False)
    results = answer(sources / "run.dcm", model, tmp_path / "out")
    made = sorted(path.name for path in results.glob("*_picture.dcm"))
    assert made == [f"run_frame{number}_picture.dcm" for number in range(5)]
    for number in range(5):
        (image,) = pydicom.dcmread(results / f"run_frame{number}_picture.dcm").SourceImageSequence
        assert image.ReferencedFrameNumber == number + 1
    assert len({pydicom.dcmread(path).SOPInstanceUID for path in results.glob("*.dcm")}) == 10


def listed(folder: Path, *names: str) -> Path:
    rows = [f"{name}.dcm,,P1" for name in names]
    (folder / "manifest.csv").write_text("\n".join(["path,label,patient", *rows]))
    return folder


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        ({"PatientID": "P7"}, {"PatientID": "P8"}, "b.dcm: has another PatientID than"),
        ({"PatientID": "P7"}, {"PatientID": ""}, "b.dcm: has another PatientID than"),
        (
            {"IssuerOfPatientID": "A"},
            {"IssuerOfPatientID": "B"},
            "b.dcm: has another IssuerOfPatientID than",
        ),
        (
            {"PatientBirthDate": "19610203"},
            {"PatientBirthDate": "19610204"},
            "b.dcm: has another PatientBirthDate than",
        ),
        ({"PatientID": ""}, {"PatientID": ""}, "b.dcm: is of another study than"),
        ({"PatientID": "ANON"}, {"PatientID": "ANON"}, "b.dcm: is of another study than"),
    ],
)
def test_a_group_that_is_not_surely_one_patient_is_refused_and_nothing_is_written(
    tmp_path: Path, first: dict[str, str], second: dict[str, str], said: str
) -> None:
    other_study = {"StudyInstanceUID": f"{ROOT}.8"}
    saved(tmp_path / "in", a=of_archive(1, **first), b=of_archive(2, **(other_study | second)))
    listed(tmp_path / "in", "a", "b")
    model = model_of(tmp_path / "ViT.ckpt", "auto")
    with pytest.raises(SystemExit, match=said) as caught:
        answer(tmp_path / "in", model, tmp_path / "out")
    assert len(str(caught.value).splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_one_patient_may_have_files_that_leave_out_the_issuer(tmp_path: Path) -> None:
    folder = saved(
        tmp_path,
        a=of_archive(1, IssuerOfPatientID="A"),
        b=of_archive(2, StudyInstanceUID=f"{ROOT}.8", PatientBirthDate=""),
        c=of_archive(3, PatientID=""),
    )
    a, b, c = (source_of(folder / f"{name}.dcm") for name in "abc")
    assert other_patients([a, b]) == ""
    assert other_patients([c, c]) == ""  # of one study
    assert "another PatientID" in other_patients([b, c])


def test_a_second_run_into_the_folder_is_refused_whatever_decided(
    sources: Path, results: Path
) -> None:
    before = {path.name: path.read_bytes() for path in results.iterdir()}
    with pytest.raises(SystemExit, match=r"\.dcm is there already"):
        answer(sources, results.parent / "ViT.ckpt", results)
    assert {path.name: path.read_bytes() for path in results.iterdir()} == before
