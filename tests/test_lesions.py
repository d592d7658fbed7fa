"""Masks and boxes as people save them: understood where they can mean one thing, else refused."""

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from data import boxes
from data.boxes import check_inside, check_units, notes_of
from data.geometry import Placement, parse_boxes, rasterise, read_mask
from data.mask_levels import marked, picture_size
from data.prepare import prepare
from data.readers import DataError
from data.samples import Sample
from tests.test_prepare import CONFIGURATION

SIZE = (48, 64)
ROWS, COLUMNS = np.mgrid[: SIZE[0], : SIZE[1]]
LESION = (ROWS - 20) ** 2 + (COLUMNS - 30) ** 2 < 36


def levels(low: int, high: int) -> NDArray:
    return np.where(LESION, high, low).astype(np.uint8)


def colours(*lesion: int) -> NDArray:
    return np.where(LESION[:, :, None], np.array(lesion), 0).astype(np.uint8)


@pytest.mark.parametrize(
    "pixels",
    [
        levels(0, 1),
        levels(0, 255),
        levels(1, 255),
        levels(0, 7),
        LESION,
        LESION.astype(np.float32),
        colours(0, 0, 255),
        colours(0, 0, 255, 255),  # red on a transparent ground
        np.dstack([np.zeros((*SIZE, 3), np.uint8), levels(0, 255)]),  # drawn in alpha alone
    ],
)
def test_a_mask_of_two_levels_is_understood(pixels: NDArray) -> None:
    np.testing.assert_array_equal(marked(pixels, Path("m.png")), LESION)


@pytest.mark.parametrize("quality", [50, 75, 95])
def test_noise_of_jpeg_is_no_lesion(tmp_path: Path, quality: int) -> None:
    Image.fromarray(levels(0, 255)).save(tmp_path / "m.jpg", quality=quality)
    found = read_mask(tmp_path / "m.jpg", SIZE)
    assert int((found != LESION).sum()) <= 3


def test_a_palette_is_understood(tmp_path: Path) -> None:
    image = Image.fromarray(levels(0, 1), "P")
    image.putpalette([0, 0, 0, 128, 0, 0])
    image.save(tmp_path / "m.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "m.png", SIZE), LESION)


def test_a_soft_edge_is_cut_at_half() -> None:
    fine = np.kron(LESION, np.ones((4, 4)))
    small = Image.fromarray((fine * 255).astype(np.uint8)).resize((100, 75), Image.Resampling.BOX)
    found = marked(np.asarray(small), Path("m.png"))
    assert found.sum() == pytest.approx(LESION.sum() * 100 * 75 / LESION.size, rel=0.05)


@pytest.mark.parametrize(
    ("pixels", "said"),
    [
        (levels(0, 2) + (ROWS < 9), "3 levels"),
        (np.maximum(levels(0, 255), np.uint8(128) * (ROWS < 9)), "3 levels"),
        (np.full(SIZE, 255, np.uint8), "255 all over"),
        (colours(0, 0, 255) + np.dstack([255 * (ROWS < 9)] * 2 + [0 * ROWS]), "2 colours"),
        (np.full(SIZE, -1.0), "negative"),
    ],
)
def test_a_mask_that_may_mean_several_things_is_refused(pixels: NDArray, said: str) -> None:
    with pytest.raises(DataError, match=f"m.png: got .*{said}"):
        marked(pixels, Path("m.png"))


@pytest.mark.parametrize("kind", [bool, np.uint8, np.uint16])
def test_a_large_mask_takes_little_memory_whatever_its_type(
    tmp_path: Path, kind: type[np.generic]
) -> None:
    mask = np.zeros((2000, 2000, 3), kind)
    mask[500:900, 400:700] = 1
    np.save(tmp_path / "m.npy", mask)
    tracemalloc.start()
    found = read_mask(tmp_path / "m.npy", (2000, 2000))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_array_equal(found, mask[:, :, 0] > 0)
    assert peak < 20 * found.size  # bytes; as float64 it took 45


def opaque(colour: int) -> NDArray:
    """One colour, with a lesion that is a hole in it."""
    return np.dstack([np.full((*SIZE, 3), colour, np.uint8), levels(255, 0)])


@pytest.mark.parametrize("pixels", [levels(255, 0), levels(1, 0), opaque(255), opaque(0)])
def test_a_mask_of_a_dark_lesion_on_a_bright_ground_is_refused(pixels: NDArray) -> None:
    with pytest.raises(DataError, match=r"m.png: got a mask of 96 % .* all four edges.*; invert"):
        marked(pixels, Path("m.png"))


def test_an_inverted_palette_or_jpeg_is_refused(tmp_path: Path) -> None:
    image = Image.fromarray(levels(0, 1), "P")
    image.putpalette([255, 255, 255, 0, 0, 0])
    image.save(tmp_path / "p.png")
    Image.fromarray(levels(255, 0)).save(tmp_path / "j.jpg")
    for name in ("p.png", "j.jpg"):
        with pytest.raises(DataError, match=f"{name}: got a mask of 9[5-7] % .*; invert"):
            read_mask(tmp_path / name, SIZE)


def test_a_large_lesion_is_no_inverted_one() -> None:
    inside = np.zeros(SIZE, np.uint8)
    inside[1:, :] = 255  # reaches three edges
    small = np.zeros(SIZE, np.uint8)
    small[20:24], small[:, 20:24] = 255, 255  # reaches all four
    assert marked(inside, Path("m.png")).mean() > 0.9
    assert marked(small, Path("m.png")).mean() < 0.5


def test_a_mask_of_another_size_is_refused(tmp_path: Path) -> None:
    Image.fromarray(levels(0, 255)).save(tmp_path / "m.png")
    with pytest.raises(DataError, match=r"got shape \(48, 64\), .* shape \(96, 128\)"):
        read_mask(tmp_path / "m.png", (96, 128))


def listed(raw: Path, box: str) -> Path:
    """A manifest that gives every abnormal image this box."""
    with (raw / "manifest.csv").open("w") as file:
        file.write("path,label,lesion_boxes_xyxy\n")
        for path in sorted(raw.rglob("p*.png")):
            label = path.parent.name
            file.write(f'{label}/{path.name},{label},"{box if label == "abnormal" else ""}"\n')
    return raw


@pytest.mark.parametrize(
    ("box", "said"),
    [
        (
            "300,200,380,260",
            r"manifest.csv, line 2: .*abnormal/p\d+.png: got the box 300,200,380,260 outside the",
        ),
        ("0.1,0.1,0.3,0.3", r"manifest.csv, line 2: got the box 0.1,0.1,0.3,0.3, .* shares"),
        ("5,5,5.5,9", r"manifest.csv, line 2: got the box 5,5,5.5,9, .* narrower than a pixel"),
        ("9,9,4,3", r"9,9,4,3: is the box x,y,width,height"),
        ("1,2,3", r"manifest.csv, line 2: got the box '1,2,3'"),
    ],
)
def test_boxes_that_are_not_understood_are_refused_by_the_users_own_file(
    tmp_path: Path, pictures: Callable[..., Path], box: str, said: str
) -> None:
    with pytest.raises(DataError, match=said) as refused:
        prepare(listed(pictures(), box), tmp_path / "PF", CONFIGURATION)
    assert "partial" not in str(refused.value)
    assert not (tmp_path / "PF").exists()


def test_exchanged_corners_are_taken_the_right_way_round_and_said(
    tmp_path: Path, pictures: Callable[..., Path]
) -> None:
    made_of = listed(pictures(), "28,30,20,22")
    made = prepare(made_of, tmp_path / "PF", CONFIGURATION)
    listed(made_of, "20,22,28,30")
    right = prepare(made_of, tmp_path / "right", CONFIGURATION)
    assert [each.boxes for each in made.samples] == [each.boxes for each in right.samples]
    assert any("boxes have exchanged corners" in note for note in made.info["notes"])


def test_boxes_in_the_border_and_beyond_the_image_are_counted() -> None:
    boxes = [("a.png", "0,0,5,5"), ("b.png", "40,30,80,44"), ("c.png", "20,20,30,30")]
    beyond, cut_off = notes_of(boxes, [SIZE] * 3, [0, 1, 1])
    assert beyond.startswith("1 boxes reach beyond their images") and "b.png" in beyond
    assert cut_off.startswith("1 boxes lie in the border that is cut off") and "a.png" in cut_off


def test_a_box_at_the_very_edge_is_inside() -> None:
    check_inside([(60, 40, 64, 48)], *SIZE)
    with pytest.raises(DataError, match="got the box 64,0,70,9 outside the image of 48 x 64 px"):
        check_inside([(64, 0, 70, 9)], *SIZE)


def test_pixels_are_no_shares_though_one_box_is_small(tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_text("path,label\na.png,x\nb.png,x\n")
    samples = [
        Sample("a.png", "", "x", lesion_boxes_xyxy="3,4,20,30"),
        Sample("b.png", "", "x", lesion_boxes_xyxy="0.1,0.1,0.3,0.3"),
    ]
    with pytest.raises(DataError, match=r"line 3: got the box 0.1,0.1,0.3,0.3, which is"):
        check_units(samples, tmp_path / "manifest.csv")


def test_a_box_that_shrinks_below_a_pixel_stays_a_pixel() -> None:
    place = Placement(4000, 4000, 100)
    (box,) = place.boxes([(470, 3990, 480, 4000)])
    assert int(rasterise([box], (100, 100)).sum()) == 1
    assert parse_boxes(",".join(map(str, box))) == [box]


def test_the_line_of_an_image_is_that_of_the_file_where_spreadsheets_add_one(
    tmp_path: Path,
) -> None:
    table = tmp_path / "manifest.csv"
    table.write_text("sep=,\npath,label\na.png,normal\n\nb.png,normal\n", encoding="utf-8")
    assert boxes.where("b.png", table) == f"{table}, line 5"


def drawing() -> NDArray:
    """A dark photograph, in which little is between black and white, with a drawing on it."""
    noise = np.random.default_rng(0).normal(0, 9, SIZE)
    grey = np.where((ROWS - 30) ** 2 + (COLUMNS - 40) ** 2 < 49, 120, 20) + noise
    grey[LESION] = 255
    return np.clip(grey, 0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    ("pixels", "expected"),
    [
        (drawing(), True),
        (np.random.default_rng(0).integers(0, 256, SIZE).astype(np.uint8), True),
        (levels(0, 255), False),
        (levels(255, 0), False),
        (levels(0, 0), False),
        ((COLUMNS // 3).astype(np.uint8), False),  # numbers of many regions
        (colours(0, 0, 255, 255), False),
    ],
)
def test_a_picture_is_told_from_a_mask(tmp_path: Path, pixels: NDArray, expected: bool) -> None:
    np.save(tmp_path / "m.npy", pixels)
    assert (picture_size(tmp_path / "m.npy") is not None) == expected


def test_a_mask_with_noise_of_jpeg_is_no_picture(tmp_path: Path) -> None:
    Image.fromarray(levels(0, 255)).save(tmp_path / "m.jpg", quality=50)
    assert picture_size(tmp_path / "m.jpg") is None
    (tmp_path / "m.jpg").write_bytes(b"damaged")
    assert picture_size(tmp_path / "m.jpg") is None
