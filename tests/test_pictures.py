"""report.pictures: seven pictures of a model, whatever its stem, registers and kept patches."""

from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

import CONFIG
from report import diagram, overlay, panels, pictures, structure
from report.subject import Subject, subject_of
from tests.models import model_of
from vit import checkpoint
from vit.checkpoint_gate import Plain
from vit.hooks import attention_maps
from vit.model import VisionTransformer

NAMES = {
    f"{name}.png" for name in ("patches", "filters", "positions", "heads", "methods", "model")
} | {"attention.gif"}
ODD: Plain = {"kept_tokens": 0.5, "num_registers": 2, "stem": "convolution"}


def write(path: Path, members: int = 0, **changes: Any) -> Path:
    """A ViT.ckpt of 32 px in 4 x 4 patches, 2 blocks of 3 heads, with random weights."""
    sizes = {
        "image_size": 32,
        "patch_size": 8,
        "embedding_size": 24,
        "num_heads": 3,
        "num_hidden_layers": 2,
    }
    config = CONFIG.Config(**{**sizes, **changes})
    torch.manual_seed(0)
    states = [
        {f"model.{key}": value for key, value in VisionTransformer(config).state_dict().items()}
        for _ in range(1 + members)
    ]
    preprocessing = {"image_size": 32, "mean": 0.4, "std": 0.2, "border": 0.0, "stretch": False}
    held = {
        "format_version": 1,
        "state_dict": states[0],
        "members": states[1:],
        "config": asdict(config),
        "threshold": 0.5,
        "temperature": 1.0,
        "class_names": ["normal", "abnormal"],
        "preprocessing": preprocessing,
    }
    checkpoint.save(held, path)
    return path


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """One of two pictures, whose manifest knows a lesion in columns 8 to 15, rows 16 to 27."""
    for name in ("a", "b"):
        noise = np.random.default_rng(ord(name)).integers(0, 256, (32, 32), dtype=np.uint8)
        cv2.imwrite(str(tmp_path / f"{name}.png"), noise)
    (tmp_path / "manifest.csv").write_text(
        'path,label,lesion_boxes_xyxy\na.png,abnormal,"8,16,16,28"\n'
    )
    return tmp_path / "a.png"


def subject(lesion: NDArray[Any] | None = None, **changes: Any) -> Subject:
    """24 x 40 px in 3 x 5 patches, 3 blocks of 4 heads."""
    torch.manual_seed(0)
    sizes: Plain = {
        "embedding_size": 32,
        "num_hidden_layers": 3,
        "num_heads": 4,
        "initializer_range": 0.3,
    }
    model = model_of((24, 40), patch_size=8, **{**sizes, **changes}).eval()
    image = torch.rand(24, 40)
    return Subject(model, image[None, None], image.numpy(), lesion, "a.png", "abnormal")


def test_all_pictures_are_there_and_none_is_blank(tmp_path: Path, image: Path) -> None:
    output = tmp_path / "out"
    output.mkdir()
    (output / "model.png").write_text("former")
    (output / "notes.txt").write_text("mine")
    ckpt = write(tmp_path / "ViT.ckpt", **ODD)
    pictures.main(["--Path", str(image), "--Path_Checkpoint", str(ckpt), "--OUTPUT", str(output)])
    (former,) = output.glob("model_20*.png")
    assert former.read_text() == "former"
    assert {file.name for file in output.iterdir()} == NAMES | {"notes.txt", former.name}
    for name in NAMES:
        with Image.open(output / name) as picture:
            assert np.asarray(picture.convert("L")).std() > 15, name
            assert getattr(picture, "n_frames", 1) == (2 * 3 if name == "attention.gif" else 1)
    assert (output / "attention.gif").stat().st_size < 1e6


def test_head_maps_are_the_attention_of_cls() -> None:
    shown = subject(kept_tokens=0.4, num_registers=2)
    maps = panels.head_maps(shown)
    assert maps.shape == (3, 4, 3, 5)
    with torch.no_grad(), attention_maps(shown.model) as probabilities:
        shown.model(shown.batch)
    kept = shown.model.embeddings.kept(shown.batch)
    assert kept is not None
    for block, head in np.ndindex(3, 4):
        row = probabilities[block][0, head, 0, 3:]
        flat = maps[block, head].ravel()
        assert np.flatnonzero(~np.isnan(flat)).tolist() == kept[0].tolist()
        np.testing.assert_allclose(flat[kept[0]], row / row.mean(), rtol=1e-4)


def test_a_panel_for_each_block_and_head(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = subject()
    drawn = []

    def mosaic(tiles: NDArray[Any], gap: int, fill: float) -> NDArray[Any]:
        drawn.append(tiles)
        return structure.mosaic(tiles, gap, fill)

    monkeypatch.setattr(panels, "mosaic", mosaic)
    maps = np.full((3, 4, 3, 5), 1.0)
    maps[2, 1, 0, 4] = 9
    figure = panels.heads(shown, maps)
    (tiles,) = drawn
    assert tiles.shape[:2] == (3, 1 + 4)
    assert tiles.shape[2] * 5 == tiles.shape[3] * 3
    alike = [[np.allclose(panel, tiles[0, 1]) for panel in row] for row in tiles]
    assert np.argwhere(~np.array(alike)).tolist() == [
        [2, 0],
        [2, 2],
    ]  # the mean of the block, and the head
    names = [
        label.get_text()
        for label in (*figure.axes[0].get_xticklabels(), *figure.axes[0].get_yticklabels())
    ]
    assert names == [
        "mean",
        "head 0",
        "head 1",
        "head 2",
        "head 3",
        "block 0",
        "block 1",
        "block 2",
    ]


def test_frames_are_those_of_the_last_blocks_where_there_are_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    maps = np.random.default_rng(0).random((3, 4, 3, 5))
    drawn = []

    def tile(shown: Subject, map_: NDArray[Any] | None = None, top: float = 1.0) -> NDArray[Any]:
        drawn.append(map_)
        return overlay.tile(shown, map_, top)

    monkeypatch.setattr(panels, "tile", tile)
    monkeypatch.setattr(panels, "FRAMES", 9)
    frames = [np.asarray(frame).astype(int) for frame in panels.frames(subject(), maps)]
    assert len(frames) == 2 * 4
    assert np.array_equal([map_ for map_ in drawn if map_ is not None], maps[1:].reshape(8, 3, 5))
    left = frames[0].shape[1] // 3
    for former, frame in pairwise(frames):
        assert np.abs(frame - former).mean() > 1
        assert (frame[:, :left] == former[:, :left]).all()  # only the map changes place


def test_maps_and_lesions_lie_where_they_belong() -> None:
    lesion = np.zeros((24, 40), np.uint8)
    lesion[8:16, 24:32] = 1  # the patch in row 1, column 3
    map_ = np.zeros((3, 5))
    map_[2, 0], map_[0, 4] = 9, np.nan
    drawn = overlay.tile(subject(lesion), map_, top=9)
    height, width, _ = drawn.shape
    assert (height, width) == (144, 240)
    red, green, blue = (drawn.reshape(3, 48, 5, 48, 3).swapaxes(1, 2)[..., i] for i in range(3))
    assert np.argwhere(red.mean(axis=(2, 3)) > 0.7).tolist() == [[2, 0]]
    stripes = ((red == overlay.STRIPE) & (blue == overlay.STRIPE)).mean(axis=(2, 3))
    assert stripes[0, 4] == pytest.approx(0.25, abs=0.05)
    assert np.delete(stripes.ravel(), 4).max() < 0.01
    cyan = (red == 0) & (green == 1)
    assert not cyan[1, 3][4:-4, 4:-4].any()
    assert all(cyan[place].any() for place in ((0, 3), (2, 3), (1, 2), (1, 4)))
    assert not (cyan[:, :2].any() or cyan[2, 4].all())


def test_patches_are_cut_in_their_order_and_what_is_left_out_is_striped() -> None:
    for share, count in ((1.0, 15), (0.4, 6)):
        shown = subject(kept_tokens=share)
        cut = np.pad(
            np.asarray(panels.patches(shown).axes[1].images[0].get_array()), ((0, 2), (0, 2))
        )
        tiles = cut.reshape(3, 10, 5, 10).swapaxes(1, 2)[..., :8, :8]
        kept = shown.model.embeddings.kept(shown.batch)
        whole = [
            np.allclose(tile, shown.image[8 * row : 8 * row + 8, 8 * column : 8 * column + 8])
            for (row, column), tile in zip(np.ndindex(3, 5), tiles.reshape(15, 8, 8), strict=True)
        ]
        assert sum(whole) == count
        assert kept is None or np.flatnonzero(whole).tolist() == kept[0].tolist()
        assert (
            sum(set(np.unique(tile)) == {overlay.STRIPE, 1} for tile in tiles.reshape(15, 8, 8))
            == 15 - count
        )


def test_the_diagram_has_the_shapes_of_the_model() -> None:
    def words(**changes: Any) -> str:
        return " | ".join(
            text.get_text() for text in diagram.diagram(subject(**changes).model).axes[0].texts
        )

    plain = words()
    odd = words(**ODD, representation_size=7)
    for part in (
        "(1, 24, 40)",
        "(15, 32)",
        "(16, 32)",
        "3 x (4, 16, 8)",
        "(4, 16, 16)",
        "hidden 128",
        "(2,)",
    ):
        assert part in plain
    assert "8 x 8, stride 8" in plain
    assert "register" not in plain
    for part in (
        "(11, 32)",
        "(4, 11, 11)",
        "8 of 15",
        "2 registers",
        "6 of 3 x 3",
        "one of 1 x 1",
        "7, tanh",
    ):
        assert part in odd


def test_filters_are_those_of_the_first_convolution() -> None:
    patch, stem = (
        structure.filters(subject(stem=name).model).axes[0] for name in ("patch", "convolution")
    )
    assert "32 filters of 8 x 8" in patch.get_title()
    assert "principal\ncomponents" in [label.get_text() for label in patch.get_yticklabels()]
    assert "8 filters of 3 x 3" in stem.get_title()
    assert np.asarray(stem.images[0].get_array()).shape == (3, 8 * 3 + 7)


def test_positions_are_compared_with_themselves() -> None:
    (drawn,) = structure.positions(subject().model).axes[0].images
    tiles = np.pad(np.asarray(drawn.get_array()), ((0, 2), (0, 2))).reshape(3, 5, 5, 7)[
        :, :3, :, :5
    ]
    for row, column in np.ndindex(3, 5):
        assert tiles[row, :, column].argmax() == 5 * row + column
        assert tiles[row, row, column, column] == pytest.approx(1, abs=1e-5)


def test_the_subject(tmp_path: Path, image: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = subject_of(f"{tmp_path}/?.png", write(tmp_path / "folds.ckpt", members=2))
    said = capsys.readouterr().out
    assert "the first of 3 members is shown" in said
    assert f"the first of 2 images is shown, {image}" in said
    assert given.title.startswith("a: truth abnormal, P(abnormal) = ")
    assert given.lesion is not None
    assert (given.lesion > 0).sum() == 8 * 12
    assert given.lesion[16:28, 8:16].all()
    made = subject_of(None, tmp_path / "folds.ckpt")
    assert made.lesion is not None
    assert 0 < made.lesion.sum() < 200
    assert made.image.shape == (32, 32)


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--Path", "no.png", "no image there"),
        ("--Path_Checkpoint", "no.ckpt", "no such file"),
        ("--OUTPUT", "ViT.ckpt", "wanted a folder"),
    ],
)
def test_a_mistake_is_one_line(
    tmp_path: Path, image: Path, option: str, value: str, words: str
) -> None:
    ckpt = write(tmp_path / "ViT.ckpt")
    given = {"--Path": image, "--Path_Checkpoint": ckpt, "--OUTPUT": tmp_path / "out"} | {
        option: tmp_path / value
    }
    with pytest.raises(SystemExit, match=words) as stopped:
        pictures.main([str(word) for pair in given.items() for word in pair])
    assert "\n" not in str(stopped.value)
    assert not (tmp_path / "out").exists()
