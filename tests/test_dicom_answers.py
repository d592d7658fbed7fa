"""predict.py --dicom: objects that other programs take, and that say what predictions.csv says."""

import hashlib
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pydicom
import pydicom.data
import pytest
from highdicom.sr import srread
from PIL import Image

import predict
from report.dicom_answer import RESEARCH
from tests.archive import Archive, has_orthanc, needs, run, running
from tests.conftest import contents, table
from tests.dicom_sources import ROOT, of_archive, saved
from tests.dicom_sources import run as frames_of
from tests.image_files import encode, picture, save
from vit import checkpoint

SHIPPED = Path(pydicom.data.__file__).parent / "test_files"
# CT of 16 bits; MR, RLE; CR, MONOCHROME1; JPEG 2000; MR of 12 bits; deflated, of no patient; JPEG
SHIPPED_SOURCES = {
    "ct": "CT_small.dcm",
    "rle": "MR_small_RLE.dcm",
    "inverse": "dicomdirtests/77654033/CR1/6154",
    "jpeg2000": "693_J2KI.dcm",
    "twelve": "examples_overlay.dcm",
    "nobody": "image_dfl.dcm",
    "jpeg": "JPGExtended.dcm",
}
YAMADA = "Yamada^Tarou=山田^太郎=やまだ^たろう"
SCORES = {"normal": [i / 40 for i in range(40)], "abnormal": [i / 40 for i in range(40)]}


def answer(sources: Path, model: Path, output: Path, *options: str) -> Path:
    predict.main(
        ["-p", str(sources), "-k", str(model), "-o", f"{output}/", "--dicom", *options],
    )
    return output


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("private name of a folder")
    for name, file in SHIPPED_SOURCES.items():
        shutil.copy(SHIPPED / file, folder / f"{name}.dcm")
    japanese = {"SpecificCharacterSet": ["", "ISO 2022 IR 87"], "PatientName": YAMADA}
    saved(
        folder,
        run=of_archive(1, frames_of(7), **japanese),
        same_study=of_archive(2, LossyImageCompression="01", **japanese),
        same_picture=of_archive(3, (picture(2) * 255).astype("u1"), **japanese),
    )
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "ViT.ckpt"
    checkpoint.save(contents(conformal_scores=SCORES), path)
    return path


@pytest.fixture(scope="module")
def results(sources: Path, model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    before = {path: hashlib.sha256(path.read_bytes()).digest() for path in sources.iterdir()}
    yield answer(sources, model, tmp_path_factory.mktemp("answers") / "results")
    after = {path: hashlib.sha256(path.read_bytes()).digest() for path in sources.iterdir()}
    assert after == before


def read(results: Path, name: str) -> tuple[pydicom.Dataset, pydicom.Dataset]:
    """The picture and the report of a source."""
    files = results / f"{name}_picture.dcm", results / f"{name}_report.dcm"
    return pydicom.dcmread(files[0]), pydicom.dcmread(files[1])


def names(sources: Path) -> list[str]:
    return sorted(path.stem for path in sources.iterdir())


def test_each_source_gets_a_picture_and_a_report(sources: Path, results: Path) -> None:
    wanted = {f"{name}_{kind}.dcm" for name in names(sources) for kind in ("picture", "report")}
    assert {path.name for path in results.iterdir()} == wanted | {"predictions.csv"}
    assert len(table(results / "predictions.csv")) == len(names(sources))


@needs("dciodvfy")
def test_dicom3tools_finds_no_error_in_any_object(results: Path) -> None:
    for path in sorted(results.glob("*.dcm")):
        said = run("dciodvfy", "-new", str(path))
        assert "Error" not in said, f"{path}: {said}"
        assert re.search("^(SCImage|ComprehensiveSR)$", said, re.M)


@needs("dsrdump")
def test_dcmtk_reads_every_report(sources: Path, results: Path) -> None:
    for name in names(sources):
        said = run("dsrdump", "+Pl", str(results / f"{name}_report.dcm"))
        assert "Imaging Measurement Report" in said
        assert f'"{RESEARCH}.' in said
        assert '(,,"Probability of abnormal")=' in said
        assert '(,,"Source of Measurement")=' in said


@has_orthanc
@needs("storescu")
def test_an_archive_takes_them_and_shows_them(sources: Path, results: Path, tmp_path: Path) -> None:
    with running(tmp_path) as archive:
        for path in sources.iterdir():
            archive.bytes_at("/instances", path.read_bytes())
        said = archive.store(*results.glob("*.dcm"))
        assert said.count("(Success)") == 2 * len(names(sources))
        ours = instances(archive)
        assert len(ours) == 2 * len(names(sources))
        for name in names(sources):
            image, report = read(results, name)
            shown = archive.bytes_at(f"/instances/{ours[image.SOPInstanceUID]}/preview")
            save(tmp_path / "shown.png", shown)
            assert np.array_equal(np.asarray(Image.open(tmp_path / "shown.png")), image.pixel_array)
            tags = archive.asked(f"/instances/{ours[report.SOPInstanceUID]}/simplified-tags")
            assert tags["PatientName"] == str(report.PatientName)
        studies = [archive.asked(f"/studies/{each}") for each in archive.asked("/studies")]
        assert len(studies) == len(SHIPPED_SOURCES) + 1  # no answer opens a study of its own
        (shared,) = [each for each in studies if each["MainDicomTags"]["StudyID"] == "S1"]
        assert len(shared["Series"]) == 3  # that of the sources, pictures, reports


def instances(archive: Archive) -> dict[str, str]:
    """Orthanc's names of our objects by SOP instance UID."""
    found = {}
    for name in archive.asked("/instances"):
        tags = archive.asked(f"/instances/{name}/simplified-tags")
        if tags.get("Manufacturer") == "coronary-vit":
            found[tags["SOPInstanceUID"]] = name
    return found


def test_patient_and_study_are_those_of_the_source(sources: Path, results: Path) -> None:
    for name in names(sources):
        source = pydicom.dcmread(sources / f"{name}.dcm")
        for made in read(results, name):
            for keyword in ("StudyInstanceUID", "PatientID", "PatientSex", "AccessionNumber"):
                assert str(made.get(keyword) or "") == str(source.get(keyword) or ""), keyword
            assert str(made.PatientName) == str(source.PatientName)
            assert made.SpecificCharacterSet == "ISO_IR 192"


def test_series_and_instances_are_new_and_pictures_of_a_study_lie_together(
    sources: Path, results: Path
) -> None:
    pairs = {name: read(results, name) for name in names(sources)}
    made = [data for pair in pairs.values() for data in pair]
    given = {str(pydicom.dcmread(path).SOPInstanceUID) for path in sources.iterdir()}
    assert len({data.SOPInstanceUID for data in made} | given) == len(made) + len(given)
    series = {data.SeriesInstanceUID for data in made}
    assert f"{ROOT}.2" not in series
    assert len(series) == 2 * (len(SHIPPED_SOURCES) + 1)
    together = [pairs[name] for name in ("run", "same_picture", "same_study")]
    for kind in (0, 1):
        assert len({pair[kind].SeriesInstanceUID for pair in together}) == 1
        assert [pair[kind].InstanceNumber for pair in together] == [1, 2, 3]


def test_the_report_says_what_the_table_says(results: Path, model: Path) -> None:
    rows = {Path(row["path"]).stem: row for row in table(results / "predictions.csv")}
    digest = hashlib.sha256(model.read_bytes()).hexdigest()
    for name, row in rows.items():
        report = srread(results / f"{name}_report.dcm")
        (group,) = report.content.get_image_measurement_groups()
        assert group.finding_type.meaning == row["predicted"]
        found = {each.name.meaning: each.value for each in group.get_measurements()}
        for label in ("normal", "abnormal"):
            wanted = float(row[f"probability_{label}"])
            assert found[f"Probability of {label}"] == pytest.approx(wanted, abs=1e-9)
        assert found["Decision threshold for abnormal"] == 0.5
        held = [
            each.value.meaning
            for each in group.get_qualitative_evaluations()
            if each.name.meaning == "Prediction set"
        ]
        assert ";".join(held) == row["set"].replace("none", "none of the classes")
        said = read(results, name)[1].to_json()
        assert f"checkpoint sha256: {digest}" in said


def test_the_source_is_referenced_and_the_frame_of_a_run(sources: Path, results: Path) -> None:
    for name in names(sources):
        image, report = read(results, name)
        source = pydicom.dcmread(sources / f"{name}.dcm")
        (of_image,) = image.SourceImageSequence
        (group,) = srread(results / f"{name}_report.dcm").content.get_image_measurement_groups()
        (of_group,) = group.source_images
        (evidence,) = report.CurrentRequestedProcedureEvidenceSequence
        (of_report,) = evidence.ReferencedSeriesSequence[0].ReferencedSOPSequence
        for reference in (of_image, of_group.ReferencedSOPSequence[0], of_report):
            assert reference.ReferencedSOPInstanceUID == source.SOPInstanceUID
            assert reference.ReferencedSOPClassUID == source.SOPClassUID
        frame = 4 if name == "run" else None  # the middle one of 7
        assert of_image.get("ReferencedFrameNumber") == frame
        assert of_group.ReferencedSOPSequence[0].get("ReferencedFrameNumber") == frame


def test_every_object_says_that_it_is_for_research(sources: Path, results: Path) -> None:
    for name in names(sources):
        image, report = read(results, name)
        assert RESEARCH in image.DerivationDescription
        assert image.ImageComments.startswith(RESEARCH)
        assert RESEARCH in report.to_json()
        for made in (image, report):
            assert made.SeriesDescription.startswith("Research, not diagnosis")
        assert (report.VerificationFlag, report.PreliminaryFlag) == ("UNVERIFIED", "PRELIMINARY")


def test_no_place_of_this_machine_is_told(sources: Path, results: Path) -> None:
    for path in results.glob("*.dcm"):
        assert b"private name" not in path.read_bytes()


def test_lossy_pixels_stay_lossy(results: Path) -> None:
    assert read(results, "same_study")[0].LossyImageCompression == "01"
    assert read(results, "jpeg2000")[0].LossyImageCompression == "01"
    assert "LossyImageCompression" not in read(results, "run")[0]


def few(tmp_path: Path) -> Path:
    return saved(tmp_path / "few", a=of_archive(1), b=of_archive(2))


def test_where_answers_lie_already_nothing_is_written(tmp_path: Path, model: Path) -> None:
    output = answer(few(tmp_path), model, tmp_path / "out")
    before = {path.name: path.read_bytes() for path in output.iterdir()}
    with pytest.raises(SystemExit, match=r"a_picture\.dcm is there already, and so are 3 others"):
        answer(few(tmp_path), model, output)
    assert {path.name: path.read_bytes() for path in output.iterdir()} == before


def test_one_source_that_is_no_dicom_and_nothing_is_written(tmp_path: Path, model: Path) -> None:
    save(few(tmp_path) / "c.png", encode(".png", (picture(1) * 255).astype("u1")))
    with pytest.raises(SystemExit, match=r"\A\S*c\.png: is PNG, wanted a DICOM file") as caught:
        answer(tmp_path / "few", model, tmp_path / "out")
    assert len(str(caught.value).splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_one_damaged_source_and_nothing_is_written(tmp_path: Path, model: Path) -> None:
    saved(few(tmp_path), c=of_archive(3, PixelData=b"\0" * 6))
    with pytest.raises(SystemExit, match=r"c\.dcm: no readable DICOM image"):
        answer(tmp_path / "few", model, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_answers_are_no_sources(tmp_path: Path, model: Path) -> None:
    folder = few(tmp_path)
    answer(folder, model, folder / "out")
    with pytest.raises(SystemExit, match=r"a_picture\.dcm: is an answer that predict\.py --dicom"):
        answer(folder, model, tmp_path / "out")


def test_what_is_left_out_of_a_header_is_said(
    tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = of_archive(1, StudyID="a\\b", PatientName="", PatientID="")
    answer(saved(tmp_path / "few", a=content), model, tmp_path / "out")
    said = capsys.readouterr().err
    assert re.search(r"note: StudyID of 1 sources .*a\.dcm; it is left empty", said)
    assert re.search(r"note: 1 sources name no patient, such as \S*a\.dcm; nor do", said)


ODD = ["心臓 正常", "a\\b", "long " * 40 + "one", "long " * 40 + "two"]


@needs("dciodvfy", "dsrdump")
def test_many_classes_of_any_name(tmp_path: Path) -> None:
    config = contents()["config"] | {"num_classes": len(ODD)}
    model = checkpoint.build_model(config)
    state = {f"model.{name}": value for name, value in model.state_dict().items()}
    plain = contents(class_names=ODD, config=config, state_dict=state)
    checkpoint.save(plain, tmp_path / "ViT.ckpt")
    output = answer(few(tmp_path), tmp_path / "ViT.ckpt", tmp_path / "out")
    for path in output.glob("*.dcm"):
        assert "Error" not in run("dciodvfy", "-new", str(path))
    report = pydicom.dcmread(output / "a_report.dcm")
    assert "predicted is the most probable class" in report.to_json()
    codes = re.findall(r'"(\w{16})"', report.to_json())
    assert len(set(codes)) >= len(ODD)
    said = run("dsrdump", "+Pl", str(output / "a_report.dcm"))
    assert "Decision threshold" not in said
    assert said.count("Probability of") == len(ODD)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["-o", "x.png"], "--dicom: got --OUTPUT x.png, wanted a folder"),
        (["-o", "x.html"], "--dicom: got --OUTPUT x.html, wanted a folder"),
        ([], "2"),
        (["--recalibrate", "x"], "2"),
    ],
)
def test_options_that_do_not_go_together(
    tmp_path: Path,
    model: Path,
    options: list[str],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given = [] if "--recalibrate" in options else ["-p", str(few(tmp_path))]
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match=said):
        predict.main([*given, "-k", str(model), "--dicom", *options])


def test_a_missing_highdicom_is_one_line(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "highdicom", None)
    with pytest.raises(SystemExit, match=r"highdicom is not installed; pip install highdicom\Z"):
        answer(few(tmp_path), model, tmp_path / "out")


def test_highdicom_is_asked_for_by_the_writers_of_objects_alone() -> None:
    project = Path(predict.__file__).parent
    rooms = ("data", "metrics", "phantoms", "report", "training", "vit")
    files = [
        *project.glob("*.py"),
        *(file for room in rooms for file in (project / room).glob("*.py")),
    ]
    asking = {file.name for file in files if "from highdicom" in file.read_text(encoding="utf-8")}
    assert asking == {"dicom_picture.py", "dicom_place.py", "dicom_report.py"}
    within = re.compile(r"^(?:from|import) report.*dicom_(?:objects|picture|place|report)\b", re.M)
    users = {file.name for file in files if within.search(file.read_text(encoding="utf-8"))}
    assert users <= asking | {"dicom_objects.py"}
