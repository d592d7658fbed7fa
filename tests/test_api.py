"""import vit: a model that Python can ask, by the same code that predict.py runs."""

import csv
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

import predict
import vit
from data.readers import DataError
from tests.conftest import contents
from vit import checkpoint
from vit.map_request import ExplanationError

PROJECT = Path(__file__).resolve().parents[1]


def python(code: str, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run code in a folder of the user's, from which the project can be imported."""
    return subprocess.run(
        [
            sys.executable,
            "-c",
            f"import sys; sys.path.append({str(PROJECT)!r})\n{code}",
            *arguments,
        ],
        cwd=folder,
        capture_output=True,
        text=True,
    )


@pytest.fixture
def scored(tmp_path: Path) -> Path:
    """A ViT.ckpt that gives prediction sets."""
    scores = {"normal": [0.4] * 20, "abnormal": [0.6] * 20}
    checkpoint.save(contents(conformal_scores=scores), tmp_path / "scored.ckpt")
    return tmp_path / "scored.ckpt"


def test_it_says_what_predict_says(tmp_path: Path, folder: Path, scored: Path) -> None:
    output = tmp_path / "out" / "a.png"
    predict.main(["-p", str(folder / "val"), "-k", str(scored), "-o", str(output), "-d", "cpu"])
    rows = list(csv.DictReader((output.parent / "predictions.csv").open()))
    predictions = vit.load(scored, device="cpu").predict(folder / "val")
    assert [prediction.row() for prediction in predictions] == rows


def test_files_arrays_and_pil_images_are_the_same_picture(
    pictures: Callable[..., Path], ckpt: Path
) -> None:
    file = pictures() / "normal" / "p00.png"
    array = cv2.imread(str(file), cv2.IMREAD_GRAYSCALE)
    rgb = np.repeat(array[..., None], 3, axis=2)
    images = [str(file), file, array, rgb, Image.fromarray(array), Image.fromarray(rgb)]
    predictions = vit.load(ckpt, device="cpu").predict(images)
    shares = [prediction.probabilities["abnormal"] for prediction in predictions]
    assert shares == pytest.approx([shares[0]] * 6, abs=1e-6)
    assert [prediction.name for prediction in predictions][2:] == [
        "image 2",
        "image 3",
        "image 4",
        "image 5",
    ]


def test_colours_of_an_array_are_red_green_blue(ckpt: Path, tmp_path: Path) -> None:
    colours = np.random.default_rng(0).integers(0, 255, (40, 32, 3), dtype=np.uint8)
    Image.fromarray(colours).save(tmp_path / "a.png")
    model = vit.load(ckpt, device="cpu")
    file, array = model.predict([tmp_path / "a.png", colours])
    assert array.probabilities == pytest.approx(file.probabilities, abs=1e-6)


@pytest.mark.parametrize("shape", [(40, 32, 2), (40, 32, 5), (3, 40, 32), (40,)])
def test_an_array_of_another_shape_is_refused(shape: tuple[int, ...], ckpt: Path) -> None:
    array = np.random.default_rng(0).integers(0, 255, shape, dtype=np.uint8)
    with pytest.raises(DataError, match=r"image 0: got an array of shape"):
        vit.load(ckpt, device="cpu").predict([array])


def test_one_channel_is_grey(ckpt: Path) -> None:
    array = np.random.default_rng(0).integers(0, 255, (40, 32), dtype=np.uint8)
    flat, one = vit.load(ckpt, device="cpu").predict([array, array[..., None]])
    assert one.probabilities == flat.probabilities


def test_a_pil_image_is_turned_as_its_file_is_shown(ckpt: Path, tmp_path: Path) -> None:
    grey = np.random.default_rng(0).integers(0, 255, (40, 32), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(grey).save(tmp_path / "turned.png", exif=exif)
    with Image.open(tmp_path / "turned.png") as opened:
        file, image = vit.load(ckpt, device="cpu").predict([tmp_path / "turned.png", opened])
    assert image.item.pixels is not None
    assert image.item.pixels.shape == (32, 40)
    assert image.probabilities == pytest.approx(file.probabilities, abs=1e-6)


@pytest.mark.parametrize("mode", ["I", "I;16"])
def test_a_pil_image_of_16_bits_is_not_cut_to_8(mode: str, ckpt: Path) -> None:
    array = np.random.default_rng(0).integers(0, 65535, (40, 32), dtype=np.uint16)
    image = Image.fromarray(array.astype(np.int32) if mode == "I" else array)
    assert image.mode == mode
    plain, pil = vit.load(ckpt, device="cpu").predict([array, image])
    assert pil.probabilities == pytest.approx(plain.probabilities, abs=1e-6)


def test_transparent_pixels_of_an_array_are_refused(ckpt: Path) -> None:
    colours = np.random.default_rng(0).integers(0, 255, (40, 32, 4), dtype=np.uint8)
    with pytest.raises(DataError, match=r"image 0: got transparent pixels"):
        vit.load(ckpt, device="cpu").predict(colours)


def test_a_prediction_says_all_that_is_known(folder: Path, scored: Path) -> None:
    first = vit.load(scored, device="cpu").predict(folder / "val")[0]
    assert list(first.probabilities) == ["normal", "abnormal"]
    assert sum(first.probabilities.values()) == pytest.approx(1)
    assert first.label in first.probabilities
    assert first.prediction_set is not None
    assert set(first.prediction_set) <= {"normal", "abnormal"}
    assert (first.truth, first.distance, first.in_training) == ("abnormal", None, False)


def test_a_single_image_needs_no_list(pictures: Callable[..., Path], ckpt: Path) -> None:
    (one,) = vit.load(ckpt, device="cpu").predict(pictures() / "normal" / "p00.png")
    assert one.truth == ""  # the name of its folder alone tells none


def test_the_map_has_the_size_of_the_image_and_can_be_laid_over_it(
    pictures: Callable[..., Path], ckpt: Path
) -> None:
    file = pictures() / "abnormal" / "p00.png"
    model = vit.load(ckpt, device="cpu")
    heat = model.explain(file, method="relevance", target="abnormal")
    assert (heat.shape, heat.dtype) == ((40, 32), np.dtype(np.float32))
    assert heat.min() >= 0
    assert heat.max() > 0
    assert model.overlay(file, heat).size == (32, 40)


def test_what_the_border_cuts_off_has_no_evidence(ckpt: Path, tmp_path: Path) -> None:
    cut = {"image_size": 32, "mean": 0.4, "std": 0.2, "border": 0.25, "stretch": False}
    checkpoint.save(contents(preprocessing=cut), tmp_path / "cut.ckpt")
    image = np.random.default_rng(0).integers(0, 255, (80, 80), dtype=np.uint8)
    heat = vit.load(tmp_path / "cut.ckpt", device="cpu").explain(image)
    assert heat[20:60, 20:60].max() > 0
    heat[20:60, 20:60] = 0
    assert heat.max() == 0


def test_every_image_that_cannot_be_read_is_named(tmp_path: Path, ckpt: Path) -> None:
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(b"none")
    with pytest.raises(DataError, match=r"a\.png.*\n.*b\.png.*\n2 of 2 images cannot be used"):
        vit.load(ckpt, device="cpu").predict([tmp_path / "a.png", tmp_path / "b.png"])


@pytest.mark.parametrize("image", [3, {"a": 1}, None, b"bytes"])
def test_what_is_no_image_is_refused(image: object, ckpt: Path) -> None:
    with pytest.raises(DataError, match=r"image 0: got \w+, wanted a path, a numpy array or a PIL"):
        vit.load(ckpt, device="cpu").predict([image])


def test_an_unknown_class_is_refused(ckpt: Path) -> None:
    image = np.eye(40, dtype=np.uint8)
    with pytest.raises(ExplanationError, match=r"target: got ill, wanted one of normal, abnormal"):
        vit.load(ckpt, device="cpu").explain(image, target="ill")


def test_importing_it_imports_nothing_heavy(tmp_path: Path) -> None:
    code = "import vit; print([m for m in ('torch', 'numpy', 'cv2') if m in sys.modules])"
    assert python(code, tmp_path).stdout.strip() == "[]"


def test_a_hostile_file_is_refused_before_torch_is_there(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "evil.ckpt", "w") as archive:
        archive.writestr("archive/version", "3")
        archive.writestr("archive/data.pkl", b"cos\nsystem\n(S'touch ran'\ntR.")
    code = (
        "import vit\n"
        "try: vit.load('evil.ckpt')\n"
        "except vit.UserError as error: print(error)\n"
        "print('torch' in sys.modules)"
    )
    said = python(code, tmp_path).stdout.splitlines()
    assert said[0].startswith("evil.ckpt: is damaged, or no checkpoint")
    assert said[1] == "False"
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", ["data", "metrics", "files"])
def test_a_file_of_the_users_with_the_name_of_ours_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / f"{name}.py").write_text("mine = 1\n")
    done = python("import vit; vit.load('ViT.ckpt')", tmp_path)
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"ImportError: vit needs its own module {name}, but that name means")
    assert str(tmp_path / f"{name}.py") in last


def test_help_teaches_the_four_names() -> None:
    assert all(name in (vit.__doc__ or "") for name in vit.__all__)
    with pytest.raises(AttributeError, match=r"no attribute 'lod'; it has Prediction"):
        vit.lod  # noqa: B018
