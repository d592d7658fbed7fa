"""vit.export --int8: a graph in 8 bits, and what that changes, measured on the user's images."""

import re
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from sklearn.metrics import roc_auc_score

import vit
from data.readers import DataError
from tests.conftest import contents, table
from vit import checkpoint, export, graph_predictor
from vit.quantisation import Change, Measure

NAMES = ["normal", "abnormal"]


@pytest.fixture(scope="module")
def exact(tmp_path_factory: pytest.TempPathFactory) -> graph_predictor.GraphPredictor:
    """A graph in float32."""
    path = tmp_path_factory.mktemp("exact") / "ViT.ckpt"
    checkpoint.save(contents(), path)
    return graph_predictor.of_bytes(export.export(checkpoint.load(path)), path)


def operators(content: bytes) -> set[str]:
    return {node.op_type for node in onnx.load_model_from_string(content).graph.node}


def test_the_graph_in_8_bits_says_nearly_the_same(
    exact: graph_predictor.GraphPredictor, folder: Path
) -> None:
    rounded = Measure.of(folder, NAMES).quantised(exact)
    assert "QuantizeLinear" in operators(rounded.content) - operators(exact.content)
    assert rounded.facts == exact.facts
    before, after = (model.predict(str(folder / "val")) for model in (exact, rounded))
    for one, other in zip(before, after, strict=True):
        assert other.positive_probability == pytest.approx(one.positive_probability, abs=0.05)
    image = str(next((folder / "val").rglob("*.npy")))
    np.testing.assert_allclose(rounded.explain(image), exact.explain(image), atol=0.5)


def test_the_change_is_that_of_the_validation_images(
    exact: graph_predictor.GraphPredictor, folder: Path
) -> None:
    measure = Measure.of(folder, NAMES)
    rounded = measure.quantised(exact)
    found = measure.change(exact, rounded)
    said = [model.predict(str(folder / "val")) for model in (exact, rounded)]
    truths = [each.truth == "abnormal" for each in said[0]]
    scores = [[each.positive_probability for each in one] for one in said]
    assert found == Change(
        len(truths),
        pytest.approx(roc_auc_score(truths, scores[0])),
        pytest.approx(roc_auc_score(truths, scores[1])),
        sum(a.label != b.label for a, b in zip(*said, strict=True)),
        pytest.approx(np.abs(np.subtract(*scores)).max()),
    )


def test_the_command_writes_it_and_prints_the_change(
    folder: Path, tmp_path: Path, ckpt: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "small.onnx"
    export.main([str(ckpt), "--OUTPUT", str(target), "--int8", str(folder), "--uint8"])
    count = sum(row["split"] == "val" for row in table(folder / "manifest.csv"))
    assert re.search(
        rf"in 8 bits: AUROC of {count} validation images 0\.\d+, before 0\.\d+;",
        capsys.readouterr().out,
    )
    assert len(vit.load(target).predict(str(folder / "val"))) == count


def test_a_folder_that_was_not_prepared_is_refused_before_the_graph_is_written(
    tmp_path: Path, ckpt: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match=r"--int8: got .* wanted a folder of data.prepare"):
        export.main([str(ckpt), "--OUTPUT", str(tmp_path / "a.onnx"), "--int8", str(tmp_path)])
    assert "writing the graph" not in capsys.readouterr().out


def test_validation_images_of_one_class_do_not_tell_an_auroc(folder: Path) -> None:
    shutil.rmtree(folder / "val" / "abnormal")
    with pytest.raises(DataError, match=r"cannot be measured .* normal and abnormal; got normal"):
        Measure.of(folder, NAMES)


def test_weights_of_another_layout_have_no_8_bits(
    tmp_path: Path, ckpt: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        export.main([str(ckpt), "--layout", "timm", "--int8", str(tmp_path)])
    assert "leave them out with --layout" in capsys.readouterr().err
