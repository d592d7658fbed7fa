"""data.readers and data.dicom: what is read, at what brightness, and what is refused.

python -m tests.test_readers FOLDER COUNT makes COUNT damaged files of each kind and as many good ones, and reads them.
"""

import io
import os
import resource
import struct
import subprocess
import sys
import warnings
import zlib
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import gdcm
import numpy as np
import pydicom
import pydicom.data
import pytest
from numpy.typing import NDArray
from PIL import Image
from pydicom import uid
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels.processing import apply_modality_lut, apply_voi_lut
from pydicom.pixels.utils import pixel_array

from data.dicom import read_dicom
from data.readers import DataError, full_scale, kind_of, read_grey, wrong_suffix

HEIGHT, WIDTH = 40, 32
SHIPPED = Path(pydicom.data.__file__).parent


def picture(seed: int, height: int = HEIGHT, width: int = WIDTH) -> NDArray:
    """Smooth noise, float from 0 to 1, both reached."""
    rng = np.random.default_rng(seed)
    image = cv2.GaussianBlur(rng.random((height, width)), (0, 0), 3)
    return (image - image.min()) / np.ptp(image)


def encode(suffix: str, image: NDArray, *options: int) -> bytes:
    return bytes(cv2.imencode(suffix, image, options)[1])


def npy(image: NDArray) -> bytes:
    file = io.BytesIO()
    np.save(file, image, allow_pickle=True)
    return file.getvalue()


def dicom(pixels: NDArray, syntax: str = uid.ExplicitVRLittleEndian, mark: bool = True, **elements: Any) -> bytes:
    """A DICOM file of (H, W) or (frames, H, W) whole numbers."""
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = syntax
    data.SOPClassUID, data.SOPInstanceUID = uid.XRayAngiographicImageStorage, "1.2.3"
    data.Rows, data.Columns = pixels.shape[-2:]
    if pixels.ndim == 3:
        data.NumberOfFrames = len(pixels)
    data.SamplesPerPixel, data.PhotometricInterpretation, data.PatientID = 1, "MONOCHROME2", "P7"
    data.BitsAllocated = data.BitsStored = 8 * pixels.itemsize
    data.PixelRepresentation = int(pixels.dtype.kind == "i")
    data.HighBit = data.BitsStored - 1
    data.PixelData = pixels.tobytes()
    for name, value in elements.items():
        setattr(data, name, value)
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if mark:
            pydicom.dcmwrite(file, data, enforce_file_format=True)
        else:
            del data.file_meta
            pydicom.dcmwrite(file, data, implicit_vr=True, little_endian=True)
    return file.getvalue()


def item(**elements: Any) -> Dataset:
    data = Dataset()
    for name, value in elements.items():
        setattr(data, name, value)
    return data


def bytes_of(seed: int) -> Callable[[str], NDArray]:
    image = picture(seed)
    return lambda dtype: (image * np.iinfo(dtype).max).astype(dtype)


def good(seed: int) -> dict[str, bytes]:
    """Files that must be read, by name."""
    whole, image = bytes_of(seed), picture(seed)
    eight, sixteen = whole("u1"), whole("u2")
    palette = io.BytesIO()
    Image.fromarray(eight).convert("P").save(palette, "PNG")
    return {
        "grey.jpg": encode(".jpg", eight),
        "progressive.JPG": encode(".jpg", eight, cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
        "colour.jpeg": encode(".jpg", np.dstack([eight] * 3)),
        "grey.png": encode(".png", eight),
        "palette.png": palette.getvalue(),
        "twelve_bits.png": encode(".png", sixteen >> 4),
        "colour16.png": encode(".png", np.dstack([sixteen] * 3)),
        "grey.bmp": encode(".bmp", eight),
        "grey.tif": encode(".tif", eight),
        "grey16.tiff": encode(".tif", sixteen),
        "colour16.tif": encode(".tif", np.dstack([sixteen] * 3)),
        "float.tif": encode(".tif", image.astype(np.float32)),
        "png_called.jpg": encode(".png", eight),
        "whole.npy": npy(eight),
        "half.npy": npy(image.astype(np.float16)[:, :, None]),
        "fortran.npy": npy(np.asfortranarray(image)),
        "long.npy": npy(eight.astype(np.int64)),
        "plain.dcm": dicom(eight),
        "no_suffix": dicom(sixteen >> 4, BitsStored=12, HighBit=11),
        "no_mark.dcm": dicom(eight, mark=False),
    }


@cache
def bomb() -> bytes:
    return dicom(np.zeros((8, 8), np.uint8), uid.DeflatedExplicitVRLittleEndian, PixelData=bytes(140_000_000))


def damaged(seed: int) -> dict[str, bytes]:
    """Files that must be refused, by name: one kind of damage each."""
    whole, image = bytes_of(seed), picture(seed)
    eight = whole("u1")
    share = 0.2 + 0.79 * np.random.default_rng(seed).random()
    files = {
        f"truncated{suffix}": content[: int(len(content) * share)]
        for suffix, content in {
            ".jpg": encode(".jpg", eight), ".png": encode(".png", eight), ".tif": encode(".tif", eight),
            ".bmp": encode(".bmp", eight), ".npy": npy(eight), ".dcm": dicom(eight),
        }.items()
    }  # fmt: skip
    flipped = bytearray(encode(".png", eight))
    flipped[60 + seed % 200] ^= 1 << seed % 8
    nan, infinite = image.copy(), image.copy()
    nan[3, 4], infinite[5, 6] = np.nan, np.inf
    huge_png = bytearray(encode(".png", eight))
    huge_png[16:24] = struct.pack(">II", 60_000, 60_000)
    huge_png[29:33] = struct.pack(">I", zlib.crc32(huge_png[12:29]))
    huge_bmp = bytearray(encode(".bmp", eight))
    huge_bmp[18:26] = struct.pack("<ii", 50_000, 50_000)
    huge_jpg = bytearray(encode(".jpg", eight))
    frame = huge_jpg.index(b"\xff\xc0")
    huge_jpg[frame + 5 : frame + 9] = struct.pack(">HH", 65_000, 65_000)
    huge_tif = encode(".tif", eight, cv2.IMWRITE_TIFF_COMPRESSION, 1)
    for tag, old in ((256, WIDTH), (257, HEIGHT)):
        entry = huge_tif.index(struct.pack("<HHI", tag, 3, 1) + struct.pack("<H", old))
        huge_tif = huge_tif[: entry + 8] + struct.pack("<H", 60_000) + huge_tif[entry + 10 :]
    huge_npy = io.BytesIO()
    shape = {"descr": "|u1", "fortran_order": False, "shape": (10**6, 10**6)}
    np.lib.format.write_array_header_1_0(huge_npy, shape)  # type: ignore[arg-type]
    pages = io.BytesIO()
    Image.fromarray(eight).save(pages, "TIFF", save_all=True, append_images=[Image.fromarray(eight)])
    rgb = {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "PlanarConfiguration": 0}
    return files | {
        "empty.png": b"",
        "text.png": b"see the other folder\n" * 9,
        "html.jpg": b"<!DOCTYPE html><html><body>404 not found</body></html>",
        "text.dcm": b"see the other folder\n" * 9,
        "zeros.dcm": bytes(5000),
        "nan.npy": npy(nan),
        "infinite.npy": npy(infinite),
        "object.npy": npy(np.array([{"a": 1}], dtype=object)),
        "complex.npy": npy(image.astype(complex)),
        "words.npy": npy(np.full((9, 9), "word")),
        "four_axes.npy": npy(np.zeros((1, 3, 20, 20), np.float32) + image[:20, :20]),
        "no_pixels.npy": npy(np.zeros((0, 20), np.uint8)),
        "over_one.npy": npy(image * 255),
        "below_zero.npy": npy(whole("i2") - 20_000),
        "thirty_bits.npy": npy(whole("i4")),
        "constant.png": encode(".png", np.full_like(eight, seed % 256)),
        "tiny.png": encode(".png", np.full((1, 1), 7, np.uint8)),
        "flipped_bit.png": bytes(flipped),
        "huge.npy": huge_npy.getvalue(),
        "huge.png": bytes(huge_png),
        "huge.bmp": bytes(huge_bmp),
        "huge.jpg": bytes(huge_jpg),
        "huge.tif": huge_tif,
        "huge.dcm": dicom(eight, Rows=65_000, Columns=65_000),
        "bomb.dcm": bomb(),
        "pages.tif": pages.getvalue(),
        "colour.dcm": dicom(eight, PixelData=np.dstack([eight] * 3).tobytes(), **rgb),
        "no_frame.dcm": dicom(eight, NumberOfFrames=0, PixelData=b""),
    }


def write(folder: Path, make: Callable[[int], dict[str, bytes]], count: int) -> list[Path]:
    paths = []
    for seed in range(count):
        for name, content in make(seed).items():
            path = folder / f"{make.__name__}{seed:03d}" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            paths.append(path)
    return paths


def odd(folder: Path) -> list[Path]:
    """What stands in for a file and is none."""
    for name in ("folder.png", "link.png", "pipe.png", "secret.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / "folder.png").mkdir()
    (folder / "link.png").symlink_to(folder / "nowhere.png")
    os.mkfifo(folder / "pipe.png")
    paths = [folder / "folder.png", folder / "link.png", folder / "pipe.png", folder / "missing.png"]
    if os.getuid() != 0:
        (folder / "secret.png").write_bytes(encode(".png", bytes_of(0)("u1")))
        (folder / "secret.png").chmod(0)
        paths.append(folder / "secret.png")
    return paths


def faults(paths: list[Path]) -> Iterator[str]:
    """For each path the error in one line, or "" if it was read."""
    for path in paths:
        try:
            image = read_grey(path)
        except DataError as error:
            yield str(error)
        else:
            assert image.ndim == 2
            assert image.dtype in (np.uint8, np.float32)
            yield ""


def save(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_every_damaged_file_is_refused_in_one_line(tmp_path: Path) -> None:
    paths = write(tmp_path, damaged, 2) + odd(tmp_path)
    for path, fault in zip(paths, faults(paths), strict=True):
        assert fault.startswith(f"{path}: "), path
        assert "\n" not in fault


def test_every_good_file_is_read_at_full_brightness(tmp_path: Path) -> None:
    for path in write(tmp_path, good, 2):
        image = read_grey(path)
        assert image.shape == (HEIGHT, WIDTH)
        seen = image / 255 if image.dtype == np.uint8 else image
        expected = picture(int(path.parent.name[-3:]))
        assert np.abs(seen - expected).max() < (0.05 if "jp" in path.suffix.lower() else 0.01), path.name


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp", ".tif"])
def test_a_truncated_file_is_refused_wherever_it_ends(tmp_path: Path, suffix: str) -> None:
    content = encode(suffix, bytes_of(3)("u1"))
    for missing in [1, 2, 5, 12, *range(20, len(content), 97)]:
        if suffix == ".tif" and missing < 5:  # its last four bytes only say that no page follows
            continue
        with pytest.raises(DataError):
            read_grey(save(tmp_path / f"a{suffix}", content[:-missing]))


def test_memory_stays_small(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.test_readers", str(tmp_path / "bar"), "1"]
    run = subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, text=True, check=True)
    assert "missed 0, good ones refused 0" in run.stdout
    assert float(run.stdout.split("peak ")[1].split(" MB")[0]) < 1000


@pytest.mark.parametrize(
    ("highest", "full"), [(1, 255), (255, 255), (256, 1023), (1024, 4095), (4096, 16383), (16384, 65535)]
)
def test_full_scale_is_that_of_the_fewest_bits(highest: int, full: int) -> None:
    assert full_scale(highest) == full


def test_content_decides_and_a_wrong_name_is_told(tmp_path: Path) -> None:
    path = save(tmp_path / "a.jpg", encode(".png", bytes_of(0)("u1")))
    assert kind_of(path) == "PNG"
    assert wrong_suffix(path).endswith("a.jpg: holds PNG, its name says JPEG")
    assert wrong_suffix(save(tmp_path / "a.TIFF", encode(".tif", bytes_of(0)("u1")))) == ""


def test_colours_weigh_the_same_in_every_kind(tmp_path: Path) -> None:
    rgb = np.zeros((20, 30, 3), np.uint8)
    rgb[:, :10, 0] = rgb[:, 10:20, 1] = rgb[:, 20:, 2] = 255
    png = read_grey(save(tmp_path / "a.png", encode(".png", rgb[:, :, ::-1])))
    array = read_grey(save(tmp_path / "a.npy", npy(rgb)))
    assert png[0, ::10].tolist() == array[0, ::10].tolist() == [76, 150, 29]


def expected(data: Dataset, frame: int) -> NDArray:
    """pydicom's own pipeline, then the span that the standard gives its result, written out apart from the code."""
    stored = pixel_array(data, index=frame)
    values = apply_voi_lut(apply_modality_lut(stored, data), data).astype(float)
    if data.get("WindowWidth") is not None:
        bits = data.BitsStored - data.PixelRepresentation
        ends = np.array([-(2**bits) if data.PixelRepresentation else 0, 2**bits - 1])
        low, high = ends * float(data.get("RescaleSlope", 1)) + float(data.get("RescaleIntercept", 0))
    elif stored.dtype.kind == "u" and "RescaleSlope" not in data and values.max() < 2**16:
        low, high = 0, next(2**n - 1 for n in (1, 8, 10, 12, 14, 16) if n >= min(data.BitsStored, 8) > 0
                            and values.max() < 2**n)  # fmt: skip
    else:
        low, high = values.min(), values.max()
    shown = (values - low) / (high - low)
    return 1 - shown if data.PhotometricInterpretation == "MONOCHROME1" else shown


def test_files_that_ship_with_pydicom() -> None:
    same = refused = 0
    for path in sorted(SHIPPED.rglob("*")):
        if not path.is_file() or path.suffix in (".py", ".pyc", ".json"):
            continue
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                data = pydicom.dcmread(path)
                assert data.PhotometricInterpretation in ("MONOCHROME1", "MONOCHROME2")
                wanted = expected(data, int(data.get("NumberOfFrames", 1)) // 2)
        except Exception:
            if path.name in ("JPEG-lossy.dcm", "JPGExtended.dcm"):  # see the next test
                continue
            with pytest.raises(DataError) as error:
                read_dicom(path)
            assert "\n" not in str(error.value)
            refused += 1
        else:
            np.testing.assert_allclose(read_dicom(path).pixels, wanted, atol=2e-7, err_msg=str(path))
            same += 1
    assert (same, refused) == (67, 132)


@pytest.mark.parametrize("name", ["JPEG-lossy.dcm", "JPGExtended.dcm"])
def test_twelve_bit_jpeg_as_libjpeg_turbo_decodes_it(name: str) -> None:
    values = np.round(read_dicom(SHIPPED / "test_files" / name).pixels * 1023)
    assert (values.shape, values.max(), values.sum(dtype=np.int64)) == ((1024, 256), 264, 3_767_007)


def compressed(tmp_path: Path, pixels: NDArray, syntax: str) -> Path:
    """A DICOM file of ``pixels`` as GDCM encodes it."""
    reader, change, writer = gdcm.ImageReader(), gdcm.ImageChangeTransferSyntax(), gdcm.ImageWriter()
    reader.SetFileName(str(save(tmp_path / "plain.dcm", dicom(pixels))))
    assert reader.Read()
    change.SetTransferSyntax(gdcm.TransferSyntax(getattr(gdcm.TransferSyntax, syntax)))
    change.SetInput(reader.GetImage())
    assert change.Change()
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    writer.SetFileName(str(tmp_path / "compressed.dcm"))
    assert writer.Write()
    return tmp_path / "compressed.dcm"


@pytest.mark.parametrize("dtype", ["u1", "u2", "i2"])
@pytest.mark.parametrize(
    "syntax", ["JPEGLosslessProcess14", "JPEGLosslessProcess14_1", "JPEGLSLossless", "JPEG2000Lossless", "RLELossless"]
)
def test_compression_without_loss_changes_nothing(tmp_path: Path, dtype: str, syntax: str) -> None:
    run = np.stack([bytes_of(seed)(dtype) for seed in range(2)])
    path = compressed(tmp_path, run, syntax)
    np.testing.assert_array_equal(read_grey(path), read_grey(tmp_path / "plain.dcm"))


@pytest.mark.parametrize(("place", "value"), [(6, 255), (8, 99), (15, 0), (16, 255)])
def test_jpeg_headers_at_which_gdcm_ends_the_process_are_refused(tmp_path: Path, place: int, value: int) -> None:
    path = compressed(tmp_path, bytes_of(0)("u1"), "JPEGLosslessProcess14_1")
    content = bytearray(path.read_bytes())
    content[content.index(b"\xff\xd8") + place] = value
    with pytest.raises(DataError, match=r"its JPEG"):
        read_grey(save(path, content))


def test_window_of_the_user_in_hounsfield_units(tmp_path: Path) -> None:
    stored = np.arange(-200, 1080, dtype=np.int16).reshape(HEIGHT, WIDTH)
    path = save(tmp_path / "a.dcm", dicom(stored, RescaleSlope=2, RescaleIntercept=-100, WindowCenter=0, WindowWidth=9))
    wanted = np.clip((2.0 * stored - 100 - 50) / 400, 0, 1)  # 250 centre, 400 wide: 50 to 450 HU
    np.testing.assert_allclose(read_grey(path, window=(250, 400)), wanted, atol=1e-6)
    with pytest.raises(DataError, match=r"got width 0, wanted more than 0"):
        read_dicom(path, window=(250, 0))


def test_lookup_tables_are_followed(tmp_path: Path) -> None:
    stored = bytes_of(1)("u1")
    table = item(LUTDescriptor=[256, 0, 16], LUTData=[257 * (255 - value) for value in range(256)])
    table["LUTDescriptor"].VR = table["LUTData"].VR = "US"
    path = save(tmp_path / "a.dcm", dicom(stored, VOILUTSequence=[table]))
    np.testing.assert_allclose(read_grey(path), 1 - stored / 255, atol=1e-6)


def test_monochrome1_is_turned_over(tmp_path: Path) -> None:
    stored = bytes_of(1)("u1")
    path = save(tmp_path / "a.dcm", dicom(stored, PhotometricInterpretation="MONOCHROME1"))
    np.testing.assert_allclose(read_grey(path), 1 - stored / 255, atol=1e-6)


def test_the_middle_frame_unless_another_is_named(tmp_path: Path) -> None:
    run = np.stack([bytes_of(seed)("u1") for seed in range(5)])
    path = save(tmp_path / "a.dcm", dicom(run))
    for frame, wanted in ((-1, 2), (0, 0), (4, 4)):
        np.testing.assert_allclose(read_grey(path, frame=frame), run[wanted] / 255, atol=1e-6)
    with pytest.raises(DataError, match=r"got frame 5, wanted one from 0 to 4"):
        read_grey(path, frame=5)


def test_what_enhanced_files_say_per_frame_is_followed(tmp_path: Path) -> None:
    run = np.stack([bytes_of(seed)("u1") for seed in range(3)])
    shared = item(PixelMeasuresSequence=[item(PixelSpacing=[0.25, 0.25])])
    frames = [
        item(PixelValueTransformationSequence=[item(RescaleSlope=slope, RescaleIntercept=-7, RescaleType="US")])
        for slope in (1, 2, 4)
    ]
    groups = {"SharedFunctionalGroupsSequence": [shared], "PerFrameFunctionalGroupsSequence": frames}
    path = save(tmp_path / "a.dcm", dicom(run, **groups))
    found = read_dicom(path, window=(500, 1000), frame=2)
    assert found.pixel_spacing_mm == "0.25"
    np.testing.assert_allclose(found.pixels, np.clip((run[2] * 4.0 - 7) / 1000, 0, 1), atol=1e-6)


@pytest.mark.parametrize(
    ("elements", "spacing"),
    [
        ({}, ""),
        ({"PixelSpacing": [0.3, 0.3], "ImagerPixelSpacing": [0.5, 0.5]}, "0.3"),
        ({"ImagerPixelSpacing": [0.5, 0.4]}, "0.5 0.4"),
    ],
)
def test_spacing_and_patient(tmp_path: Path, elements: dict[str, Any], spacing: str) -> None:
    found = read_dicom(save(tmp_path / "a.dcm", dicom(bytes_of(0)("u1"), **elements)))
    assert (found.pixel_spacing_mm, found.patient) == (spacing, "P7")


def main(folder: Path, count: int) -> None:
    """The bar on damaged files, in figures."""
    bad = write(folder, damaged, count)
    fine = write(folder, good, -(-len(bad) // len(good(0))))[: len(bad)]
    bad += odd(folder)
    missed = [path for path, fault in zip(bad, faults(bad), strict=True) if not fault or "\n" in fault]
    refused = [fault for fault in faults(fine) if fault]
    status = Path("/proc/self/status").read_text()  # not getrusage alone, which remembers the parent's peak as well
    peak = int(status.split("VmHWM:")[1].split()[0]) / 1024
    print(f"damaged {len(bad)} of {len(damaged(0)) + len(odd(folder / 'again'))} kinds, good {len(fine)}: "
          f"missed {len(missed)}, good ones refused {len(refused)}; peak {peak:.0f} MB, "
          f"getrusage {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")  # fmt: skip
    print("\n".join([*map(str, missed), *refused]))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
