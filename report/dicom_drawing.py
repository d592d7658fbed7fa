"""The picture that goes back to the archive: source, map, outline and words, black behind."""

import textwrap
from dataclasses import dataclass
from typing import Any

import cv2
import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from data.figures import show_words
from data.picture import Stored
from report.dicom_answer import RESEARCH, Answer
from report.plots import OUTLINE, colour_bar
from vit.heatmap import blend, shared_scale, upsampled

WIDTH = 11.2  # inches of the whole
PANEL = 5.0  # inches, width of each panel
LEAST_TALL, MOST_TALL = 1.5, 8.0  # inches, height of a panel
EDGE = 0.1  # inches around
LEAST_DPI, MOST_DPI = 110, 220
LINE = 0.2  # inches from line to line
CHARACTERS = 125  # of a line
SHARE = 0.5  # of the evidence, which the outline holds
WHITE, AMBER, CYAN = "0.92", "#ffb000", "cyan"


@dataclass(frozen=True)
class Shown:
    """What is drawn of a source.

    Args:
        grey: (H, W) its picture from 0 to 1.
        evidence: (H, W) 1 is an even share, 0 where nothing was seen.
        unseen: (H, W) bool, what the model did not see: the border, and patches left out.
        aspect: height of a pixel over its width.
    """

    grey: NDArray
    evidence: NDArray
    unseen: NDArray
    aspect: float

    @property
    def level(self) -> float | None:
        """The evidence from which on pixels hold SHARE of all of it; None: there is none."""
        falling = np.sort(self.evidence, axis=None)[::-1]
        total = float(falling.sum(dtype=np.float64))
        if total <= 0:
            return None
        reached = np.cumsum(falling, dtype=np.float64) >= SHARE * total
        return float(falling[int(np.argmax(reached))])


def shown(answer: Answer, stored: Stored) -> Shown:
    """A source with its map, both in the pixels of the source."""
    preprocessing = answer.author.facts.preprocessing
    map_ = answer.prediction.map
    assert map_ is not None, "only what was explained is drawn"
    grey = preprocessing.grey(stored)
    scale = 255 if grey.dtype == np.uint8 else 1
    placement = preprocessing.placement(grey.shape)
    square = (preprocessing.image_size, preprocessing.image_size)
    evidence = placement.back(upsampled(map_, square))
    seen = (~np.isnan(map_)).astype(np.float32)
    covered = placement.back(cv2.resize(seen, square, interpolation=cv2.INTER_NEAREST))
    return Shown(np.clip(grey / scale, 0, 1), evidence, covered < 0.5, stored.aspect)


def drawn(answer: Answer, stored: Stored) -> NDArray:
    """(H, W, 3) uint8 RGB of an answer with its map, and of the picture that it is about."""
    view = shown(answer, stored)
    lines = [*answer.lines(), _legend(answer, view)]
    words = [part for line in lines for part in textwrap.wrap(line, CHARACTERS)]
    height, width = view.grey.shape
    tall = float(np.clip(PANEL * height * view.aspect / width, LEAST_TALL, MOST_TALL))
    below = LINE * (len(words) + 2)
    whole = tall + below + 2 * EDGE
    dpi = float(np.clip(width / PANEL, LEAST_DPI, MOST_DPI))
    colours: Any = dict.fromkeys(("text.color", "axes.labelcolor", "ytick.color"), WHITE)
    with matplotlib.rc_context(colours):
        figure = Figure(figsize=(WIDTH, whole), dpi=dpi, facecolor="black")
        panel = (below + EDGE) / whole, PANEL / WIDTH, tall / whole
        left = figure.add_axes((EDGE / WIDTH, *panel))
        right = figure.add_axes(((PANEL + 2 * EDGE) / WIDTH, *panel))
        bar = figure.add_axes(((2 * PANEL + 3 * EDGE) / WIDTH, panel[0], 0.15 / WIDTH, panel[2]))
        top = shared_scale([view.evidence])
        left.imshow(np.repeat(view.grey[..., None], 3, axis=2), interpolation="bilinear")
        strength = np.clip(view.evidence / top, 0, 1)
        right.imshow(blend(view.grey, strength), interpolation="bilinear")
        for axis in (left, right):
            axis.axis("off")
            axis.set_aspect(view.aspect)
            _mark(axis, view)
        colour_bar(figure, right, top, "evidence (1 = even share)", 7, bar)
        _write(figure, words, below / whole, LINE / whole)
        show_words(figure)
        pixels = _painted(figure)
    return pixels


def _painted(figure: Figure) -> NDArray:
    """(H, W, 3) uint8 RGB."""
    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def _mark(axis: Axes, view: Shown) -> None:
    """The outline of the region of evidence, and hatches over what was not seen."""
    if view.unseen.any():
        hatched = axis.contourf(view.unseen, levels=[0.5, 1.5], colors="none", hatches=["////"])
        hatched.set(edgecolor="0.55", lw=0)
    level = view.level
    if level is not None and view.evidence.min() < level < view.evidence.max():
        outline = axis.contour(view.evidence, levels=[level], colors=CYAN, linewidths=1.3)
        outline.set(path_effects=OUTLINE)


def _legend(answer: Answer, view: Shown) -> str:
    """What the marks mean."""
    parts = ["left: the source", f"right: evidence by {answer.author.map_words}"]
    if view.level is None:
        parts.append("no evidence anywhere")
    else:
        parts.append(f"cyan outline: {100 * SHARE:g} % of the evidence lies within")
    if view.unseen.any():
        parts.append("hatched: not seen by the model")
    return f"Picture: {'; '.join(parts)}"


def _write(figure: Figure, words: list[str], top: float, step: float) -> None:
    """Lines from ``top`` on downwards, all in shares of the height."""
    left = EDGE / WIDTH
    heading = figure.text(left, top, RESEARCH.upper(), color=AMBER, fontsize=12, va="top")
    heading.set_fontweight("bold")
    for number, line in enumerate(words):
        colour = AMBER if line.startswith("WARNING") else WHITE
        place = top - step * (number + 1.4)
        said = figure.text(left, place, line, color=colour, fontsize=9, va="top")
        said.set_fontweight("bold" if number == 0 else "normal")  # the prediction
