"""Who writes files: each place is known, and what users see is kept when it is replaced."""

import csv
import os
import re
import stat
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

import CONFIG
from data import contact_sheet
from data.figures import save_figure
from data.inputs import Input
from data.tables import guarded, read_table, unguarded, write_table
from files import LONGEST_NAME, written_whole
from report import charts, pictures
from report.prediction_pictures import picture_names, pictures_of
from tests.test_train import PROJECT
from vit import checkpoint

ROOMS = ("report", "training", "vit", "phantoms", "data", "metrics")
WRITES = re.compile(
    r"""savefig\(|imwrite\(|open\(.*["'][wax]b?["']|write_text\(|write_bytes\(|savez?\(|"""
    r"""savez_compressed\(|save_as\(|to_csv\(|shutil\.copy|\.writerows?\("""
)
# Each file that writes, with how many lines of it do. Kept is what a user sees: through
# written_whole with keep_former, or as the caller asks for it.
KEEPS = {
    "CONFIG.py": 1,  # config.yml
    "data/audit.py": 1,  # audit.json
    "data/figures.py": 1,  # predictions.png, learning_curve.png, contact_sheet.png, audit.png
    "data/tables.py": 3,  # predictions.csv, out_of_fold.csv, learning_curve.csv; manifest.csv
    "report/app.py": 1,  # app.html
    "report/external.py": 1,  # external.txt
    "report/external_page.py": 1,  # external.html
    "report/dicom_objects.py": 4,  # pictures and reports for an archive
    "report/page.py": 1,  # report.html
    "report/pictures.py": 5,  # seven pictures of a model
    "vit/checkpoint.py": 3,  # ViT.ckpt; states of a run
    "vit/export.py": 1,  # model.onnx
}
ASKS = {"training/publish.py": 1, "training/recalibrate.py": 1}  # vit.checkpoint to keep ViT.ckpt
NEW_FOLDERS = {  # in a folder of folder_written_whole, which takes its name when all is there
    "data/arcade.py": 1,
    "data/dataset_info.py": 1,  # dataset.json
    "data/preparation.py": 4,  # the images
    "phantoms/folder.py": 2,  # the images
}
OWN = {  # states and logs in a run's folder, and locks: no user's work
    "files.py": 1,
    "locks.py": 1,
    "phantoms/kept.py": 4,
    "report/looks.py": 1,  # looks.json, which holds all that the former one held
    "train.py": 1,
    "training/beginning.py": 1,
    "training/resume.py": 2,
    "training/run.py": 1,
    "vit/quantisation.py": 1,  # a temporary folder
}
NO_FILE = {"report/charts.py": 1, "report/panels.py": 1, "vit/__init__.py": 1}  # memory, and help


def sources() -> list[Path]:
    rooms = [path for room in ROOMS for path in (PROJECT / room).glob("**/*.py")]
    return [*PROJECT.glob("*.py"), *rooms]


def test_every_place_that_writes_a_file_is_known() -> None:
    found = {}
    for path in sources():
        lines = path.read_text(encoding="utf-8").splitlines()
        if count := sum(bool(WRITES.search(line)) for line in lines):
            found[path.relative_to(PROJECT).as_posix()] = count
    assert found == {**KEEPS, **ASKS, **NEW_FOLDERS, **OWN, **NO_FILE}


@pytest.mark.parametrize("name", KEEPS)
def test_every_writer_of_what_users_see_may_keep_a_former_file(name: str) -> None:
    text = (PROJECT / name).read_text(encoding="utf-8")
    assert re.search(r"written_whole\([^\n]*keep_former", text)


def test_the_tables_that_users_see_are_kept() -> None:
    for name in ("vit/predictions.py", "training/publish.py", "report/learning_curve.py"):
        assert "keep_former=True" in (PROJECT / name).read_text(encoding="utf-8")


def write_configuration(path: Path) -> None:
    CONFIG.write(CONFIG.Config(), path)


def write_rows(path: Path) -> None:
    write_table(path, [{"path": "a"}], keep_former=True)


def write_checkpoint(path: Path) -> None:
    checkpoint.save({"format_version": 1}, path, keep_former=True)


def write_picture(path: Path) -> None:
    pictures.save([Image.new("RGB", (8, 8), "red")], path)


def write_contact_sheet(path: Path) -> None:
    cell = contact_sheet.Cell(np.zeros((4, 4), np.float32), "$x_1")
    contact_sheet.draw([contact_sheet.Row("$a^", [cell])], path)


WRITERS: list[tuple[str, Callable[[Path], None]]] = [
    ("config.yml", write_configuration),
    ("predictions.csv", write_rows),
    ("ViT.ckpt", write_checkpoint),
    ("model.png", write_picture),
    ("contact_sheet.png", write_contact_sheet),
]


@pytest.mark.parametrize(("name", "write"), WRITERS, ids=[name for name, _ in WRITERS])
def test_a_former_file_is_kept_and_its_mode_handed_on(
    tmp_path: Path, name: str, write: Callable[[Path], None], capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / name
    path.write_text("the user's own")
    path.chmod(0o600)
    write(path)
    (former,) = tmp_path.glob(f"{path.stem}_20*{path.suffix}")
    assert former.read_text() == "the user's own"
    modes = [stat.S_IMODE(each.stat().st_mode) for each in (path, former)]
    assert modes == [0o600, 0o600]
    assert f"kept the former {path} as {former}" in capsys.readouterr().out
    write(path)
    assert len(list(tmp_path.iterdir())) == 2  # the same file again takes nothing away


def test_a_file_that_is_not_replaced_after_all_leaves_no_dated_name(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("own")
    with pytest.raises(ValueError, match="no"), written_whole(tmp_path / "a.csv", True) as beside:
        beside.write_text("half")
        assert not list(tmp_path.glob("a_*"))
        raise ValueError("no")
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o444, 0o400, 0o660])
def test_what_is_being_written_is_as_private_as_what_it_replaces(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "last.ckpt"
    path.write_text("old")
    path.chmod(mode)
    with written_whole(path) as beside:
        assert stat.S_IMODE(beside.stat().st_mode) & 0o077 == mode & 0o077 & ~_umask()
        beside.write_text("new")
    assert path.read_text() == "new"
    assert stat.S_IMODE(path.stat().st_mode) == mode
    assert len(list(tmp_path.iterdir())) == 1


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def test_a_disk_without_links_keeps_a_former_file_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_link(*_: object) -> None:
        raise OSError("no links here")

    monkeypatch.setattr(os, "link", no_link)
    write_rows(tmp_path / "a.csv")
    write_table(tmp_path / "a.csv", [{"path": "b"}], keep_former=True)
    assert sorted(path.read_text() for path in tmp_path.iterdir()) == ["path\na\n", "path\nb\n"]


def test_a_name_that_just_fits_can_be_kept(tmp_path: Path) -> None:
    path = tmp_path / ("\u5fc3" * 83 + ".csv")
    for word in ("one", "two"):
        with written_whole(path, keep_former=True) as beside:
            beside.write_text(word)
    assert sorted(kept.read_text() for kept in tmp_path.iterdir()) == ["one", "two"]


CELLS = ["=1+1", "+cmd", "-a", "@SUM(1)", "'=x", "''@y", "'quoted'", "a=b", "", "-", "+1.png"]
NUMBERS = ["-1", "+2.5", "-1e-05", "-nan", "-.5", "3"]


@pytest.mark.parametrize("cell", [*CELLS, *NUMBERS])
def test_no_cell_is_a_formula_and_the_reader_reads_what_was_meant(
    tmp_path: Path, cell: str
) -> None:
    write_table(tmp_path / "a.csv", [{"path": cell, "n": 1}])
    (row,) = read_table(tmp_path / "a.csv")
    assert row["path"] == cell
    with (tmp_path / "a.csv").open(newline="") as file:
        (stored,) = csv.DictReader(file)
    if cell in NUMBERS:
        assert stored["path"] == cell
    else:
        assert not stored["path"].startswith(("=", "+", "-", "@"))
    assert unguarded(guarded(cell)) == cell


@pytest.mark.parametrize(
    "cell", ["a\rb", "a\nb", "a\x85b", "a\u2028b", "\t=1", "\r=1", "a\x00b", "\x1b["]
)
def test_no_cell_breaks_a_row(tmp_path: Path, cell: str) -> None:
    write_table(tmp_path / "a.csv", [{"path": cell, "n": 1}, {"path": "b", "n": 2}])
    rows = read_table(tmp_path / "a.csv", tmp_path)
    assert [row["n"] for row in rows] == ["1", "2"]
    assert rows[0]["path"].isprintable()


def test_a_column_that_begins_like_a_formula_is_read_back(tmp_path: Path) -> None:
    write_table(tmp_path / "a.csv", [{"=cmd": "x", "b": "y"}])
    assert (tmp_path / "a.csv").read_text() == "'=cmd,b\nx,y\n"
    assert read_table(tmp_path / "a.csv") == [{"=cmd": "x", "b": "y"}]


LONG = ["\u5fc3" * 80, "x" * 251, "\U0001f9e0" * 62, "a" * 85 + "/" + "b" * 85 + "/" + "c" * 85]


def test_pictures_of_long_names_have_short_names_of_their_own(tmp_path: Path) -> None:
    paths = [tmp_path / f"{name}{end}.png" for name in LONG for end in "12"]
    names = picture_names([*paths, tmp_path / "p.png"], tmp_path)
    assert max(len(os.fsencode(name)) for name in names) <= LONGEST_NAME - 25
    assert len(set(names)) == len(names)
    assert names[-1] == "p.png"
    assert all(name.endswith(".png") for name in names)


def test_a_folder_with_pictures_of_the_user_takes_none_of_ours(tmp_path: Path) -> None:
    Image.new("L", (8, 8)).save(tmp_path / "p.png")
    with pytest.raises(ValueError, match=r"1 files of the names to write are not drawn by pred"):
        pictures_of([_input(tmp_path / "raw" / "p.png")], tmp_path, "", "x/", tmp_path / "raw")
    assert len(list(tmp_path.iterdir())) == 1


def test_pictures_that_were_drawn_before_are_replaced_and_kept(tmp_path: Path) -> None:
    Figure(figsize=(1, 1)).savefig(tmp_path / "p.png")
    given = [_input(tmp_path / "raw" / "p.png")]
    assert pictures_of(given, tmp_path, "", "x/", tmp_path / "raw") == [tmp_path / "p.png"]


def _input(path: Path) -> Input:
    return Input(path, str(path))


@pytest.mark.parametrize("word", ["$x", "$\\frac{$", "a_b^c", "$\\nosuchcommand$"])
def test_no_text_of_a_figure_is_a_formula(tmp_path: Path, word: str) -> None:
    figure = Figure(figsize=(2, 2))
    axis = figure.subplots()
    axis.set_title(word)
    axis.set_xlabel(word)
    axis.plot([0], [0], label=word)
    axis.legend()
    figure.suptitle(word)
    save_figure(figure, tmp_path / "a.png", 50)
    assert {text.get_parse_math() for text in figure.findobj(Text)} == {False}


def test_charts_of_classes_with_dollars_are_drawn() -> None:
    truth = np.array([False, True, False, True])
    names = ["$\\frac{", "$\\bad$"]
    drawn = charts.of_predictions(truth, np.array([0.1, 0.9, 0.6, 0.4]), 0.5, names)
    assert len(drawn) == 4
