"""Which frame of a run a prediction is of: in tables, captions and pages."""

from dataclasses import replace
from pathlib import Path

import pytest

import predict
import vit
from data.inputs import Input
from data.runs import RunFrame, run_in
from report.gallery import _more
from tests.conftest import contents, table
from tests.dicom_sources import of_archive, run, saved
from tests.image_files import encode, picture, save
from vit import checkpoint
from vit.group_predictions import GroupPrediction
from vit.predictions import Prediction, Predictions, with_frames

SEVENTH = RunFrame(6, 60, "best")


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    return saved(tmp_path / "in", run=of_archive(1, run(7)), single=of_archive(2))


@pytest.fixture
def of_all(tmp_path: Path) -> Path:
    """A model that learned from several frames of each run."""
    made = contents()
    made["preprocessing"] = {**made["preprocessing"], "frame": "all"}
    checkpoint.save(made, tmp_path / "all.ckpt")
    return tmp_path / "all.ckpt"


def said(item: Input) -> Prediction:
    return Prediction(item, "normal", (1.0, 0.0), {"normal": 0.7, "abnormal": 0.3})


def predicted(sources: Path, model: Path) -> list[dict[str, str]]:
    predict.main(["-p", str(sources), "-k", str(model), "-o", f"{sources.parent / 'out'}/"])
    return table(sources.parent / "out" / "predictions.csv")


def test_the_table_has_the_frame_from_zero_and_how_many_there_are(
    sources: Path, ckpt: Path
) -> None:
    rows = {Path(row["path"]).name: row for row in predicted(sources, ckpt)}
    assert list(rows["run.dcm"])[-2:] == ["frame", "frames"]
    assert (rows["run.dcm"]["frame"], rows["run.dcm"]["frames"]) == ("3", "7")  # the middle one
    assert (rows["single.dcm"]["frame"], rows["single.dcm"]["frames"]) == ("", "")


def test_where_several_frames_are_images_each_row_has_its_own(sources: Path, of_all: Path) -> None:
    rows = [row for row in predicted(sources, of_all) if row["frame"]]
    assert [row["frame"] for row in rows] == [str(number) for number in range(7)]
    assert [row["path"].rsplit("#")[1] for row in rows] == [row["frame"] for row in rows]


def test_without_a_run_the_columns_are_those_of_before(tmp_path: Path, ckpt: Path) -> None:
    save(tmp_path / "a.png", encode(".png", (picture(1) * 255).astype("u1")))
    predict.main(["-p", str(tmp_path / "a.png"), "-k", str(ckpt), "-o", str(tmp_path / "p.png")])
    assert {"frame", "frames"}.isdisjoint(table(tmp_path / "predictions.csv")[0])


def test_the_caption_counts_frames_as_viewers_do() -> None:
    assert said(Input(Path("r.dcm"), "r.dcm", read=SEVENTH)).caption == "r\nframe 7 of 60"
    assert said(Input(Path("r.dcm"), "r.dcm")).caption == "r"


def test_the_caption_of_a_group_names_the_frame_that_decided() -> None:
    one, two = (
        said(Input(Path("r.dcm"), f"r.dcm#{n}", read=RunFrame(n, 9, "all"))) for n in (2, 5)
    )
    group = GroupPrediction(
        two.item, "normal", (1.0, 0.0), two.probabilities, group="P1", pictures=(one, two),
        weights=(0.25, 0.75), decisive=1,
    )  # fmt: skip
    assert group.caption == "P1\nr\nframe 6 of 9, weight 0.75 of 2 pictures"
    (row,) = Predictions(["normal", "abnormal"], [group]).rows()
    assert (row["decided_by"], row["frame"], row["frames"]) == ("r.dcm#5", "5", "9")


def test_a_prepared_image_is_the_frame_that_its_manifest_says() -> None:
    item = Input(Path("a.npy"), "a.npy", row={"run_frame": "6", "run_frames": "60", "view": "LAO"})
    assert item.run is None  # a raw picture, whose manifest may mean anything by it
    item.__dict__["folder"] = Path()
    assert str(item.run) == "frame 7 of 60"
    assert _more(item) == {"of its run": "frame 7 of 60", "view": "LAO"}


@pytest.mark.parametrize(("index", "count"), [("", ""), ("7", "7"), ("-1", "7"), ("1.5", "7")])
def test_a_frame_that_no_run_has_is_none(index: str, count: str) -> None:
    assert run_in({"run_frame": index, "run_frames": count}) is None


def test_rows_of_pictures_without_any_run_stay_as_they_are() -> None:
    item = Input(Path("a"), "a")
    rows = [{"path": "a"}, {"path": "b"}]
    assert with_frames(rows, [said(item), said(item)]) == rows
    made = with_frames(rows, [said(replace(item, read=SEVENTH)), said(item)])
    assert made == [
        {"path": "a", "frame": "6", "frames": "60"},
        {"path": "b", "frame": "", "frames": ""},
    ]


def test_python_code_is_told_the_frame(sources: Path, ckpt: Path) -> None:
    of_run, single = vit.load(ckpt).predict([sources / "run.dcm", sources / "single.dcm"])
    assert of_run.run == RunFrame(3, 7, "middle")
    assert single.run is None
    assert vit.load(ckpt).predict(picture(1))[0].run is None
