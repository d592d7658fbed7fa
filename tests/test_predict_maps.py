"""The maps of predict.py: of what is asked, where the user wants them, and nothing lost."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

import predict
from data.inputs import gather
from report import plots
from report.prediction_pictures import picture_names
from tests.conftest import CONFIGURATION, contents, table
from vit import checkpoint
from vit.checkpoint import Checkpoint
from vit.explain import METHODS, explain
from vit.map_request import DEFAULT
from vit.model import VisionTransformer


def test_known_lesions_reach_the_picture(
    tmp_path: Path, pictures: Callable[..., Path], ckpt: Path
) -> None:

    raw = pictures(height=32, width=32)
    names = sorted(path.relative_to(raw).as_posix() for path in raw.rglob("*.png"))
    lines = ["path,label,lesion_boxes_xyxy"]
    for name in names:
        label = name.split("/")[0]
        box = "" if label == "normal" else '"8,8,16,16"'
        lines.append(f"{name},{label},{box}")
    (raw / "manifest.csv").write_text("\n".join(lines) + "\n")
    preprocessing = Checkpoint.from_plain(contents()).preprocessing
    items = gather(
        [raw / "abnormal" / "p00.png", raw / "normal" / "p00.png"], ["normal", "abnormal"]
    )
    lesion = items[0].lesion(preprocessing)
    assert lesion is not None
    assert (int(lesion.sum()), items[1].lesion(preprocessing)) == (64, None)


def mirrored_too(model: VisionTransformer, image: Tensor, **asked: Any) -> tuple[Tensor, Tensor]:
    """Logits and map of one image, the mean with those of its mirror image: flip is horizontal."""
    logits, maps = explain(model, torch.cat([image, image.flip(3)]), **asked)
    return logits.mean(dim=0), (maps[0] + maps[1].flip(1)) / 2


def test_a_map_is_of_the_method_class_block_and_head_that_are_asked(
    tmp_path: Path, folder: Path, ckpt: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[plots.Explained] = []
    monkeypatch.setattr(plots, "predictions", lambda items, *_: shown.extend(items))
    file = str(next((folder / "val").rglob("*.npy")))
    predict.main(["-p", file, "-k", str(ckpt), "-o", str(tmp_path / "a.png")])
    asked = ["--method", "rollout", "--target", "normal", "--layer", "1", "--head", "0"]
    predict.main(["-p", file, "-k", str(ckpt), "-o", str(tmp_path / "b.png"), *asked])
    assert [item.method for item in shown] == [
        "agreement, for abnormal",
        "rollout, layer 1, head 0",
    ]
    (model,) = checkpoint.load(ckpt).models
    image = torch.from_numpy((np.load(file).astype(np.float32) / 255 - 0.4) / 0.2)[None, None]
    maps = (
        mirrored_too(model, image)[1],
        mirrored_too(model, image, method="rollout", target=0, layer=1, head=0)[1],
    )
    for item, map_ in zip(shown, maps, strict=True):
        assert np.allclose(item.map, map_, atol=1e-5)


@pytest.mark.parametrize("output", ["", "i.png"])
def test_an_image_is_not_overwritten_by_its_picture(
    tmp_path: Path, ckpt: Path, output: str
) -> None:
    image = tmp_path / "in" / "i.png"
    image.parent.mkdir()
    cv2.imwrite(str(image), np.arange(1024, dtype=np.uint8).reshape(32, 32))
    before = image.read_bytes()
    with pytest.raises(
        SystemExit,
        match=r"--OUTPUT: got .*, which would overwrite the image .*i\.png; name another",
    ):
        predict.main(["-p", str(image.parent), "-k", str(ckpt), "-o", f"{image.parent}/{output}"])
    assert image.read_bytes() == before


def test_a_former_picture_is_kept_unless_it_is_the_same(
    tmp_path: Path, ckpt: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = tmp_path / "i$_$.png"
    cv2.imwrite(str(image), np.arange(1024, dtype=np.uint8).reshape(32, 32))
    command = ["-p", str(image), "-k", str(ckpt), "-o", str(tmp_path / "out" / "x.png")]
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "x.png").write_bytes(b"mine")
    predict.main(command)
    predict.main(command)
    assert capsys.readouterr().out.count("kept the former") == 1
    kept = [path for path in (tmp_path / "out").iterdir() if path.name.startswith("x_")]
    assert [path.read_bytes() for path in kept] == [b"mine"]


def test_one_file_and_far_globs_are_drawn_into_the_folder(tmp_path: Path, ckpt: Path) -> None:
    image = tmp_path / "i.png"
    cv2.imwrite(str(image), np.arange(1024, dtype=np.uint8).reshape(32, 32))
    predict.main(["-p", str(image), "-k", str(ckpt), "-o", f"{tmp_path}/one/"])
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == [
        "i.png",
        "predictions.csv",
    ]
    assert picture_names([Path("/a.png")], Path("/*.png")) == ["a.png"]


def test_the_last_number_of_a_uid_is_no_suffix() -> None:
    paths = [Path("/d/1.2.840.7"), Path("/d/1.2.840.8"), Path("/d/IM1.dcm")]
    assert picture_names(paths, Path("/d")) == ["1.2.840.7.png", "1.2.840.8.png", "IM1.png"]


def test_an_ensemble_is_the_mean_of_its_members_explained_or_not(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    states = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        model = VisionTransformer(CONFIGURATION)
        states.append({f"model.{name}": 3 * value for name, value in model.state_dict().items()})
    checkpoint.save(contents(state_dict=states[0], members=[states[1]]), tmp_path / "two.ckpt")
    shown: list[plots.Explained] = []
    monkeypatch.setattr(plots, "predictions", lambda items, *_: shown.extend(items))
    file = str(next((folder / "val").rglob("*.npy")))
    image = torch.from_numpy((np.load(file).astype(np.float32) / 255 - 0.4) / 0.2)[None, None]
    members = checkpoint.load(tmp_path / "two.ckpt").models
    said, maps = (
        torch.stack(each).mean(dim=0)
        for each in zip(*(mirrored_too(m, image) for m in members), strict=True)
    )
    for output in ("a.png", "folder/"):
        predict.main(["-p", file, "-k", str(tmp_path / "two.ckpt"), "-o", f"{tmp_path}/{output}"])
        (row,) = table(tmp_path / output.rstrip("a.png") / "predictions.csv")
        assert float(row["probability_abnormal"]) == pytest.approx(
            float(said.softmax(dim=0)[1]), abs=1e-5
        )
    assert len(shown) == 2
    assert all(np.allclose(item.map, maps, atol=1e-5) for item in shown)


@pytest.mark.parametrize(("limit", "count"), [(0.0, 1), (1e9, 0)])
def test_tokens_that_stand_out_are_told_once(
    tmp_path: Path,
    folder: Path,
    ckpt: Path,
    limit: float,
    count: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("vit.predictor.OUTLIER", limit)
    where = [
        "-p",
        str(folder / "val"),
        "-k",
        str(ckpt),
        "-o",
        str(tmp_path / "a.png"),
        "--method",
        "occlusion",
    ]
    predict.main([*where, "--num_images", "1"])
    images = len(list((folder / "val").rglob("*.npy")))
    assert (
        capsys.readouterr().err.count(f"note: in {images} of {images} images a patch token")
        == count
    )


def test_help_names_every_method(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        predict.parse(["--help"])
    assert predict.parse(["-p", "x"]).method == DEFAULT
    assert ",".join(METHODS) in "".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--method", "lime", "method: got lime, wanted one of attention, rollout"),
        ("--target", "ill", "target: got ill, wanted one of normal, abnormal"),
        ("--layer", "2", "layer: got 2, wanted 0 to 1"),
        ("--head", "2", "head: got 2, wanted 0 to 1"),
    ],
)
def test_what_cannot_be_explained_is_said_before_any_work(
    tmp_path: Path, folder: Path, ckpt: Path, option: str, value: str, message: str
) -> None:
    with pytest.raises(SystemExit, match=message):
        predict.main(
            ["-p", str(folder), "-k", str(ckpt), "-o", str(tmp_path / "a.png"), option, value]
        )
    assert not (tmp_path / "predictions.csv").exists()
