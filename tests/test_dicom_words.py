"""The words and the drawing of an answer: what a reader in the archive is told."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from data.dicom_source import source_of
from data.figures import show_words
from data.inputs import Input
from data.picture import Stored
from data.preprocessing import Preprocessing
from report.dicom_answer import Answer, Author, SourcePicture
from report.dicom_drawing import SHARE, drawn, shown
from tests.conftest import CONFIGURATION
from tests.dicom_sources import of_archive
from tests.image_files import picture, save
from vit.facts import Facts
from vit.map_request import MapRequest
from vit.predictions import Prediction

SHA = "ab" * 32
CLASSES = ["normal", "abnormal"]


@pytest.fixture
def answer(tmp_path: Path) -> Answer:
    source = source_of(save(tmp_path / "a.dcm", of_archive(1)))
    facts = Facts(CONFIGURATION, CLASSES, Preprocessing(32, 0.4, 0.2), threshold=0.5)
    author = Author("ViT.ckpt", SHA, facts, 0.9, MapRequest(1))
    map_ = np.zeros((4, 4))
    map_[1, 2] = 16
    prediction = Prediction(
        Input(source.path, "a"),
        "abnormal",
        (0.0, 1.0),
        {"normal": 0.25, "abnormal": 0.75},
        ("abnormal",),
        distance=0.4,
        map=map_,
    )
    return Answer(prediction, author, (SourcePicture(source),))


def said(answer: Answer, **changes: Any) -> str:
    return "\n".join(replace(answer, prediction=replace(answer.prediction, **changes)).lines())


def test_the_words_of_an_ordinary_answer(answer: Answer) -> None:
    lines = answer.lines()
    assert lines[:4] == [
        "Prediction: abnormal",
        "P(normal) = 0.2500, P(abnormal) = 0.7500; threshold: abnormal from P = 0.5000 on",
        "Prediction set: abnormal (made to hold the true class of 90 % of images)",
        "Distance from the training images: 0.400 (1 or less is usual)",
    ]
    assert f"ViT.ckpt, sha256 {SHA}" in lines[4]
    assert lines[5] == f"Source: SOP instance {answer.source.instance}"
    assert len(lines) == 6


def test_an_answer_of_several_pictures_says_so_and_the_weight_of_each(answer: Answer) -> None:
    one = answer.pictures[0]
    several = replace(
        answer, pictures=(replace(one, frame=6, weight=0.75), replace(one, frame=2, weight=0.25))
    )
    wanted = "Of 2 pictures together. The one shown here has the most weight, 0.7500 of 1; the next"
    assert several.lines()[1].startswith(wanted)
    assert "0.400 (1 or less is usual, of the picture shown)" in said(several)
    assert "the model learned from pictures of this group" in said(several, in_training=True)
    named = f"SOP instance {answer.source.instance}, frame"
    assert several.weight_lines() == [f"Weight 0.7500: {named} 7", f"Weight 0.2500: {named} 3"]
    assert answer.weight_lines() == []


def test_a_set_without_the_prediction_says_so(answer: Answer) -> None:
    held = "Prediction set: normal (made to hold the true class of 90 % of images"
    assert f"{held}; the prediction is not in it)" in said(answer, prediction_set=("normal",))


def test_an_unlike_image_is_warned_of(answer: Answer) -> None:
    assert "WARNING: unlike the training images (distance 1.250, above 1)" in said(
        answer, distance=1.25
    )
    assert "Distance from the training images: not known" in said(answer, distance=None)


def test_an_image_of_training_is_warned_of(answer: Answer) -> None:
    assert "WARNING: the model learned from this image" in said(answer, in_training=True)
    assert "WARNING" not in said(answer)


@pytest.mark.parametrize(
    ("classes", "words"),
    [
        (None, "Prediction set: not known, as the model's file holds no scores"),
        ((), "Prediction set: none of the classes (made"),
        (("normal", "abnormal"), "Prediction set: normal or abnormal (made"),
    ],
)
def test_prediction_sets(answer: Answer, classes: tuple[str, ...] | None, words: str) -> None:
    assert words in said(answer, prediction_set=classes)


def test_digits_show_on_which_side_of_the_threshold_a_probability_lies(answer: Answer) -> None:
    shares = {"normal": 0.5000004, "abnormal": 0.4999996}
    assert "P(abnormal) = 0.4999996; threshold: abnormal from P = 0.5000000 on" in said(
        answer, probabilities=shares, label="normal"
    )


def test_several_classes_have_no_threshold(answer: Answer) -> None:
    names = ["a", "b", "c"]
    facts = replace(answer.author.facts, class_names=names)
    many = replace(answer, author=replace(answer.author, facts=facts))
    words = said(many, probabilities=dict(zip(names, (0.2, 0.5, 0.3), strict=True)), label="b")
    assert "P(c) = 0.3000; predicted is the most probable class" in words
    assert "threshold" not in words


def test_a_frame_is_counted_from_1(answer: Answer) -> None:
    of_run = replace(answer.pictures[0], frame=4)
    assert replace(answer, pictures=(of_run,)).lines()[-1].endswith(", frame 5")
    assert of_run.frame_numbers == [5]


def test_the_outline_holds_half_of_the_evidence_and_no_pixel_more(answer: Answer) -> None:
    view = shown(answer, Stored(picture(1).astype(np.float32), None))
    assert view.level is not None
    inside = view.evidence >= view.level
    assert view.evidence[inside].sum() >= SHARE * view.evidence.sum()
    assert view.evidence[view.evidence > view.level].sum() < SHARE * view.evidence.sum()
    rows, columns = np.nonzero(inside)  # of 40 x 32, padded to a square of 40
    assert rows.mean() == pytest.approx(14.5, abs=1)
    assert columns.mean() == pytest.approx(25 - 4 - 0.5, abs=1.2)


def test_what_the_model_did_not_see_is_known(answer: Answer) -> None:
    facts = replace(answer.author.facts, preprocessing=Preprocessing(32, 0.4, 0.2, border=0.125))
    map_ = np.ones((4, 4))
    map_[0] = np.nan
    part = replace(
        answer,
        author=replace(answer.author, facts=facts),
        prediction=replace(answer.prediction, map=map_),
    )
    view = shown(part, Stored(np.ones((40, 40), np.float32) * picture(1)[:, :1], None))
    assert view.unseen[:5].all()
    assert view.unseen[:, :5].all()
    assert view.unseen[6:11].all()  # the first row of patches
    assert not view.unseen[14:35, 5:35].any()


def test_the_source_is_drawn_as_it_is_and_the_map_over_it(answer: Answer) -> None:
    pixels = drawn(answer, Stored(picture(1).astype(np.float32), None))
    assert pixels.dtype == np.uint8
    left, right = pixels[11:700, 11:561], pixels[11:700, 572:1122]
    tinted = [np.ptp(half.astype(int), axis=2) > 20 for half in (left, right)]
    assert tinted[0].mean() < 0.03  # the outline alone
    assert tinted[1].mean() > 0.1
    at_corner = left[60:80, 60:80].mean() / 255
    assert at_corner == pytest.approx(picture(1)[3:5, 3:5].mean(), abs=0.05)
    amber = (pixels[700:] == (255, 176, 0)).all(axis=2)
    assert amber.sum() > 200  # FOR RESEARCH, NOT FOR DIAGNOSIS


def test_pixels_that_are_not_square_are_drawn_as_they_lie_in_the_body(answer: Answer) -> None:
    stored = Stored(picture(1).astype(np.float32), None)
    heights = [len(drawn(answer, replace(stored, aspect=aspect))) for aspect in (1.0, 0.5)]
    assert heights[0] - heights[1] == pytest.approx(0.5 * 550 * 40 / 32, abs=2)


def test_an_answer_without_evidence_is_drawn(answer: Answer) -> None:
    flat = replace(answer, prediction=replace(answer.prediction, map=np.zeros((4, 4))))
    stored = Stored(picture(1).astype(np.float32), None)
    assert shown(flat, stored).level is None
    assert drawn(flat, stored).shape[2] == 3


def test_letters_that_the_font_lacks_are_spelt_out() -> None:
    figure = Figure()
    text = figure.text(0, 0, "心 Äneas $x_1$")
    show_words(figure)
    assert text.get_text() == r"\u5fc3 Äneas $x_1$"
