"""Debian's Orthanc on this machine, and programs of DCMTK and dicom3tools, as partners of tests."""

import json
import os
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

ORTHANC = shutil.which("Orthanc", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
PROGRAMS = ("dciodvfy", "dsrdump", "storescu")
MOST_SECONDS = 30.0


def needs(*programs: str) -> pytest.MarkDecorator:
    """Skips a test where a program is absent, unless CI says that it has to be there."""
    absent = [name for name in programs if not shutil.which(name)]
    return pytest.mark.skipif(
        bool(absent) and not os.environ.get("CI"), reason=f"no {absent}; .ci/run installs it"
    )


has_orthanc = pytest.mark.skipif(
    not ORTHANC and not os.environ.get("CI"), reason="no Orthanc; .ci/run installs it"
)


class Archive(NamedTuple):
    """An Orthanc that runs.

    Args:
        dicom: port for DICOM.
        http: port of its REST interface.
    """

    dicom: int
    http: int

    def store(self, *files: Path) -> str:
        """What storescu prints; it fails where the archive refuses a file."""
        words = ["storescu", "-v", "-aec", "ORTHANCTEST", "127.0.0.1", str(self.dicom)]
        return run(*words, *map(str, files))

    def bytes_at(self, address: str, sent: bytes | None = None) -> bytes:
        """What its REST interface answers, perhaps to a file that is sent."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        whole = f"http://127.0.0.1:{self.http}{address}"
        with opener.open(whole, data=sent, timeout=10) as answer:
            return bytes(answer.read())

    def asked(self, address: str) -> Any:
        """The same, from JSON."""
        return json.loads(self.bytes_at(address))


def run(*words: str) -> str:
    """stdout and stderr of a program, which must succeed."""
    done = subprocess.run(words, capture_output=True, timeout=60, check=False)
    said = (done.stdout + done.stderr).decode(errors="replace")
    assert done.returncode == 0, said
    return said


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@contextmanager
def running(folder: Path) -> Iterator[Archive]:
    """An Orthanc with its storage in a folder; it is ended with the block."""
    assert ORTHANC, "Orthanc is missing"
    archive = Archive(free_port(), free_port())
    settings = {
        "Name": "test",
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "storage"),
        "HttpPort": archive.http,
        "DicomPort": archive.dicom,
        "DicomAet": "ORTHANCTEST",
        "DicomCheckCalledAet": True,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "Plugins": [],
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "orthanc.json").write_text(json.dumps(settings))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [ORTHANC, str(folder / "orthanc.json")], stdout=log, stderr=log, cwd=folder
        )
        try:
            _wait(archive, process, folder / "log")
            yield archive
        finally:
            process.terminate()
            process.wait(timeout=MOST_SECONDS)


def _wait(archive: Archive, process: subprocess.Popen[bytes], log: Path) -> None:
    last = time.monotonic() + MOST_SECONDS
    while time.monotonic() < last and process.poll() is None:
        try:
            archive.asked("/system")
            return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(log.read_text(errors="replace")[-2000:])
