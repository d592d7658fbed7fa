"""Files that are read: good ones whatever their kind, hostile ones refused at once."""

import io
import os
import signal
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import data.prepare
import train
from data.readers import DataError, read_grey
from tests.case_inputs import Place, run

pytest_plugins = ["tests.case_inputs"]
pytestmark = pytest.mark.usefixtures("undrawn")
STILL_WAITING = 2  # seconds after which a command that should refuse at once hangs
TABLES = ("manifest.csv", "dataset.json")


def test_a_manifest_that_is_a_link_shows_nothing_of_outside(place: Place) -> None:
    (place.folder / "secret.txt").write_text("SECRET-TOKEN,other\none,two\n")
    (place.raw / "manifest.csv").symlink_to("../secret.txt")
    said = run(data.prepare.main, ["--Path", str(place.raw), "--OUTPUT", str(place.folder / "o")])
    assert "SECRET" not in said.text


def test_a_dataset_json_that_is_a_link_to_outside_is_not_read(place: Place) -> None:
    (place.processed / "dataset.json").rename(place.folder / "ds.json")
    (place.processed / "dataset.json").symlink_to("../ds.json")
    assert run(train.main, place.train("linked")).status != 0


class StillWaiting(BaseException):
    """A command has not ended after STILL_WAITING seconds."""


@contextmanager
def alarm() -> Iterator[None]:
    def ring(*_: Any) -> None:
        raise StillWaiting

    former = signal.signal(signal.SIGALRM, ring)
    signal.alarm(STILL_WAITING)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, former)


@pytest.mark.parametrize("name", TABLES)
def test_a_table_that_is_a_fifo_is_refused_at_once(place: Place, name: str) -> None:
    (place.processed / name).unlink()
    os.mkfifo(place.processed / name)
    with alarm():
        said = run(train.main, place.train("fifo"), (StillWaiting,))
    assert said.error is None


def tiff_of_float64(grey: NDArray[np.uint8]) -> bytes:
    pixels = (grey / 255).astype("<f8").tobytes()
    tags = [(256, 3, 48), (257, 3, 48), (258, 3, 64), (259, 3, 1), (262, 3, 1)]
    tags += [(273, 4, 8), (277, 3, 1), (278, 3, 48), (279, 4, len(pixels)), (339, 3, 3)]
    entries = [struct.pack("<HHI", tag, kind, 1) + small(kind, value) for tag, kind, value in tags]
    head = b"II*\0" + struct.pack("<I", 8 + len(pixels))
    return head + pixels + struct.pack("<H", len(tags)) + b"".join(entries) + bytes(4)


def small(kind: int, value: int) -> bytes:
    return struct.pack("<HH", value, 0) if kind == 3 else struct.pack("<I", value)


def big_tiff(grey: NDArray[np.uint8]) -> bytes:
    pixels = grey.tobytes()
    tags = [(256, 3, 48), (257, 3, 48), (258, 3, 8), (259, 3, 1), (262, 3, 1)]
    tags += [(273, 16, 16), (277, 3, 1), (278, 3, 48), (279, 16, len(pixels))]
    entries = [struct.pack("<HHQQ", tag, kind, 1, value) for tag, kind, value in tags]
    head = b"II+\0" + struct.pack("<HHQ", 8, 0, 16 + len(pixels))
    return head + pixels + struct.pack("<Q", len(tags)) + b"".join(entries) + bytes(8)


def png_with_text(grey: NDArray[np.uint8]) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(grey).save(stream, "PNG")
    plain = stream.getvalue()
    text = b"zTXt" + b"profile\0\0" + zlib.compress(b"0" * 2_000_000)
    chunk = struct.pack(">I", len(text) - 4) + text + struct.pack(">I", zlib.crc32(text))
    return plain[:33] + chunk + plain[33:]


GOOD = {"float64.tif": tiff_of_float64, "big.tif": big_tiff, "text.png": png_with_text}


@pytest.mark.parametrize("name", GOOD)
def test_a_good_file_of_a_rare_kind_is_read(tmp_path: Path, name: str) -> None:
    grey = np.random.default_rng(1).integers(20, 230, (48, 48)).astype(np.uint8)
    (tmp_path / name).write_bytes(GOOD[name](grey))
    try:
        shape = read_grey(tmp_path / name).shape
    except DataError:
        shape = (0, 0)
    assert shape == (48, 48)
