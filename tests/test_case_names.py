"""Names of files, classes and labels: what they hold does no harm and hinders nothing."""

import csv
import os
import shutil
from pathlib import Path

import pytest
import torch

import data.prepare
import predict
from tests.case_inputs import Place, must, run

pytest_plugins = ["tests.case_inputs"]
ESCAPES = "\x1b]0;owned\a\x1b[2J\nforged line: all is well.png"  # sets the title, clears the screen
FORMULAS = ('=HYPERLINK("http:x","y").png', "@SUM(1).png", "+1.png")


def table(path: Path) -> list[dict[str, str]]:
    """The rows of a table; none where it was not written."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


def name_class(place: Place, name: str) -> None:
    """Give the checkpoint's positive class another name; a harmless one is tried first."""
    former = place.contents()
    for other in ("other", name):
        contents = dict(former)
        contents["class_names"] = ["normal", other]
        scores = contents.get("conformal_scores", {})
        if scores:
            contents["conformal_scores"] = {"normal": scores["normal"], other: scores["abnormal"]}
        torch.save(contents, place.checkpoint)
        if other != name:
            must(run(predict.main, place.predict(place.few, "harmless/o.html")))


def folder_with(place: Place, *names: str) -> Path:
    """A folder with an image under each name."""
    folder = place.folder / "in"
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            shutil.copy(place.raw / "normal" / "p00.png", path)
        except OSError as error:
            raise RuntimeError(f"this disk has no such names: {error}") from error
    return folder


def test_control_characters_of_a_file_name_are_not_printed(place: Place) -> None:
    (place.raw / "normal" / ESCAPES).write_text("x")
    words = ["--Path", str(place.raw), "--OUTPUT", str(place.folder / "o")]
    assert "\x1b]0;owned" not in run(data.prepare.main, words).text


def test_control_characters_of_a_class_name_are_not_printed(place: Place) -> None:
    name_class(place, "\x9b31m\x9b2Jab")
    words = place.predict(place.few, "o.html", "--target", "x")
    assert "\x9b" not in run(predict.main, words).text


def test_no_file_name_in_a_table_begins_like_a_formula(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder_with(place, *FORMULAS))
    run(predict.main, place.predict(Path(), "o.html"))
    rows = table(place.folder / "predictions.csv")
    assert not [row["path"] for row in rows if row["path"].startswith(("=", "+", "-", "@"))]


def test_no_class_name_in_a_table_begins_like_a_formula(place: Place) -> None:
    name_class(place, "=cmd|' /C calc'!A0")
    run(predict.main, place.predict(place.few, "o.html"))
    cells = [cell for row in table(place.folder / "predictions.csv") for cell in row.values()]
    assert not [cell for cell in cells if cell.startswith("=cmd|")]


def test_an_image_whose_name_holds_a_carriage_return_is_one_row(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder_with(place, "bad\rgood.png"))
    run(predict.main, place.predict(Path(), "o.html"))
    assert len(table(place.folder / "predictions.csv")) <= 1


LONG = {
    "80 letters of 3 bytes": f"{80 * chr(0x5FC3)}.png",
    "long folders": "/".join(["d" * 90, "e" * 90, "f" * 90, "p.png"]),
}


@pytest.mark.parametrize("name", LONG)
def test_an_image_whose_own_name_is_long_is_drawn(place: Place, name: str) -> None:
    folder = folder_with(place, LONG[name])
    said = run(predict.main, place.predict(folder, "drawn/"))
    if said.status and "too long" not in said.text:
        raise RuntimeError(f"not drawn for another reason: {said.text}")
    assert said.status == 0


def test_a_file_whose_name_is_no_text_ends_in_one_line(place: Place) -> None:
    name = os.fsdecode(b"\xff\xfe.png")
    path = folder_with(place, name) / name
    said = run(predict.main, place.predict(path, "o.png"), (UnicodeEncodeError,))
    assert said.error is None


def test_a_label_with_a_nul_is_refused_in_one_line(place: Place) -> None:
    with (place.raw / "manifest.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["path", "label"])
        for path in sorted(place.raw.glob("*/*.png")):
            label = "nor\0mal" if path.parent.name == "normal" else "abnormal"
            rows.writerow([path.relative_to(place.raw), label])
    words = ["--Path", str(place.raw), "--OUTPUT", str(place.folder / "o"), "--image_size", "32"]
    said = run(data.prepare.main, words, (ValueError,))
    assert said.error is None
