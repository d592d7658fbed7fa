"""external.html: the report of an external study, in one file that needs no network."""

import base64
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import jinja2
import numpy as np
from markupsafe import Markup

from data.preprocessing import Preprocessing
from files import written_whole
from report.external_chart import drawn
from report.external_study import Study
from report.sections import Section
from vit.predictions import Prediction

HERE = Path(__file__).parent
MOST_SHOWN = 6  # mistakes of each class


@dataclass(frozen=True)
class Mistake:
    """A wrong prediction.

    Args:
        picture: the address of an image that lies in it.
        words: what it is, and what was said of it.
    """

    picture: str
    words: str


def write(
    path: Path,
    study: Study,
    about: Sequence[str],
    sections: Sequence[Section],
    mistakes: Sequence[Mistake],
) -> None:
    """Write the page; a former one is kept.

    Args:
        path: of the HTML file.
        study: the images and what was predicted.
        about: lines that stand above all figures.
        sections: the figures.
        mistakes: to be looked at.
    """
    pages = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE), autoescape=True, undefined=jinja2.StrictUndefined
    )
    text = pages.get_template("external.html").render(
        title=f"{study.names[1]} or not: a frozen model in another place",
        headline=f"AUROC {study.estimates['auroc']} on {len(study)} images",
        date=time.strftime("%Y-%m-%d %H:%M"),
        about=about,
        charts=drawn(study),
        sections=sections,
        mistakes=mistakes,
        css=Markup((HERE / "page.css").read_text(encoding="utf-8")),
    )
    with written_whole(path, keep_former=True) as beside:
        beside.write_text(text, encoding="utf-8")


def surest_mistakes(items: Sequence[Prediction], preprocessing: Preprocessing) -> list[Mistake]:
    """A few wrong predictions of each class, those farthest from the truth first."""
    wrong = [each for each in items if each.label != each.truth]
    mistakes = []
    for truth in sorted({each.truth for each in wrong}):
        of_class = [each for each in wrong if each.truth == truth]
        of_class.sort(key=lambda each: each.probabilities[truth])
        mistakes += [_mistake(each, preprocessing) for each in of_class[:MOST_SHOWN]]
    return mistakes


def _mistake(prediction: Prediction, preprocessing: Preprocessing) -> Mistake:
    grey = prediction.item.image(preprocessing)
    _, picture = cv2.imencode(".png", (255 * grey).round().astype(np.uint8))
    told = ", unlike the training images" if prediction.is_unlike else ""
    frame = f", {prediction.run}" if prediction.run else ""
    name = Path(*Path(prediction.name).parts[-2:]).as_posix() + frame
    positive = list(prediction.probabilities)[-1]
    return Mistake(
        "data:image/png;base64," + base64.b64encode(picture.tobytes()).decode(),
        f"{name}: {prediction.truth}, P({positive}) {prediction.positive_probability:.3f}{told}",
    )
