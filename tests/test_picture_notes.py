"""What a picture's file declares and its pixels do not show: shape of pixels, colour, turns."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from CONFIG import Config
from data.aspect import note_of_narrow
from data.audit import audit
from data.geometry import Placement
from data.prepare import prepare
from data.readers import read_stored
from tests.image_files import picture

CLASSES = ("normal", "abnormal")


def image(seed: int = 0) -> Image.Image:
    return Image.fromarray(np.round(picture(seed) * 255).astype(np.uint8))


def exif(tags: dict[int, Any]) -> Image.Exif:
    made = Image.Exif()
    for tag, value in tags.items():
        made[tag] = value
    return made


TURNED = exif({282: 60.0, 283: 50.0, 274: 6})
OBLONG: dict[str, tuple[dict[str, Any], float]] = {
    "inch.tif": ({"dpi": (60, 50)}, 1.2),
    "inch.png": ({"dpi": (60, 50)}, 1.2),
    "inch.bmp": ({"dpi": (60, 50)}, 1.2),
    "inch.jpg": ({"dpi": (60, 50)}, 1.2),
    "exif.webp": ({"exif": exif({282: 60.0, 283: 50.0})}, 1.2),
    "turned.webp": ({"exif": TURNED}, 1 / 1.2),
    "turned.tif": ({"tiffinfo": {274: 8, 282: 60.0, 283: 50.0}}, 1 / 1.2),
    "square.tif": ({"dpi": (72, 72)}, 1),
    "square.jpg": ({}, 1),
    "none.webp": ({"exif": exif({282: 0.0, 283: 50.0})}, 1),
}


@pytest.mark.parametrize("name", OBLONG)
def test_the_shape_of_a_pixel_is_as_its_file_says(tmp_path: Path, name: str) -> None:
    options, aspect = OBLONG[name]
    image().save(tmp_path / name, **options)
    assert read_stored(tmp_path / name).aspect == pytest.approx(aspect, rel=1e-2)


def test_a_density_without_a_unit_tells_the_shape_too(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.asarray(image()), resolution=(6, 5), resolutionunit=1)
    image().save(tmp_path / "a.jpg")
    content = (tmp_path / "a.jpg").read_bytes()
    place = content.index(b"JFIF\0") + 7
    (tmp_path / "a.jpg").write_bytes(content[:place] + b"\0\0\6\0\5" + content[place + 5 :])
    for name in ("a.tif", "a.jpg"):
        assert read_stored(tmp_path / name).aspect == pytest.approx(1.2)


def raw(folder: Path, *classes: str, **options: Any) -> Path:
    """Three pictures of each class for training and one for testing, with the options."""
    for number, label in enumerate(classes):
        for view in range(4):
            file = folder / ("train" if view else "test") / label / f"{view}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            image(10 * number + view).save(file, **options)
    return folder


def said(folder: Path) -> str:
    made = folder.parent / "made"
    return "\n".join(prepare(folder, made, Config(image_size=32)).info["notes"])


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A set with all that is to be said."""
    folder = raw(tmp_path_factory.mktemp("odd") / "raw", *CLASSES, "nromal")
    image().save(folder / "train" / "normal" / "1.png", dpi=(60, 50))
    pixels = np.dstack([np.asarray(image(5))] * 3)
    pixels[:2, :, 2] //= 2
    file = folder / "train" / "abnormal" / "1.png"
    Image.fromarray(pixels).save(file, exif=exif({274: 6}))
    mask = np.zeros(pixels.shape[1::-1], np.uint8)
    mask[3:7, 5:9] = 255
    Image.fromarray(mask).save(file.with_name("1_mask.png"))
    return folder


@pytest.fixture(scope="module")
def odd_notes(odd: Path) -> str:
    return said(odd)


SAID = [
    "1 of 12 images have pixels that are not square, such as train/normal/1.png",
    "1 of 12 images are in colour, such as train/abnormal/1.png",
    "1 of 12 images with masks or boxes are stored turned or mirrored (EXIF or TIFF orientation)",
    "nromal is no known name and counts as a class of its own",
    "the data brings no val, so 3 images of its train are taken for it",
]


@pytest.mark.parametrize("line", SAID)
def test_what_is_odd_is_said(odd_notes: str, line: str) -> None:
    assert line in odd_notes


def test_of_a_plain_set_none_of_it_is_said(tmp_path: Path) -> None:
    folder = raw(tmp_path / "raw", *CLASSES, dpi=(60, 60))
    (folder / "test").rename(folder / "val")
    notes = said(folder)
    assert not [
        words for words in ("square", "colour", "turned", "of its own", "brings") if words in notes
    ]


def test_the_audit_says_that_pixels_are_not_square(odd: Path) -> None:
    assert SAID[0] in "\n".join(audit(odd, config=Config(image_size=32)).notes)


def test_pictures_of_which_little_is_left_are_said() -> None:
    sizes = {"a": (4, 400), "b": (100, 100), "c": (400, 100)}
    (note,) = note_of_narrow(sizes, lambda h, w: Placement(h, w, 64).resized, 64)
    assert "1 of 3 images are very long and narrow" in note
    assert "such as a of 4 x 400 px (height x width): only 1 px of its shorter edge" in note
    stretched = note_of_narrow(sizes, lambda h, w: Placement(h, w, 64, stretch=True).resized, 64)
    assert not stretched
