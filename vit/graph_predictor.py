"""A Predictor that onnxruntime runs, without PyTorch."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metrics.decision import FOLLOWED
from vit import BATCH_SIZE, LEVEL, graph
from vit.archive import CheckpointError
from vit.facts import Facts
from vit.map_request import DEFAULT, ExplanationError, MapRequest
from vit.predictor import Answers, Predictor


class GraphPredictor(Predictor):
    """The model of a graph, ready to be asked.

    Args:
        content: the graph, as the bytes of its file.
        facts: what its metadata says.
        uint8: whether it takes pixels from 0 to 255.
        batch_size: images at a time.
        level: share of the images of each class whose prediction set shall hold it, 0 to 1.
    """

    def __init__(
        self,
        content: bytes,
        facts: Facts,
        uint8: bool = False,
        batch_size: int = BATCH_SIZE,
        level: float = LEVEL,
    ) -> None:
        super().__init__(facts, batch_size, level)
        self.content = content
        self.uint8 = uint8
        self._sessions: dict[bool, Any] = {}  # with the map, and without

    def run(self, pixels: NDArray, request: MapRequest | None) -> Answers:
        """What the models say of (B, S, S) float32 pictures from 0 to 1."""
        said = self._ask(pixels, request is not None)
        targets = None
        if request is not None and request.target is None:
            targets = self.facts.followed(said["logits"])
        return Answers(
            said["logits"], said.get("distance"), said.get("map"), said["outliers"], None, targets
        )

    def distances(self, pixels: NDArray) -> NDArray | None:
        """(B,) distances of such pictures from the training images; None: they are not known."""
        return self.run(pixels, None).distances

    def check(self, request: MapRequest) -> None:
        """Raise ExplanationError unless ``run`` can answer this."""
        usual = None if self.facts.multilabel else len(self.class_names) - 1
        if request != MapRequest(usual):
            shown = FOLLOWED if usual is None else self.class_names[usual]
            raise ExplanationError(
                f"a graph holds one map: {DEFAULT} for {shown}, of all blocks and heads; "
                f"got {request.title(self.class_names)}; ask a ViT.ckpt for others"
            )

    def fed(self, pixels: NDArray) -> dict[str, NDArray]:
        """(B, S, S) float32 pictures from 0 to 1 as the input of the graph."""
        given = pixels[:, None]
        return {graph.INPUT: np.round(255 * given).astype(np.uint8) if self.uint8 else given}

    def _ask(self, pixels: NDArray, with_map: bool) -> dict[str, NDArray]:
        """The outputs of the graph by their names."""
        if with_map not in self._sessions:
            content = self.content if with_map else graph.only(self.content, graph.WITHOUT_MAP)
            self._sessions[with_map] = graph.session_of(content)
        session = self._sessions[with_map]
        names = [output.name for output in session.get_outputs()]
        try:
            said = dict(zip(names, session.run(names, self.fed(pixels)), strict=True))
        except Exception as error:  # onnxruntime raises many kinds
            first = (str(error).splitlines() or [""])[0][:200]
            raise CheckpointError(f"the graph cannot be run: {first}") from None
        self._check_shapes(said, len(pixels))
        return said

    def _check_shapes(self, said: dict[str, NDArray], count: int) -> None:
        """Raise CheckpointError where the graph does not fit its own metadata."""
        config = self.facts.config
        edge = config.image_size // config.patch_size
        wanted = {"logits": (count, len(self.class_names)), "outliers": (count,)}
        known = {"distance": (count,), "map": (count, edge, edge)}
        wanted |= {name: shape for name, shape in known.items() if name in said}
        for name, shape in wanted.items():
            got = said[name].shape if name in said else "none"
            if got != shape:
                raise CheckpointError(
                    f"the graph does not fit its metadata: {name}: got {got}, wanted {shape}"
                )


def load(path: str | Path, batch_size: int = BATCH_SIZE, level: float = LEVEL) -> GraphPredictor:
    """The model of a graph; see ``vit.load``.

    Raises:
        CheckpointError: no such file, damaged, or not ours.
        DataError: onnxruntime is not installed.
    """
    return of_bytes(graph.bytes_of(Path(path)), Path(path), batch_size, level)


def of_bytes(
    content: bytes, path: Path, batch_size: int = BATCH_SIZE, level: float = LEVEL
) -> GraphPredictor:
    """As ``load``, of what the file at ``path`` holds."""
    facts, uint8 = graph.facts_of(content, path)
    return GraphPredictor(content, facts, uint8, batch_size, level)
