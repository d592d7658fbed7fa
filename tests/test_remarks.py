"""What headers of DICOM and names of classes declare is said; what holds no picture is none."""

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest

from data import tree
from data.class_notes import notes_of_classes
from data.readers import DataError, read_stored
from data.remarks import Remark, notes_of_remarks
from tests.image_files import dicom, picture, save

VALUES = np.round(picture(1) * 200).astype(np.uint8)
DECLARED: dict[str, dict[str, Any]] = {
    "viewers show subtracted": {"RecommendedViewingMode": "SUB"},
    "colours beside their grey": {"PixelPresentation": "COLOR"},
    "text is burned in": {"BurnedInAnnotation": "YES"},
    "localizers": {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]},
}


def remarks(path: Path, content: bytes) -> str:
    save(path, content)
    return " ".join(remark.what + remark.then for remark in read_stored(path).remarks)


@pytest.mark.parametrize("words", DECLARED)
def test_what_a_header_declares_is_said(tmp_path: Path, words: str) -> None:
    assert words in remarks(tmp_path / "a.dcm", dicom(VALUES, **DECLARED[words]))


def test_an_overlay_is_said_and_a_plain_file_says_nothing(tmp_path: Path) -> None:
    assert remarks(tmp_path / "a.dcm", dicom(VALUES, BurnedInAnnotation="NO")) == ""
    data = pydicom.dcmread(tmp_path / "a.dcm")
    data.add_new(0x60003000, "OW", b"\1\1")
    data.save_as(tmp_path / "a.dcm")
    assert "overlays" in remarks(tmp_path / "a.dcm", (tmp_path / "a.dcm").read_bytes())


CT = {"Modality": "CT", "RescaleSlope": 1, "RescaleIntercept": -1024}


def test_the_window_of_a_ct_that_names_none_is_said(tmp_path: Path) -> None:
    values = np.round(picture(1) * 2000).astype(np.uint16)
    said = remarks(tmp_path / "a.dcm", dicom(values, **CT))
    assert "are CT that names no window: they are shown at centre 300 and width 800 HU" in said
    named = dicom(values, **CT, WindowCenter=300, WindowWidth=800)
    assert remarks(tmp_path / "b.dcm", named) == ""


def test_values_of_a_ct_that_are_no_hu_have_no_window_of_hu(tmp_path: Path) -> None:
    values = np.round(picture(1) * 2000).astype(np.uint16)
    save(tmp_path / "a.dcm", dicom(values, **CT, RescaleType="MGML"))
    assert read_stored(tmp_path / "a.dcm").ends is not None


@pytest.mark.parametrize("width", [0, -4, 0.5])
def test_a_window_that_shows_nothing_is_refused(tmp_path: Path, width: float) -> None:
    save(tmp_path / "a.dcm", dicom(VALUES, WindowCenter=40, WindowWidth=width))
    with pytest.raises(DataError, match=rf"window of width {width:g}, wanted 1 or more; choose"):
        read_stored(tmp_path / "a.dcm")
    assert read_stored(tmp_path / "a.dcm", (40, 20)).pixels.max() == 1


@pytest.mark.parametrize("kind", ["66.4", "11.1", "88.11", "481.3", "104.1", "67"])
def test_an_object_without_a_picture_is_no_image(tmp_path: Path, kind: str) -> None:
    sop = f"1.2.840.10008.5.1.4.1.1.{kind}"
    save(tmp_path / "a.dcm", dicom(VALUES, SOPClassUID=sop))
    save(tmp_path / "b.dcm", dicom(VALUES, SOPClassUID="1.2.840.10008.5.1.4.1.1.12.1"))
    assert tree.look(tmp_path).images == ["b.dcm"]


def test_remarks_are_counted_over_a_set() -> None:
    remark = Remark("are odd", ", and stay so")
    lines = notes_of_remarks({"b": (remark,), "a": (remark,), "c": ()})
    assert lines == ["2 of 3 images are odd, such as a, and stay so"]


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ("open narrow", "no class has a known name, so narrow is taken as positive"),
        ("0 1 2", "no name of a class means diseased, so 2 is taken as positive"),
        ("healthy normal CAD", "healthy and normal mean normal, but are 2 classes"),
        ("normal CAD stenosis", "CAD and stenosis mean diseased, but are 2 classes"),
        ("normal nromal CAD", "nromal is no known name and counts as a class of its own"),
    ],
)
def test_names_of_classes_that_may_be_meant_otherwise_are_said(names: str, words: str) -> None:
    assert words in "".join(notes_of_classes(names.split(), None))


@pytest.mark.parametrize("names", ["normal CAD", "0 1", "normal x"])
def test_plain_classes_need_no_word(names: str) -> None:
    assert notes_of_classes(names.split(), None) == []
