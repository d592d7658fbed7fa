"""vit.export: one ONNX graph says what the ViT.ckpt says, map included, and needs no PyTorch."""

import csv
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pydicom
import pytest
import torch
from numpy.typing import NDArray

import predict
import vit
from errors import UserError
from tests.conftest import CONFIGURATION, contents
from tests.dicom_sources import of_archive, saved
from vit import checkpoint, export, familiarity, graph, graph_predictor
from vit.archive import CheckpointError
from vit.checkpoint_gate import Plain
from vit.map_request import ExplanationError, MapRequest
from vit.model import VisionTransformer
from vit.torch_predictor import TorchPredictor

PROJECT = Path(__file__).resolve().parents[1]
SCORES = {"normal": [0.4] * 20, "abnormal": [0.6] * 20}
POSITIVE = MapRequest(1)


def scenes(count: int, seed: int) -> NDArray:
    """(N, 32, 32) float32 from 0 to 1, with a black bar."""
    rng = np.random.default_rng(seed)
    pictures = rng.random((count, 8, 8), np.float32).repeat(4, axis=1).repeat(4, axis=2)
    pictures[:, :5] = 0
    return np.asarray(pictures)


def stored(path: Path, plain: Plain) -> Path:
    checkpoint.save(plain, path)
    return path


def exported(path: Path, uint8: bool = False) -> Path:
    output = path.with_suffix(".onnx")
    output.write_bytes(export.export(checkpoint.load(path), uint8))
    return output


def state_of(model: VisionTransformer) -> Plain:
    return {f"model.{name}": value for name, value in model.state_dict().items()}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ViT.ckpt of one model, its graph beside it."""
    path = stored(tmp_path_factory.mktemp("plain") / "a.ckpt", contents(conformal_scores=SCORES))
    exported(path)
    return path


@pytest.fixture(scope="module")
def folds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two folds: convolution stem, half of the patches, images standardised by themselves."""
    config = replace(
        CONFIGURATION,
        stem="convolution",
        kept_tokens=0.5,
        num_hidden_layers=1,
        num_channels=3,
        flip="turns",
    )
    usual = torch.from_numpy(scenes(30, 1))[:, None].expand(-1, 3, -1, -1)
    states = []
    near = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        model = VisionTransformer(config).eval()
        states.append(state_of(model))
        near.append(familiarity.fit(model, [usual[:20]], [usual[20:]]).state_dict())
    preprocessing = contents()["preprocessing"] | {"mean": None, "std": None}
    path = stored(
        tmp_path_factory.mktemp("folds") / "a.ckpt",
        contents(
            config=asdict(config),
            state_dict=states[0],
            members=states[1:],
            familiarity=near,
            preprocessing=preprocessing,
            temperature=1.7,
        ),
    )
    exported(path, uint8=True)
    return path


def test_a_graph_takes_no_mean_of_a_whole_picture_at_once(folds: Path) -> None:
    """Rounding of a sum over 65,536 pixels changed the fifth digit of probabilities."""
    model = onnx.load(folds.with_suffix(".onnx"))
    kinds = {node.op_type for node in model.graph.node}
    assert not kinds & {"InstanceNormalization", "GroupNormalization"}
    known = {each.name: onnx.numpy_helper.to_array(each) for each in model.graph.initializer}
    axes = [
        known[node.input[1]].tolist()
        for node in model.graph.node
        if node.op_type in ("ReduceSum", "ReduceMean") and node.input[1] in known
    ]
    assert [1] in axes
    assert not [each for each in axes if len(each) > 1]


@pytest.mark.parametrize("batch", [1, 5])
@pytest.mark.parametrize("which", ["plain", "folds"])
def test_the_graph_says_what_the_checkpoint_says(
    which: str, batch: int, request: pytest.FixtureRequest
) -> None:
    path: Path = request.getfixturevalue(which)
    pixels = np.round(scenes(batch, 2) * 255).astype(np.float32) / 255
    asked = TorchPredictor(checkpoint.load(path))
    answering = graph_predictor.load(path.with_suffix(".onnx"))
    for wanted in (None, POSITIVE):
        ours, theirs = asked.run(pixels, wanted), answering.run(pixels, wanted)
        for name, one, other in zip(ours._fields, ours, theirs, strict=True):
            if one is None:
                assert other is None, name
                continue
            assert one.shape == other.shape, name
            np.testing.assert_allclose(other, one, rtol=1e-4, atol=1e-5, err_msg=name)


def test_probabilities_have_the_temperature_in_them(folds: Path) -> None:
    content = folds.with_suffix(".onnx").read_bytes()
    session = graph.session_of(content)
    pixels = np.round(scenes(2, 3) * 255).astype(np.uint8)[:, None]
    logits, probabilities = session.run(["logits", "probabilities"], {"pixels": pixels})
    expected = torch.from_numpy(logits / 1.7).softmax(dim=1).numpy()
    assert probabilities == pytest.approx(expected, abs=1e-6)


def test_a_picture_of_another_size_is_refused_by_the_raw_graph(plain: Path) -> None:
    session = graph.session_of(plain.with_suffix(".onnx").read_bytes())
    with pytest.raises(Exception, match=r"Got: 16 Expected: 32"):
        session.run(None, {"pixels": np.zeros((1, 1, 16, 16), np.float32)})


def test_metadata_holds_classes_threshold_limits_and_preprocessing(plain: Path) -> None:
    model = onnx.load(plain.with_suffix(".onnx"))
    said = json.loads({each.key: each.value for each in model.metadata_props}["vit"])
    assert said["class_names"] == ["normal", "abnormal"] and said["threshold"] == 0.5
    assert said["conformal_scores"] == SCORES and said["preprocessing"]["mean"] == 0.4
    assert said["graph"] == {"format": 1, "pixels": "float32"}


def test_predict_writes_the_same_table_and_picture(
    plain: Path, folder: Path, tmp_path: Path
) -> None:
    rows = []
    for model in (plain, plain.with_suffix(".onnx")):
        output = tmp_path / model.suffix / "a.png"
        output.parent.mkdir()
        predict.main(["-p", str(folder / "val"), "-k", str(model), "-o", str(output)])
        rows.append(list(csv.DictReader((output.parent / "predictions.csv").open())))
        assert output.stat().st_size > 10_000
    for one, other in zip(*rows, strict=True):
        numbers = [name for name in one if name.startswith(("prob", "logit", "distance"))]
        for name in numbers:
            if one[name]:
                assert float(other[name]) == pytest.approx(float(one[name]), abs=1e-5), name
        assert {name: one[name] for name in one if name not in numbers} == {
            name: other[name] for name in other if name not in numbers
        }


def test_a_graph_answers_dicom_files_too(plain: Path, tmp_path: Path) -> None:
    saved(tmp_path / "few", a=of_archive(1))
    graph = plain.with_suffix(".onnx")
    output = tmp_path / "out"
    predict.main(["-p", str(tmp_path / "few"), "-k", str(graph), "-o", f"{output}/", "--dicom"])
    digest = hashlib.sha256(graph.read_bytes()).hexdigest()
    for name in ("a_picture.dcm", "a_report.dcm"):
        assert pydicom.dcmread(output / name).DeviceSerialNumber == digest
    assert f"checkpoint: {graph.name}" in pydicom.dcmread(output / "a_report.dcm").to_json()


def test_a_graph_is_asked_without_torch(plain: Path, folder: Path) -> None:
    code = (
        f"import sys; sys.path.append({str(PROJECT)!r})\n"
        "import vit\n"
        f"model = vit.load({str(plain.with_suffix('.onnx'))!r})\n"
        f"image = model.predict({str(folder / 'val')!r})[0].item.name\n"
        "assert model.explain(image).shape == (32, 32)\n"
        "assert 'torch' not in sys.modules\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"method": "relevance"}, r"a graph holds one map: agreement for abnormal"),
        ({"target": "normal"}, r"got agreement, for normal; ask a ViT.ckpt"),
        ({"layer": 0}, r"got agreement, layer 0"),
    ],
)
def test_another_map_is_refused(plain: Path, asked: dict[str, Any], said: str) -> None:
    with pytest.raises(ExplanationError, match=said):
        vit.load(plain.with_suffix(".onnx")).explain(scenes(1, 4)[0], **asked)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-o", "a.html"], "a report needs a ViT.ckpt, got a graph"),
        (["-d", "mps"], "--device mps needs a ViT.ckpt, got a graph"),
    ],
)
def test_what_a_graph_cannot_give_is_refused_in_one_line(
    plain: Path, folder: Path, words: list[str], said: str
) -> None:
    with pytest.raises(SystemExit, match=said):
        predict.main(["-p", str(folder / "val"), "-k", str(plain.with_suffix(".onnx")), *words])


def test_where_a_checkpoint_is_needed_a_graph_is_named(plain: Path) -> None:
    with pytest.raises(CheckpointError, match=r"a.onnx: is a graph; wanted the ViT.ckpt that"):
        checkpoint.load(plain.with_suffix(".onnx"))


def test_a_gpu_is_refused(plain: Path) -> None:
    with pytest.raises(UserError, match="device: got cuda, but a graph is run on the CPU"):
        vit.load(plain.with_suffix(".onnx"), device="cuda")


def relabelled(path: Path, change: Callable[[Plain], Any]) -> bytes:
    """The graph of a file with other words about it."""
    model = onnx.load(path)
    (said,) = model.metadata_props
    plain = json.loads(said.value)
    change(plain)
    said.value = json.dumps(plain)
    return bytes(model.SerializeToString())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda plain: plain.update(threshold=7), "metadata is damaged: threshold: got 7"),
        (lambda plain: plain.update(temperature="x"), "metadata is damaged: temperature"),
        (lambda plain: plain.pop("class_names"), "metadata is damaged: 'class_names'"),
        (lambda plain: plain.update(graph={"format": 9, "pixels": "uint8"}), "damaged: graph"),
    ],
)
def test_damaged_words_about_a_graph_are_refused(
    plain: Path, tmp_path: Path, change: Callable[[Plain], Any], said: str
) -> None:
    file = tmp_path / "a.onnx"
    file.write_bytes(relabelled(plain.with_suffix(".onnx"), change))
    with pytest.raises(CheckpointError, match=said):
        vit.load(file)


def test_files_that_are_no_graph_of_ours_are_refused(plain: Path, tmp_path: Path) -> None:
    whole = plain.with_suffix(".onnx").read_bytes()
    foreign = onnx.load(plain.with_suffix(".onnx"))
    del foreign.metadata_props[:]
    for content, said in (
        (whole[: len(whole) // 2], "is damaged, or no graph"),
        (b"not a graph", "is damaged, or no graph"),
        (foreign.SerializeToString(), "is no graph of ours; python -m vit.export makes one"),
    ):
        (tmp_path / "a.onnx").write_bytes(content)
        with pytest.raises(CheckpointError, match=said):
            vit.load(tmp_path / "a.onnx")
    with pytest.raises(CheckpointError, match=r"no such file; python -m vit.export"):
        vit.load(tmp_path / "none.onnx")


def test_the_command_keeps_a_former_file(
    plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "export", lambda source, uint8: b"new")
    output = tmp_path / "model.onnx"
    output.write_bytes(b"former")
    export.main([str(plain), "--OUTPUT", str(output)])
    assert output.read_bytes() == b"new"
    assert [kept.read_bytes() for kept in tmp_path.glob("model*.onnx") if kept != output] == [
        b"former"
    ]


def test_the_command_wants_a_name_of_a_graph(plain: Path) -> None:
    with pytest.raises(SystemExit, match=r"got model.pt, wanted a name that ends in .onnx"):
        export.main([str(plain), "--OUTPUT", "model.pt"])


def test_a_figure_that_is_not_known_does_not_hinder(tmp_path: Path) -> None:
    plain = contents(validation={"auroc": float("nan")})
    path = stored(tmp_path / "a.ckpt", plain)
    assert "auroc" not in graph.text_of(checkpoint.load(path), False)


def three_classes(said: Plain) -> None:
    said["config"]["num_classes"] = 3
    said["class_names"] = ["normal", "mild", "abnormal"]
    del said["conformal_scores"]


def larger(said: Plain) -> None:
    said["config"]["image_size"] = said["preprocessing"]["image_size"] = 64


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (three_classes, r"does not fit its metadata: logits: got \(1, 2\), wanted \(1, 3\)"),
        (larger, r"the graph cannot be run: "),
        (lambda said: said.update(graph={"format": 1, "pixels": "uint8"}), r"cannot be run: "),
    ],
)
def test_a_graph_that_does_not_fit_its_words_is_refused(
    plain: Path, tmp_path: Path, change: Callable[[Plain], Any], said: str
) -> None:
    file = tmp_path / "a.onnx"
    file.write_bytes(relabelled(plain.with_suffix(".onnx"), change))
    with pytest.raises(CheckpointError, match=said):
        vit.load(file).predict(scenes(1, 5)[0])


def test_a_graph_of_a_later_version_is_refused(plain: Path, tmp_path: Path) -> None:
    later = relabelled(plain.with_suffix(".onnx"), lambda said: said.update(format_version=99))
    (tmp_path / "a.onnx").write_bytes(later)
    with pytest.raises(CheckpointError, match="format_version: got 99, of a later version"):
        vit.load(tmp_path / "a.onnx")


def test_a_pipe_is_not_replaced(plain: Path, tmp_path: Path) -> None:
    pipe = tmp_path / "t.safetensors"
    os.mkfifo(pipe)
    with pytest.raises(SystemExit, match="is a pipe, wanted a file to write"):
        export.main([str(plain), "--OUTPUT", str(pipe), "--layout", "timm"])
    assert pipe.is_fifo()
