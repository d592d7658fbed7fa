"""Which classes the words of labels mean, and which labels mean none."""

from pathlib import Path

import numpy as np
import pytest

from data import sources
from data.preparation import _free_name
from data.readers import DataError
from data.words import in_one_spelling, is_no_class, meaning_of, one_spelling
from tests.image_files import encode, picture, save

NORMAL = "CAD-,lesion (-),-,normal_cases,Healthy_controls,no_finding,0_normal,NormalCases"
NORMAL += ",control group,nonobstructive,neg,without stenosis,no"
NORMAL += ",sain,Gesund,sano,Normales,unaffected,正常,saudável,unauffällig"
ABNORMAL = "CAD+,lesion +,+,abnormal_cases,CAD_patients,finding,1_abnormal,yes,not normal,pos"
ABNORMAL += ",affected,occlusion,malade,Krank,malato,anormal,异常,enfermos"


def png(path: Path) -> None:
    """A picture at ``path``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save(path, encode(".png", picture(len(str(path)))))


@pytest.mark.parametrize("name", NORMAL.split(","))
def test_normal(name: str) -> None:
    assert meaning_of(name) == "normal"


@pytest.mark.parametrize("name", ABNORMAL.split(","))
def test_abnormal(name: str) -> None:
    assert meaning_of(name) == "abnormal"


@pytest.mark.parametrize("name", ["severe stenosis", "group-", "calcified", "images", "0", "A-"])
def test_words_that_tell_nothing(name: str) -> None:
    assert meaning_of(name) == ""


@pytest.mark.parametrize("label", ["nan", "unknown", "N.A.", "?", "Unlabelled", "#REF!", "#NAME?"])
def test_a_label_that_is_not_known_is_refused(tmp_path: Path, label: str) -> None:
    rows = ["path,label"]
    for number, name in enumerate(["normal", "abnormal", label]):
        png(tmp_path / f"{number}.png")
        rows.append(f"{number}.png,{name}")
    (tmp_path / "manifest.csv").write_text("\n".join(rows))
    with pytest.raises(DataError, match=r"line 4: got label .* the class is not known"):
        sources.find(tmp_path, None, [])


def test_a_folder_of_unknown_class_is_refused(tmp_path: Path) -> None:
    for name in ("normal", "abnormal", "unknown"):
        png(tmp_path / name / "a.png")
    with pytest.raises(DataError, match=r"got a class folder unknown/, which says"):
        sources.find(tmp_path, None, [])


@pytest.mark.parametrize("other", ["./0.png", "a/../0.png"])
def test_a_file_that_is_listed_twice_is_refused(tmp_path: Path, other: str) -> None:
    (tmp_path / "a").mkdir()
    png(tmp_path / "0.png")
    png(tmp_path / "1.png")
    table = f"path,label\n0.png,normal\n1.png,abnormal\n{other},abnormal\n"
    (tmp_path / "manifest.csv").write_text(table)
    with pytest.raises(
        DataError, match=r"0.png is listed more than once, as normal and as abnormal, also as"
    ):
        sources.find(tmp_path, None, [])


def test_every_image_has_a_name_of_its_own() -> None:
    taken: set[str] = set()
    for name in ("n/a/1.png", "n/a__b/1.png", "n/a/b/1.png", "n/A/1.png", "n/a/1.jpg"):
        path = _free_name("train/n", Path(name), taken)
        assert path.casefold() not in taken
        taken.add(path.casefold())
    assert len(taken) == 5 and np.all([path.startswith("train/n/") for path in taken])


@pytest.mark.parametrize("label", ["unlabeled_data", "unknown images", "not labeled"])
def test_words_around_no_class_change_nothing(label: str) -> None:
    assert is_no_class(label)


def test_a_number_as_a_table_writes_it_beside_an_empty_cell_is_the_same() -> None:
    assert set(one_spelling(["1", "1.0", "1", "0.0", "0"], notes := []).values()) == {"0", "1"}
    assert "are one class, 1: '1' (2), '1.0' (1)" in "".join(notes)
    assert in_one_spelling("1.5") == "1.5"
