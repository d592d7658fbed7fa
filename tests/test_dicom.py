"""DICOM files are read as the standard says; a header that would end the process is refused."""

import warnings
from pathlib import Path

import gdcm
import numpy as np
import pydicom
import pydicom.data
import pytest
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_modality_lut, apply_voi_lut
from pydicom.pixels.utils import pixel_array

from data.dicom import read_dicom
from data.readers import DataError, read_grey
from tests.image_files import HEIGHT, WIDTH, bytes_of, dicom, item, save
from vit.checkpoint_gate import Plain

SHIPPED = Path(pydicom.data.__file__).parent


def expected(data: Dataset, frame: int) -> NDArray:
    """pydicom's own pipeline, then the span that the standard gives its result.

    It is written out apart from the code.
    """
    stored = pixel_array(data, index=frame)
    values = apply_voi_lut(apply_modality_lut(stored, data), data).astype(float)
    if data.get("WindowWidth") is not None:
        bits = data.BitsStored - data.PixelRepresentation
        ends = np.array([-(2**bits) if data.PixelRepresentation else 0, 2**bits - 1])
        slope = float(data.get("RescaleSlope", 1))
        low, high = ends * slope + float(data.get("RescaleIntercept", 0))
    elif data.get("Modality") == "CT" and "RescaleSlope" in data:
        values = values.clip(-100, 700)  # 300 HU in the middle, 800 wide
        low = -100
        high = 700
    elif stored.dtype.kind == "u" and data.get("RescaleSlope", 1) == 1 and values.max() < 2**16:
        low = 0
        high = next(
            2**n - 1
            for n in (1, 8, 10, 12, 14, 16)
            if n >= min(data.BitsStored, 8) > 0 and values.max() < 2**n
        )
    else:
        low = values.min()
        high = values.max()
    shown = (values - low) / (high - low)
    return 1 - shown if data.PhotometricInterpretation == "MONOCHROME1" else shown


def test_files_that_ship_with_pydicom() -> None:
    same = 0
    refused = 0
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
            pixels = read_dicom(path).pixels
            np.testing.assert_allclose(pixels, wanted, atol=2e-7, err_msg=str(path))
            same += 1
    assert (same, refused) == (67, 132)


@pytest.mark.parametrize("name", ["JPEG-lossy.dcm", "JPGExtended.dcm"])
def test_twelve_bit_jpeg_as_libjpeg_turbo_decodes_it(name: str) -> None:
    values = np.round(read_dicom(SHIPPED / "test_files" / name).pixels * 1023)
    assert (values.shape, values.max(), values.sum(dtype=np.int64)) == ((1024, 256), 264, 3_767_007)


def compressed(tmp_path: Path, pixels: NDArray, syntax: str) -> Path:
    """A DICOM file of ``pixels`` as GDCM encodes it."""
    reader = gdcm.ImageReader()
    change = gdcm.ImageChangeTransferSyntax()
    writer = gdcm.ImageWriter()
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
    "syntax",
    [
        "JPEGLosslessProcess14",
        "JPEGLosslessProcess14_1",
        "JPEGLSLossless",
        "JPEG2000Lossless",
        "RLELossless",
    ],
)
def test_compression_without_loss_changes_nothing(tmp_path: Path, dtype: str, syntax: str) -> None:
    run = np.stack([bytes_of(seed)(dtype) for seed in range(2)])
    path = compressed(tmp_path, run, syntax)
    np.testing.assert_array_equal(read_grey(path), read_grey(tmp_path / "plain.dcm"))


@pytest.mark.parametrize(("place", "value"), [(6, 255), (8, 99), (15, 0), (16, 255)])
def test_jpeg_headers_at_which_gdcm_ends_the_process_are_refused(
    tmp_path: Path, place: int, value: int
) -> None:
    path = compressed(tmp_path, bytes_of(0)("u1"), "JPEGLosslessProcess14_1")
    content = bytearray(path.read_bytes())
    content[content.index(b"\xff\xd8") + place] = value
    with pytest.raises(DataError, match=r"its JPEG"):
        read_grey(save(path, content))


def test_window_of_the_user_in_hounsfield_units(tmp_path: Path) -> None:
    stored = np.arange(-200, 1080, dtype=np.int16).reshape(HEIGHT, WIDTH)
    scale = {"RescaleSlope": 2, "RescaleIntercept": -100}
    path = save(tmp_path / "a.dcm", dicom(stored, WindowCenter=0, WindowWidth=9, **scale))
    wanted = np.clip((2.0 * stored - 100 - 50) / 400, 0, 1)  # 250 centre, 400 wide: 50 to 450 HU
    np.testing.assert_allclose(read_grey(path, window=(250, 400)), wanted, atol=1e-6)
    with pytest.raises(DataError, match=r"got width 0, wanted more than 0"):
        read_dicom(path, window=(250, 0))


@pytest.mark.parametrize(("kind", "is_units"), [("u1", False), ("u2", True)])
def test_ct_exported_in_8_bits_holds_no_hounsfield_units(
    tmp_path: Path, kind: str, is_units: bool
) -> None:
    values = bytes_of(1)("u1").astype(kind)
    content = dicom(values, Modality="CT", RescaleSlope=1, RescaleIntercept=0)
    wanted = (values + 100.0) / 800 if is_units else values / 255  # 300 HU centre, 800 wide
    np.testing.assert_allclose(read_grey(save(tmp_path / "a.dcm", content)), wanted, atol=1e-6)


def test_a_rescale_of_8_bits_to_hounsfield_units_is_followed(tmp_path: Path) -> None:
    values = bytes_of(1)("u1")
    content = dicom(values, Modality="CT", RescaleSlope=4, RescaleIntercept=-200)
    wanted = np.clip((values * 4.0 - 200 + 100) / 800, 0, 1)
    np.testing.assert_allclose(read_grey(save(tmp_path / "a.dcm", content)), wanted, atol=1e-6)


def test_lookup_tables_are_followed(tmp_path: Path) -> None:
    stored = bytes_of(1)("u1")
    table = item(LUTDescriptor=[256, 0, 16], LUTData=[257 * (255 - value) for value in range(256)])
    table["LUTDescriptor"].VR = "US"
    table["LUTData"].VR = "US"
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
    scales = [
        item(RescaleSlope=slope, RescaleIntercept=-7, RescaleType="US") for slope in (1, 2, 4)
    ]
    frames = [item(PixelValueTransformationSequence=[scale]) for scale in scales]
    groups = {
        "SharedFunctionalGroupsSequence": [shared],
        "PerFrameFunctionalGroupsSequence": frames,
    }
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
def test_spacing_and_patient(tmp_path: Path, elements: Plain, spacing: str) -> None:
    found = read_dicom(save(tmp_path / "a.dcm", dicom(bytes_of(0)("u1"), **elements)))
    assert (found.pixel_spacing_mm, found.header.patient) == (spacing, "P7")
