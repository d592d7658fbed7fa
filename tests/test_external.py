"""python -m report.external: a frozen model on the images of another hospital."""

import errno
import hashlib
import html
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vit
from data.prepare import prepare
from metrics import intervals
from metrics.decision_curve import DecisionPoint
from metrics.estimate import Estimate
from report import external, external_chart, external_page, looks
from report.external_study import Study, helps
from report.external_table import measured
from report.external_text import alarms, of_likeness
from tests.conftest import CONFIGURATION, contents, table
from vit import checkpoint
from vit.model import VisionTransformer

FIGURES = {"auroc": [0.9, 0.8, 0.95], "sensitivity": [0.8, 0.7, 0.9]}
SCORES = {"normal": [0.4] * 20, "abnormal": [0.6] * 20}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intervals, "RESAMPLES", 200)
    monkeypatch.setattr(external_page, "drawn", lambda study: {})


@pytest.fixture
def charts(quick: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(external_page, "drawn", external_chart.drawn)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return stored(tmp_path / "ViT.ckpt")


def stored(path: Path, **changes: Any) -> Path:
    checkpoint.save(contents(figures=FIGURES, conformal_scores=SCORES, **changes), path)
    return path


@pytest.fixture
def asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """What the command says of a model and a folder."""

    def ask(model: Path, folder: Path | str, *words: str) -> str:
        named = ["--Path", str(folder), "--Path_Checkpoint", str(model), "--device", "cpu"]
        external.main([*named, "--OUTPUT", str(tmp_path / "out"), *words])
        return capsys.readouterr().out

    return ask


def test_all_files_are_written_and_the_text_is_what_was_printed(
    model: Path, pictures: Callable[..., Path], asked: Callable[..., str], tmp_path: Path
) -> None:
    before = model.read_bytes()
    said = asked(model, pictures())
    assert model.read_bytes() == before
    assert all((tmp_path / "out" / name).is_file() for name in external.FILES)
    assert (tmp_path / "out" / "external.txt").read_text() in said
    assert hashlib.sha256(before).hexdigest() in said
    assert "frozen: its weights, threshold 0.5, temperature 1, prediction sets" in said
    assert "chose the epoch, the temperature and the threshold" in said
    assert not list((tmp_path / "out").glob("*lock*"))


@pytest.mark.usefixtures("charts")
def test_the_page_says_all_that_the_text_says_and_loads_nothing(
    model: Path, pictures: Callable[..., Path], asked: Callable[..., str], tmp_path: Path
) -> None:
    asked(model, pictures())
    page = html.unescape((tmp_path / "out" / "external.html").read_text())
    for line in (tmp_path / "out" / "external.txt").read_text().splitlines():
        assert all(cell in page for cell in re.split(r"\s{2,}", line))
    assert "default-src 'none'" in page
    assert not re.findall(r'(?:src|href)="(?!data:)', page)
    assert "Surest mistakes" in page
    assert page.count("data:image/svg+xml") == 3


def test_a_hostile_name_is_text_on_the_page(
    model: Path, pictures: Callable[..., Path], asked: Callable[..., str], tmp_path: Path
) -> None:
    asked(model, pictures(name="<script>alert(1)"))
    page = (tmp_path / "out" / "external.html").read_text()
    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_the_table_holds_every_figure_with_its_interval(
    model: Path, pictures: Callable[..., Path], asked: Callable[..., str], tmp_path: Path
) -> None:
    folder = pictures()
    scores = [each.positive_probability for each in vit.load(model).predict(folder)]
    median = stored(tmp_path / "median.ckpt", threshold=float(np.median(scores)))
    asked(median, folder, "--prevalence", "0.2")
    rows = {(row["part"], row["name"]): row for row in table(tmp_path / "out" / "external.csv")}
    for name in ("auroc", "sensitivity", "specificity", "ppv", "npv", "ppv_at_prevalence"):
        row = rows["external", name]
        assert float(row["low"]) <= float(row["value"]) <= float(row["high"])
    change = rows["change", "auroc"]
    external_auroc = float(rows["external", "auroc"]["value"])
    assert float(change["value"]) == pytest.approx(external_auroc - 0.9)
    assert {name for part, name in rows if part == "change"} == set(FIGURES)
    assert ("calibration", "calibration_slope") in rows
    assert ("external", "coverage of abnormal") in rows
    curve = table(tmp_path / "out" / "decision_curve.csv")
    assert [row["threshold"] for row in curve] == [f"{k / 100}" for k in range(1, 100)]


def test_groups_of_a_manifest_are_drawn(
    model: Path, pictures: Callable[..., Path], asked: Callable[..., str]
) -> None:
    folder = pictures()
    assert "a manifest names the patients of 0 of 24 images: each of the others" in asked(
        model, folder
    )
    rows = [
        f"{label}/p{i:02d}.png,{label},{label[0]}{i // 3}"
        for label in ("normal", "abnormal")
        for i in range(12)
    ]
    (folder / "manifest.csv").write_text("\n".join(["path,label,patient", *rows]) + "\n")
    said = asked(model, folder)
    assert "24 of 24 images count, 12 abnormal, 8 groups" in said
    assert "a manifest names the patients" not in said
    assert "By patient: 8, 4 of them abnormal" in said


def test_a_prepared_folder_says_whether_its_groups_are_patients(
    model: Path, pictures: Callable[..., Path], asked: Callable[..., str], tmp_path: Path
) -> None:
    folder = pictures()
    prepare(folder, tmp_path / "PF", CONFIGURATION)
    said = asked(model, tmp_path / "PF")
    assert "of 0 of 24 images: of the others those that look nearly the same are drawn" in said


def test_a_second_look_is_told_with_the_date_of_the_first(
    model: Path, pictures: Callable[..., Path], asked: Callable[..., str], tmp_path: Path
) -> None:
    folder = pictures()
    assert "look 1 at this set" in asked(model, folder)
    (first,) = json.loads((tmp_path / "out" / "looks.json").read_text())
    said = asked(model, folder)
    assert f"look 2 at this set, 2 by this model; the first was on {first['date']}" in said
    assert "models were judged" not in said


def test_a_look_is_known_in_another_output_and_of_a_set_that_was_prepared(
    model: Path, pictures: Callable[..., Path], asked: Callable[..., str], tmp_path: Path
) -> None:
    folder = pictures()
    asked(model, folder)
    prepare(folder, tmp_path / "PF", CONFIGURATION)
    said = asked(model, tmp_path / "PF", "--OUTPUT", str(tmp_path / "other"))
    assert "look 2 at this set, 2 by this model" in said
    assert len(json.loads((tmp_path / "ViT_looks.json").read_text())) == 2


def test_a_record_that_cannot_be_written_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def closed(path: Path, wait: float) -> None:
        raise PermissionError(errno.EACCES, "no", str(path))

    monkeypatch.setattr(looks, "held_beside", closed)
    looks.Record(tmp_path, tmp_path / "ViT.ckpt").add(looks.Look("2026", "a", "b", []))
    assert capsys.readouterr().err.count("cannot be written, so it does not tell") == 2


def test_another_checkpoint_on_the_same_set_is_told(
    model: Path, pictures: Callable[..., Path], asked: Callable[..., str], tmp_path: Path
) -> None:
    folder = pictures()
    asked(model, folder)
    said = asked(stored(tmp_path / "other.ckpt", threshold=0.4), folder)
    assert "look 2 at this set, 1 by this model" in said
    assert "ALARM: 2 models were judged by these images: the set is no longer unseen" in said


def test_a_part_of_a_set_that_was_seen_is_told(
    model: Path, pictures: Callable[..., Path], asked: Callable[..., str]
) -> None:
    folder = pictures()
    asked(model, folder)
    (folder / "normal" / "p00.png").unlink()
    said = asked(model, folder)
    assert "look 1 at this set" in said
    assert "ALARM: 23 of 23 different images were in 1 looks at other sets, first on" in said


def test_a_picture_of_training_leaves_its_group_out(
    tmp_path: Path, pictures: Callable[..., Path], asked: Callable[..., str]
) -> None:
    folder = pictures()
    known = hashlib.sha256((folder / "normal" / "p03.png").read_bytes()).hexdigest()
    trained = [known, *("0" * 63 + f"{digit}" for digit in range(9))]
    rows = [
        f"{label}/p{i:02d}.png,{label},{label[0]}{i // 3}"
        for label in ("normal", "abnormal")
        for i in range(12)
    ]
    (folder / "manifest.csv").write_text("\n".join(["path,label,patient", *rows]) + "\n")
    said = asked(stored(tmp_path / "ViT.ckpt", training_images_sha256=trained), folder)
    assert "ALARM: the model learned from 1 of 24 images, such as" in said
    assert "all 3 images of their 1 groups are left out of every figure" in said
    assert "21 of 24 images count, 12 abnormal, 7 groups" in said
    assert "not checked: whether patients of this set were in training with other images" in said
    page = html.unescape((tmp_path / "out" / "external.html").read_text())
    assert "not checked: whether patients of this set were in training" in page


def test_a_model_that_knows_no_training_image_is_said(
    tmp_path: Path, pictures: Callable[..., Path], asked: Callable[..., str]
) -> None:
    model = stored(tmp_path / "ViT.ckpt", training_images_sha256=[])
    said = asked(model, pictures())
    assert "not checked: whether the model learned from these images, or from others of" in said
    assert len(table(tmp_path / "out" / "predictions.csv")) == 24


def refused(asked: Callable[..., str], message: str, *words: Any) -> None:
    with pytest.raises(SystemExit, match=message) as end:
        asked(*words)
    assert "\n" not in str(end.value)


def test_the_set_of_the_training_is_refused(
    tmp_path: Path, pictures: Callable[..., Path], asked: Callable[..., str]
) -> None:
    made = prepare(pictures(), tmp_path / "PF", CONFIGURATION)
    known = [sample.sha256 for sample in made.of("train")]
    model = stored(tmp_path / "ViT.ckpt", training_images_sha256=known)
    refused(asked, "this is the set of its training, or holds it", model, tmp_path / "raw")
    assert not (tmp_path / "out").exists()


def test_validation_images_of_the_folder_of_the_training_are_refused(
    tmp_path: Path, pictures: Callable[..., Path], asked: Callable[..., str]
) -> None:
    made = prepare(pictures(), tmp_path / "PF", CONFIGURATION)
    known = [sample.sha256 for sample in made.of("train")]
    model = stored(tmp_path / "ViT.ckpt", training_images_sha256=known)
    refused(asked, "images are of train or val of a folder whose", model, tmp_path / "PF" / "val")


def test_images_of_one_class_are_refused(
    model: Path, pictures: Callable[..., Path], asked: Callable[..., str]
) -> None:
    folder = pictures()
    shutil.rmtree(folder / "abnormal")
    (folder / "abnormal").mkdir()
    rows = [f"normal/p{i:02d}.png,normal" for i in range(12)]
    (folder / "manifest.csv").write_text("\n".join(["path,label", *rows]) + "\n")
    message = "got 12 images of known truth, none of them abnormal; wanted images of both classes"
    refused(asked, message, model, folder)


def test_images_of_no_known_truth_are_refused(
    model: Path, pictures: Callable[..., Path], asked: Callable[..., str]
) -> None:
    folder = pictures() / "normal"
    refused(asked, "got 12 images, the truth of none is known", model, folder)


def test_a_class_of_one_patient_is_refused(
    model: Path, pictures: Callable[..., Path], asked: Callable[..., str]
) -> None:
    refused(asked, "all images of normal and of abnormal are of one group", model, pictures(1))


def test_a_model_of_three_classes_is_refused(
    tmp_path: Path, pictures: Callable[..., Path], asked: Callable[..., str]
) -> None:
    plain = contents(class_names=["normal", "mild", "severe"])
    plain["config"]["num_classes"] = 3
    model = VisionTransformer(replace(CONFIGURATION, num_classes=3))
    plain["state_dict"] = {f"model.{name}": value for name, value in model.state_dict().items()}
    checkpoint.save(plain, tmp_path / "three.ckpt")
    message = r"got a model of 3 classes, normal, mild, severe; wanted 2"
    refused(asked, message, tmp_path / "three.ckpt", pictures())


def test_an_output_among_the_images_is_refused(
    model: Path, pictures: Callable[..., Path], asked: Callable[..., str]
) -> None:
    folder = pictures()
    message = "lies in the folder of the images"
    refused(asked, message, model, folder, "--OUTPUT", str(folder / "external"))
    assert not (folder / "external").exists()


@pytest.mark.parametrize("text", ["[{}]", "no json", '{"a": 1}', "[1]"])
def test_a_record_that_is_not_ours_is_refused_before_any_work(
    model: Path, pictures: Callable[..., Path], asked: Callable[..., str], tmp_path: Path, text: str
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "looks.json").write_text(text)
    refused(asked, r"looks.json: is no record of looks", model, pictures())
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["looks.json"]


@pytest.mark.parametrize("words", [["--width", "0"], ["--width", "1"], ["--prevalence", "1"]])
def test_an_impossible_number_is_refused(words: list[str], capsys: Any) -> None:
    with pytest.raises(SystemExit):
        external.main(["--Path", "x", *words])
    assert f"{words[0]}: got {float(words[1])}" in capsys.readouterr().err


RNG = np.random.default_rng(5)
LABELS = np.arange(80) % 2 == 1
LOGITS = RNG.normal(2.0 * (LABELS - 0.5), 1)
STUDY = Study(
    ["normal", "abnormal"],
    LABELS,
    1 / (1 + np.exp(-LOGITS)),
    LOGITS,
    np.arange(80),
    threshold=0.5,
    covered=RNG.random(80) < 0.9,
    unlike=np.arange(80) < 30,
)


LIKE = replace(STUDY, unlike=np.arange(80) < 1)


def test_an_inverted_score_is_an_alarm() -> None:
    assert alarms(LIKE, {}) == []
    inverted = replace(LIKE, scores=1 - STUDY.scores, logits=-STUDY.logits)
    (line,) = alarms(inverted, {})
    assert line.startswith("ALARM: the score is inverted here: AUROC 0.")


def test_figures_that_equal_those_of_validation_are_an_alarm() -> None:
    (line,) = alarms(LIKE, LIKE.estimates)
    assert line.startswith("ALARM: AUROC, sensitivity and specificity are those of validation")
    others = STUDY.estimates | {"sensitivity": Estimate(0.1, 0, 0.2)}
    assert alarms(LIKE, others) == []


def test_many_images_that_are_unlike_those_of_training_are_an_alarm() -> None:
    (line,) = alarms(STUDY, {})
    assert line.startswith("ALARM: 30 of 80 images are unlike those of training, where 0.05 of")


def test_figures_without_unlike_images_are_of_the_others_alone() -> None:
    rows = [each for each in measured(STUDY, {}, 0.1) if each.part == "like training images"]
    assert {each.images for each in rows} == {50}
    section = of_likeness(STUDY, rows)
    assert "without the 30: 50 images" in section.lines
    assert section.rows[0][0] == "AUROC without"


def test_too_few_images_that_are_like_those_of_training_are_told() -> None:
    study = replace(STUDY, unlike=np.arange(80) < 79)
    assert "too few images of a class for figures" in of_likeness(study, []).lines[1]


def test_where_a_model_helps_is_told_in_ranges() -> None:
    def point(threshold: float, value: float, low: float) -> DecisionPoint:
        none = Estimate(-1, -1, -1)
        return DecisionPoint(threshold, Estimate(value, low, 1), none, none)

    curve = [point(0.1, 0.2, 0.1), point(0.2, 0.2, -0.1), point(0.3, -0.1, -0.2)]
    curve.append(point(0.4, 0.1, 0.05))
    assert helps(curve, surely=False) == [(0.1, 0.2), (0.4, 0.4)]
    assert helps(curve, surely=True) == [(0.1, 0.1), (0.4, 0.4)]


def test_a_file_without_internal_figures_says_so(
    tmp_path: Path, pictures: Callable[..., Path], asked: Callable[..., str]
) -> None:
    checkpoint.save(contents(), tmp_path / "ViT.ckpt")
    said = asked(tmp_path / "ViT.ckpt", pictures())
    assert "holds no internal figures (a graph leaves them out), so no change is known" in said
    assert "internal  " not in said
