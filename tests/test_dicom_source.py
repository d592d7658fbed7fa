"""What answers take over from a DICOM file: surely as it was meant, or refused in one line."""

import gzip
import shutil
import warnings
from pathlib import Path

import pydicom
import pydicom.data
import pytest
from pydicom.encaps import encapsulate

from data.dicom import opened
from data.dicom_source import LOSSY, MAKER, NAMES, source_of, sources_of
from data.dicom_text import text_of, texts_of
from data.limits import DataError
from tests.dicom_sources import ROOT, of_archive, saved, swapped, without, written_as
from tests.image_files import save

YAMADA = "Yamada^Tarou=山田^太郎=やまだ^たろう"


@pytest.mark.parametrize(
    ("characters", "name"),
    [
        ("ISO_IR 100", "Äneas^Rüdiger"),
        (["", "ISO 2022 IR 87"], YAMADA),
        ("ISO_IR 192", YAMADA),
        ("GB18030", "Wang^XiaoDong=王^小东"),
        ("ISO_IR 126", "Διονυσιος"),
    ],
)
def test_a_name_in_any_letters_is_handed_on(
    tmp_path: Path, characters: str | list[str], name: str
) -> None:
    content = of_archive(1, SpecificCharacterSet=characters, PatientName=name)
    source = source_of(save(tmp_path / "a.dcm", content))
    assert str(source.about.PatientName) == name
    assert source.about.SpecificCharacterSet == "ISO_IR 192"


@pytest.mark.parametrize("file", pydicom.data.get_charset_files("chr[!S]*.dcm"))
def test_names_of_every_character_set_are_read_as_pydicom_reads_them(file: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wanted = str(pydicom.dcmread(file).PatientName)
        assert text_of(texts_of(opened(Path(file))), "PatientName") == wanted


@pytest.mark.parametrize(
    ("characters", "raw", "said"),
    [
        (None, "Äneas^R".encode("latin-1"), "beyond ASCII, and the file names no Spec"),
        ("ISO_IR 192", "Äneas^R".encode("latin-1"), "ISO_IR 192 does not hold"),
        ("ISO_IR 999", "Äneas^R".encode("latin-1"), "ISO_IR 999 does not hold"),
        ("ISO_IR 100", b"Jan\0\x07^R", r"the character '\\x00' in it"),
    ],
)
def test_a_name_that_cannot_be_read_surely_is_refused(
    tmp_path: Path, characters: str | None, raw: bytes, said: str
) -> None:
    content = of_archive(1, PatientName="Doe^Jan", StudyDescription="x")
    if characters:
        content = written_as(content, "SpecificCharacterSet", "CS", characters)
    path = save(tmp_path / "a.dcm", swapped(content, b"Doe^Jan", raw))
    with pytest.raises(DataError, match=rf"a\.dcm: PatientName: got .*{said}.*dcmodify$"):
        source_of(path)


@pytest.mark.parametrize("keyword", NAMES)
def test_a_file_without_a_name_of_its_own_is_refused(tmp_path: Path, keyword: str) -> None:
    path = save(tmp_path / "a.dcm", without(of_archive(1), keyword))
    with pytest.raises(DataError, match=f"names no {keyword}, wanted one"):
        source_of(path)
    empty = save(tmp_path / "b.dcm", written_as(of_archive(1), keyword, "UI", ""))
    with pytest.raises(DataError, match=f"names no {keyword}, wanted one"):
        source_of(empty)


@pytest.mark.parametrize(
    ("keyword", "value", "said"),
    [
        ("StudyInstanceUID", "1.2.03", "'1.2.03', wanted the form UI"),
        ("StudyInstanceUID", "1.2.x", "'1.2.x', wanted the form UI"),
        ("StudyInstanceUID", "1." * 32 + "11", "66 characters, wanted 64"),
        ("StudyInstanceUID", ["1.2", "1.3"], "2 values, wanted one"),
        ("PatientID", "7" * 65, "65 characters, wanted 64"),
        ("PatientID", ["7", "8"], "2 values, wanted one"),
        ("AccessionNumber", "A" * 17, "17 characters, wanted 16"),
        ("PatientName", "D" * 65 + "^J", "67 characters, wanted 64"),
        ("PatientName", "a^b^c^d^e^f", "6 parts, wanted 5"),
        ("PatientName", "a=b=c=d", "4 ways to write a name, wanted 3"),
    ],
)
def test_what_tells_whose_a_picture_is_must_be_of_dicoms_form(
    tmp_path: Path, keyword: str, value: str | list[str], said: str
) -> None:
    form = pydicom.datadict.dictionary_VR(keyword)
    path = save(tmp_path / "a.dcm", written_as(of_archive(1), keyword, form, value))
    with pytest.raises(DataError, match=rf"a\.dcm: {keyword}: got {said}"):
        source_of(path)


def test_a_class_that_is_not_of_dicom_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "a.dcm", of_archive(1, SOPClassUID="1.2.3.4.5"))
    with pytest.raises(DataError, match=r"SOPClassUID: got 1\.2\.3\.4\.5, wanted one of DICOM"):
        source_of(path)


@pytest.mark.parametrize("form", ["ST", "UN", "IS", "CS"])
def test_a_text_in_a_wrong_form_is_taken_letter_by_letter(tmp_path: Path, form: str) -> None:
    value = b"0007" if form == "UN" else "0007"
    path = save(tmp_path / "a.dcm", written_as(of_archive(1), "PatientID", form, value))
    assert source_of(path).about.PatientID == "0007"


@pytest.mark.parametrize(("form", "value"), [("US", 7), ("FD", 7.0), ("OB", b"0007")])
def test_a_text_that_is_written_as_a_number_is_refused(
    tmp_path: Path, form: str, value: object
) -> None:
    path = save(tmp_path / "a.dcm", written_as(of_archive(1), "PatientID", form, value))
    with pytest.raises(DataError, match=f"PatientID: got the form {form}, wanted LO"):
        source_of(path)


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("StudyDate", "20240231"),
        ("StudyDate", "2024.01.31"),
        ("PatientBirthDate", "1961"),
        ("StudyTime", "25"),
        ("PatientSex", "X"),
        ("StudyID", "S" * 17),
        ("StudyDescription", "D" * 65),
        ("ReferringPhysicianName", "R" * 65),
    ],
)
def test_what_else_is_of_a_wrong_form_is_left_out_and_named(
    tmp_path: Path, keyword: str, value: str
) -> None:
    form = pydicom.datadict.dictionary_VR(keyword)
    path = save(tmp_path / "a.dcm", written_as(of_archive(1), keyword, form, value))
    source = source_of(path)
    assert source.left_out == (keyword,)
    assert not source.about.get(keyword)


def test_a_patient_that_is_not_named_stays_so(tmp_path: Path) -> None:
    content = without(without(of_archive(1), "PatientID"), "PatientName")
    about = source_of(save(tmp_path / "a.dcm", content)).about
    assert (about.PatientID, about.PatientName, about.PatientSex) == ("", "", "F")
    assert "IssuerOfPatientID" not in about


@pytest.mark.parametrize(("said", "is_lossy"), [("01", True), ("00", False), ("", None)])
def test_lossy_compression_is_handed_on(tmp_path: Path, said: str, is_lossy: bool | None) -> None:
    content = of_archive(1, LossyImageCompression=said, BurnedInAnnotation="YES")
    source = source_of(save(tmp_path / "a.dcm", content))
    assert source.is_lossy is is_lossy
    assert source.has_burned_text


def test_a_lossy_transfer_syntax_is_lossy_whatever_is_said(tmp_path: Path) -> None:
    content = of_archive(1, syntax=LOSSY[0], PixelData=encapsulate([b"\xff\xd8"]))
    assert source_of(save(tmp_path / "a.dcm", content)).is_lossy


@pytest.mark.parametrize("name", ["a.png", "a.npy", "a.dcm.gz", "a.zip", "a.txt"])
def test_what_is_no_dicom_is_refused(tmp_path: Path, name: str) -> None:
    first = {".png": b"\x89PNG\r\n\x1a\n", ".npy": b"\x93NUMPY", ".zip": b"PK\3\4"}
    content = first.get(name[1:], b"words")
    path = save(tmp_path / name, gzip.compress(of_archive(1)) if "gz" in name else content)
    with pytest.raises(DataError, match=r"wanted a DICOM file, which --dicom answers"):
        source_of(path)


def test_two_files_of_one_instance_are_refused(tmp_path: Path) -> None:
    folder = saved(tmp_path, a=of_archive(1), b=of_archive(2, SOPInstanceUID=f"{ROOT}.3.1"))
    shutil.copy(folder / "a.dcm", folder / "c.dcm")
    paths = [folder / name for name in ("a.dcm", "b.dcm", "c.dcm")]
    with pytest.raises(DataError, match=r"(?s)b\.dcm: has the SOPInstanceUID of .*a\.dcm.*c\.dcm"):
        sources_of(paths)


def test_a_study_of_two_patients_is_refused(tmp_path: Path) -> None:
    folder = saved(tmp_path, a=of_archive(1), b=of_archive(2, PatientID="P8"))
    with pytest.raises(DataError, match=r"b\.dcm: has the StudyInstanceUID of .*another PatientID"):
        sources_of([folder / "a.dcm", folder / "b.dcm"])


@pytest.mark.parametrize(
    ("one", "two", "by"),
    [
        ({"PatientID": ""}, {"PatientID": "", "PatientName": "Roe^Rick"}, "PatientName"),
        ({"IssuerOfPatientID": "A"}, {"IssuerOfPatientID": "B"}, "IssuerOfPatientID"),
    ],
)
def test_a_study_of_two_patients_is_refused_where_the_id_does_not_tell_them_apart(
    tmp_path: Path, one: dict[str, str], two: dict[str, str], by: str
) -> None:
    folder = saved(tmp_path, a=of_archive(1, **one), b=of_archive(2, **two))
    with pytest.raises(DataError, match=rf"b\.dcm: has the StudyInstanceUID .* another {by},"):
        sources_of([folder / "a.dcm", folder / "b.dcm"])


def test_one_patient_whose_name_is_typed_in_two_ways_is_one(tmp_path: Path) -> None:
    changed = of_archive(2, PatientName="DOE^JANE", IssuerOfPatientID="A")
    folder = saved(tmp_path, a=of_archive(1), b=changed)
    assert len(sources_of([folder / "a.dcm", folder / "b.dcm"])) == 2


def test_an_answer_is_no_source(tmp_path: Path) -> None:
    path = save(tmp_path / "a.dcm", of_archive(1, Manufacturer=MAKER))
    with pytest.raises(DataError, match=r"is an answer that predict.py --dicom has written"):
        source_of(path)


def test_a_damaged_file_is_one_line(tmp_path: Path) -> None:
    path = save(tmp_path / "a.dcm", of_archive(1)[:300])
    with pytest.raises(DataError) as caught:
        source_of(path)
    assert len(str(caught.value).splitlines()) == 1
