"""The ONNX graph of a trained model, and what it says of itself.

A graph takes pictures as they were prepared and gives all that a prediction needs, the evidence map
included: the backward pass of the map is written as forward operations. So nothing but a runtime of
ONNX is needed to predict and to explain.
"""

import contextlib
import io
import json
import logging
import warnings
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from data.readers import DataError
from files import other_kind
from vit import checkpoint_gate
from vit.archive import CheckpointError
from vit.checkpoint_gate import Plain, check
from vit.facts import Facts

KEY = "vit"  # of the metadata that holds the facts
INPUT = "pixels"
# of (B, 1, S, S) pixels: (B, K), (B, K), (B,), (B,), (B, grid height, grid width)
OUTPUTS = ("logits", "probabilities", "distance", "outliers", "map")
WITHOUT_MAP = OUTPUTS[:-1]
FORMAT = 1
LARGEST = 2**30  # bytes
WEIGHTS = "weights"  # the file, by its name, that both graphs of Parts read
LEAST_SHARED = 1024  # bytes of a tensor that lies in it; shapes stay in the graphs
LEFT_OUT = ("history", "validation", "figures")  # of the facts: not needed to predict


class Parts(NamedTuple):
    """A graph as two that read the same weights.

    Args:
        answers: the graph of WITHOUT_MAP.
        evidence: the graph of the map.
        weights: what both read, as the file of WEIGHTS.
    """

    answers: bytes
    evidence: bytes
    weights: bytes


def text_of(facts: Facts, uint8: bool) -> str:
    """What the graph's metadata says, as JSON."""
    plain = {name: value for name, value in facts.plain().items() if name not in LEFT_OUT}
    plain["graph"] = {"format": FORMAT, "pixels": "uint8" if uint8 else "float32"}
    try:
        return json.dumps(plain, allow_nan=False)
    except ValueError:
        raise CheckpointError("the ViT.ckpt holds a number that is not finite") from None


def facts_of(content: bytes, path: Path) -> tuple[Facts, bool]:
    """What the graph of a file says, and whether its pixels are uint8.

    Raises:
        CheckpointError: it is no graph, not ours, or damaged.
        DataError: onnx is not installed.
    """
    model = _parsed(content, path)
    said = {each.key: each.value for each in model.metadata_props}
    names = [given.name for given in model.graph.input]
    if KEY not in said or names != [INPUT]:
        raise CheckpointError(f"{path}: is no graph of ours; python -m vit.export makes one")
    try:
        plain: Plain = json.loads(said[KEY])
        config = check({"state_dict": {}, **plain})
        about = plain["graph"]
        if plain["format_version"] > checkpoint_gate.FORMAT:
            raise ValueError(f"format_version: got {plain['format_version']}, of a later version")
        if about["format"] != FORMAT or about["pixels"] not in ("uint8", "float32"):
            raise ValueError(f"graph: got {about}")
        return Facts.of_plain(plain, config), about["pixels"] == "uint8"
    except (ValueError, TypeError, LookupError, RecursionError) as error:
        first = (str(error).splitlines() or [""])[0][:300]
        raise CheckpointError(f"{path}: its metadata is damaged: {first}") from None


def only(content: bytes, outputs: Sequence[str]) -> bytes:
    """The same graph with these outputs, where it has them, and with what leads to them alone."""
    return _only(_parsed(content, Path("graph")), outputs)


def _only(model: Any, outputs: Sequence[str]) -> bytes:
    kept = [output.name for output in model.graph.output if output.name in outputs]
    part = library("onnx.utils").Extractor(model).extract_model([INPUT], kept)
    return bytes(part.SerializeToString())


def parts(content: bytes) -> Parts:
    """The graph in two, so that answers need not wait for maps, with each weight once."""
    model = _parsed(content, Path("graph"))
    weights = bytearray()
    for tensor in model.graph.initializer:
        if len(tensor.raw_data) < LEAST_SHARED:
            continue
        place = {"location": WEIGHTS, "offset": len(weights), "length": len(tensor.raw_data)}
        weights += tensor.raw_data
        tensor.ClearField("raw_data")
        tensor.data_location = tensor.EXTERNAL
        for key, value in place.items():
            tensor.external_data.add(key=key, value=str(value))
    return Parts(_only(model, WITHOUT_MAP), _only(model, OUTPUTS[-1:]), bytes(weights))


def nodes(content: bytes, operators: Sequence[str]) -> list[str]:
    """Names of the nodes of these operators."""
    return [
        node.name
        for node in _parsed(content, Path("graph")).graph.node
        if node.op_type in operators
    ]


def session_of(content: bytes, threads: int = 0) -> Any:
    """An onnxruntime.InferenceSession on so many threads; 0: as many as cores.

    Raises:
        CheckpointError: onnxruntime does not take the graph.
    """
    onnxruntime = library("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = threads
    try:
        return onnxruntime.InferenceSession(content, options, ["CPUExecutionProvider"])
    except Exception as error:  # it raises many kinds for a damaged graph
        said = (str(error).splitlines() or [""])[0][:200]
        raise CheckpointError(f"the graph is damaged: {said}") from None


def _parsed(content: bytes, path: Path) -> Any:
    onnx = library("onnx")
    try:
        return onnx.load_model_from_string(content)
    except Exception:  # protobuf's errors have no common root
        raise CheckpointError(f"{path}: is damaged, or no graph") from None


def bytes_of(path: Path) -> bytes:
    """The whole file; from memory no other file can be reached through it.

    Raises:
        CheckpointError: missing, too large, or not to be read.
    """
    if kind := other_kind(path):
        raise CheckpointError(f"{path}: is {kind}, wanted a graph that vit.export made")
    try:
        if path.stat().st_size > LARGEST:
            raise CheckpointError(
                f"{path}: has {path.stat().st_size:,} bytes, wanted at most {LARGEST:,}"
            )
        return path.read_bytes()
    except FileNotFoundError:
        raise CheckpointError(f"{path}: no such file; python -m vit.export makes one") from None
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error.strerror}") from None


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """The tools of ONNX tell of their steps on stdout, and warn of what does not matter here."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def library(name: str) -> Any:
    """A module of onnx or onnxruntime. DataError: it is not installed."""
    try:
        return import_module(name)
    except ImportError:
        raise DataError(
            f"{name} is not installed, which a graph needs; pip install onnx onnxruntime"
        ) from None
