"""The one reader of tables: what spreadsheets make of CSV is understood, the rest refused."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from data import sources
from data.geometry import parse_boxes
from data.readers import DataError
from data.tables import read_table

ROWS = [{"path": "a.png", "label": "normal"}, {"path": "b.png", "label": "ä"}]
PLAIN = "path,label\na.png,normal\nb.png,ä\n"
FORMS = {
    "BOM": PLAIN.encode("utf-8-sig"),
    "UTF-16": PLAIN.encode("utf-16"),
    "UTF-16 without BOM": PLAIN.encode("utf-16-le"),
    "Latin-1": PLAIN.encode("latin-1"),
    "semicolons": PLAIN.replace(",", ";").encode(),
    "tabs": PLAIN.replace(",", "\t").encode(),
    "sep": b"sep=;\r\n" + PLAIN.replace(",", ";").replace("\n", "\r\n").encode(),
    "empty cells": PLAIN.replace("\n", ",,\n").encode() + b",,,\n\n",
    "rows of blanks": PLAIN.replace("\nb", "\n , \nb").encode() + b" , \n",
    "blanks": PLAIN.replace("path,label", " path , label").encode(),
}


@pytest.mark.parametrize("form", FORMS)
def test_forms_of_spreadsheets_are_read(tmp_path: Path, form: str) -> None:
    (tmp_path / "t.csv").write_bytes(FORMS[form])
    assert read_table(tmp_path / "t.csv", tmp_path) == ROWS


@pytest.mark.parametrize("start", [b"PK\3\4", b"\xd0\xcf\x11\xe0"])
def test_a_workbook_under_another_name_is_refused(
    tmp_path: Path, start: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "t.csv").write_bytes(start + bytes(100))
    with pytest.raises(DataError, match=r"t.csv: .* is a workbook of a spreadsheet .* as CSV"):
        read_table(tmp_path / "t.csv")
    assert capsys.readouterr().err == ""


def test_latin_1_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "t.csv").write_bytes(FORMS["Latin-1"])
    read_table(tmp_path / "t.csv")
    assert "t.csv: is not UTF-8 and is read as Latin-1" in capsys.readouterr().err


REFUSED = {
    "path,label,Label\na,b,c\n": "got the column label 2 times",
    "path,label\na,nor\0mal\n": r"line 2: got the control character '\\x00'",
    "path,label\na,b\x1b[2J\n": r"line 2: got the control character '\\x1b'",
    "path,label\na,b,c\n": "line 2: got 3 cells under 2 names",
    "path,label\n": "no rows",
    "": "no rows",
}


@pytest.mark.parametrize("text", REFUSED)
def test_what_cannot_be_meant_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(DataError, match=REFUSED[text]):
        read_table(tmp_path / "t.csv", tmp_path)


@pytest.mark.parametrize("kind", ["link", "fifo", "device", "folder", "large"])
def test_no_plain_file_of_the_folder_is_opened(tmp_path: Path, kind: str) -> None:
    table = tmp_path / "raw" / "t.csv"
    table.parent.mkdir()
    if kind == "link":
        (tmp_path / "secret").write_text("SECRET,b\n1,2\n")
        table.symlink_to(tmp_path / "secret")
    elif kind == "fifo":
        os.mkfifo(table)
    elif kind == "device":
        table.symlink_to("/dev/zero")
    elif kind == "folder":
        table.mkdir()
    else:
        table.touch()
        os.truncate(table, 100_000_001)
    with pytest.raises(DataError, match="not readable") as error:
        read_table(table, table.parent)
    assert "SECRET" not in str(error.value)


def test_backslashes_blanks_and_decimal_commas_are_understood(
    pictures: Callable[..., Path],
) -> None:
    raw = pictures(count=1)
    (raw / "manifest.csv").write_text(
        "Path;Label;Split;lesion_boxes_xyxy;pixel_spacing_mm\n"
        "normal\\p00.png; normal ;Training;;0,3\n"
        "abnormal/p00.png ;abnormal;VAL;8,5 20,0 24,0 30,5;0,3\n"
    )
    _, (sick, well), _ = sources.find(raw, None, [])
    assert (well.path, well.label, well.split) == ("normal/p00.png", "normal", "train")
    assert (sick.path, sick.split, sick.pixel_spacing_mm) == ("abnormal/p00.png", "val", "0.3")
    assert parse_boxes(sick.lesion_boxes_xyxy) == [(8.5, 20.0, 24.0, 30.5)]


def test_images_that_the_manifest_does_not_list_are_counted(pictures: Callable[..., Path]) -> None:
    raw = pictures(count=2)
    (raw / "manifest.csv").write_text(
        "path,label\nnormal/p00.png,normal\nabnormal/p00.png,abnormal\n"
    )
    notes: list[str] = []
    sources.find(raw, None, notes)
    assert "left out: 2 files, which the manifest does not list; such as abnormal/p01.png" in notes


def test_a_file_that_another_column_names_is_left_out_with_that_column(
    pictures: Callable[..., Path],
) -> None:
    raw = pictures(count=2)
    (raw / "manifest.csv").write_text(
        "path,label,overlay\nnormal/p00.png,normal,normal/p01.png\n"
        "abnormal/p00.png,abnormal,abnormal/p01.png\n"
    )
    notes: list[str] = []
    sources.find(raw, None, notes)
    said = "which the manifest names in column overlay alone; such as abnormal/p01.png"
    assert f"left out: 2 files, {said}" in notes
