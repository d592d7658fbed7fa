"""A small file takes little memory, whatever it claims to be; with one that takes gigabytes now."""

import io
import re
import resource
import struct
import subprocess
import sys
import tempfile
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path

import cv2
import jpeg_ls
import numpy as np
import pytest
from PIL import Image
from pydicom import uid
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate

from tests.case_inputs import Place, environment

pytest_plugins = ["tests.case_inputs"]
MOST = 2048  # megabytes that a small file may take
IMPORTS = 200  # megabytes of what read_grey imports

LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (12 << 30, 12 << 30))
"""
PREDICT = """
import predict
try:
    predict.main(sys.argv[1:])
except SystemExit as ended:
    print("refused:", ended)
print("torch imported:", "torch" in sys.modules)
"""
READ_GREY = """
from pathlib import Path
from data.readers import DataError, read_grey
try:
    print("read:", read_grey(Path(sys.argv[1])).shape)
except DataError as error:
    print("refused:", error)
"""
AUDIT = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (8_000_000 << 10, 8_000_000 << 10))
import data.audit
data.audit.main(sys.argv[1:])
"""


@dataclass(frozen=True)
class Cost:
    """What a process took, and what it printed."""

    megabytes: int
    seconds: float  # of processor time
    text: str


def cost_of(code: str, words: list[str], most: int) -> Cost:
    """Run code in a process of its own, which is killed as soon as it holds ``most`` megabytes."""
    before = processor_time()
    command = [sys.executable, "-c", LIMITED + code, *words]
    peak = 0
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(command, env=environment(), stdout=output, stderr=output)
        while process.poll() is None:
            peak = max(peak, megabytes_held(process.pid))
            if peak > most:
                process.kill()
            time.sleep(0.01)
        output.seek(0)
        text = output.read()
    if process.returncode and peak <= most:
        raise RuntimeError(f"could not be tried: status {process.returncode}\n{text}")
    return Cost(peak, processor_time() - before, text)


def megabytes_held(process: int) -> int:
    """The most memory that a process has held so far; 0 once it has ended."""
    status = Path(f"/proc/{process}/status").read_text()
    found = re.search(r"VmHWM:\s*(\d+) kB", status)
    return int(found.group(1)) // 1024 if found else 0


def processor_time() -> float:
    """Of all processes so far that this one has waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_millions_of_empty_dictionaries_are_refused_in_little_memory(place: Place) -> None:
    """Half of what the script makes, so half the memory: 2 GB are allowed for 10 MB."""
    bad = place.folder / "bad.ckpt"
    plan = b"\x80\x02" + b"}" * 5_000_000 + b"."
    with zipfile.ZipFile(place.checkpoint) as old, zipfile.ZipFile(bad, "w") as new:
        if not any(name.endswith("data.pkl") for name in old.namelist()):
            raise RuntimeError("a checkpoint has no data.pkl any more")
        for name in old.namelist():
            new.writestr(name, plan if name.endswith("data.pkl") else old.read(name))
    words = ["--Path", str(place.processed / "val"), "--Path_Checkpoint", str(bad)]
    cost = cost_of(PREDICT, words, MOST // 2)
    assert cost.megabytes <= MOST // 2
    assert "torch imported: True" not in cost.text or cost.seconds <= 12


def jpeg_ls_of_46000_pixels() -> bytes:
    """A picture of 64 px whose own header says 46000."""
    coded = bytearray(bytes(jpeg_ls.encode(np.zeros((64, 64), np.uint8))))
    struct.pack_into(">HH", coded, coded.find(b"\xff\xf7") + 5, 46000, 46000)
    return bytes(coded)


def jpeg_2000_of_13300_pixels() -> bytes:
    """A picture of 64 px and four colours whose own header says 13300."""
    stream = io.BytesIO()
    Image.new("RGBA", (64, 64)).save(stream, "JPEG2000", no_jp2=True)
    coded = bytearray(stream.getvalue())
    sizes = (13300, 13300, 0, 0, 13300, 13300, 0, 0)
    struct.pack_into(">IIIIIIII", coded, coded.find(b"\xff\x51") + 6, *sizes)
    return bytes(coded)


def dicom(syntax: uid.UID, coded: bytes) -> Dataset:
    """A file that says it holds 64 x 64 pixels of 8 bits."""
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = syntax
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID = uid.CTImageStorage
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID = uid.UID("1.2.3")
    made.Rows = made.Columns = 64
    made.SamplesPerPixel = 1
    made.PhotometricInterpretation = "MONOCHROME2"
    made.BitsAllocated = made.BitsStored = 8
    made.HighBit = 7
    made.PixelRepresentation = 0
    made.PixelData = encapsulate([coded])
    made["PixelData"].is_undefined_length = True
    made["PixelData"].VR = "OB"
    return made


CODED = {
    "JPEG-LS": (uid.JPEGLSLossless, jpeg_ls_of_46000_pixels),
    "JPEG 2000": (uid.JPEG2000Lossless, jpeg_2000_of_13300_pixels),
}


@pytest.mark.parametrize("name", CODED)
def test_a_small_dicom_file_of_a_large_header_takes_little(tmp_path: Path, name: str) -> None:
    syntax, code = CODED[name]
    path = tmp_path / "small.dcm"
    dicom(syntax, code()).save_as(path, enforce_file_format=True)
    cost = cost_of(READ_GREY, [str(path)], MOST + IMPORTS)
    assert cost.megabytes <= MOST + IMPORTS
    assert cost.seconds <= 15


def test_an_audit_of_a_long_strip_ends_without_a_traceback(place: Place) -> None:
    strip = np.random.default_rng(0).integers(0, 255, (8, 60000), np.uint8)
    cv2.imwrite(str(place.raw / "normal" / "strip.png"), strip)
    words = ["--Path", str(place.raw), "--OUTPUT", str(place.folder / "au")]
    command = [sys.executable, "-c", AUDIT, *words]
    ended = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=100)
    last = ended.stderr.strip().splitlines()[-1:]
    traceback = "Traceback" in ended.stderr
    if traceback and not re.search("memory|allocate", "".join(last), re.IGNORECASE):
        raise RuntimeError(f"ended for another reason: {last}")
    assert not traceback
