"""What a command writes: it takes nothing from the user, and no other command has a part in it."""

import csv
import json
import subprocess
import sys
import time
from hashlib import sha256
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

import data.prepare
import predict
import report.pictures
from data.geometry import Placement
from data.readers import read_grey
from tests.case_inputs import CLASSES, EACH, Place, environment, make_images, must, run

pytest_plugins = ["tests.case_inputs"]
pytestmark = pytest.mark.usefixtures("undrawn")

# A slow disk: after so many images this process waits for a file, at most so many seconds.
SLOW = """
import sys, time
from pathlib import Path
raw, begun, other, most = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4])
written = set()
def look(event, given):
    if event != "open" or not str(given[0]).endswith(".npy") or "w" not in str(given[1]):
        return
    written.add(str(given[0]))
    if len(written) == most + 1 and not begun.exists():
        begun.touch()
        for _ in range(100):
            if not other.exists():
                time.sleep(0.1)
sys.addaudithook(look)
import data.prepare
try:
    data.prepare.main(["--Path", raw, "--OUTPUT", "PX", "--image_size", "32"])
finally:
    begun.touch()
    Path(raw + ".ended").touch()
    print("written:", len(written))
"""


def test_a_folder_of_pictures_takes_no_image_of_that_name_from_the_user(place: Place) -> None:
    make_images(place.folder / "three", 3)
    normal = place.folder / "three" / "normal"
    abnormal = place.folder / "three" / "abnormal"
    own = [path.read_bytes() for path in sorted(abnormal.iterdir())]
    run(predict.main, place.predict(normal, "three/abnormal/"))
    left = [path.read_bytes() for path in abnormal.iterdir()]
    assert all(image in left for image in own)


def test_pictures_of_a_model_keep_a_former_file(place: Place) -> None:
    folder = place.folder / "pictures"
    folder.mkdir()
    (folder / "model.png").write_text("the user's own")
    image = place.raw / "normal" / "p00.png"
    words = ["--Path", str(image), "--Path_Checkpoint", str(place.checkpoint)]
    run(report.pictures.main, [*words, "--OUTPUT", str(folder)])
    assert b"the user's own" in [path.read_bytes() for path in folder.glob("model*.png")]


def test_an_output_inside_the_raw_folder_is_no_class(place: Place) -> None:
    output = place.raw / "PF"
    words = ["--Path", str(place.raw), "--OUTPUT", str(output), "--image_size", "32"]
    run(data.prepare.main, words)
    said = run(data.prepare.main, words)
    labels = {path.parent.name for path in output.glob("train/*/*.npy")}
    if said.status == 0 and not labels:
        raise RuntimeError(f"no images in {output}: {said.text}")
    assert said.status != 0 or labels == set(CLASSES)


def test_results_that_were_made_private_stay_private(place: Place) -> None:
    must(run(predict.main, place.predict(place.few, "a/r.html")))
    results = [place.folder / "a" / "r.html", place.folder / "a" / "predictions.csv"]
    for path in results:
        path.chmod(0o600)
    min(place.few.iterdir()).unlink()  # so that the results differ
    must(run(predict.main, place.predict(place.few, "a/r.html")))
    assert [oct(path.stat().st_mode & 0o777) for path in results] == ["0o600", "0o600"]


def start(folder: Path, *words: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", SLOW, *words],
        env=environment(), cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def mixed_images(folder: Path) -> list[str]:
    """Stored images whose pixels are not those of the source that their manifest names."""
    made = [path.parent for path in folder.glob("PX*/manifest.csv")]
    if not made:
        raise RuntimeError("neither left a folder")
    mixed = []
    for processed in made:
        border = json.loads((processed / "dataset.json").read_text())["border"]
        for row in csv.DictReader((processed / "manifest.csv").open(newline="")):
            right = source_of(row, folder)
            height, width = right.shape
            image = Placement(height, width, 32, border).image(right)
            if not np.array_equal(image, np.load(processed / row["path"])):
                mixed.append(row["path"])
    return mixed


def source_of(row: dict[str, str], folder: Path) -> NDArray[Any]:
    """The image of that name and that content."""
    greys = [read_grey(folder / raw / row["source"]) for raw in ("raw", "turned")]
    (grey,) = (grey for grey in greys if sha256(grey.tobytes()).hexdigest() == row["sha256"])
    return grey


def wait_for(path: Path, process: "subprocess.Popen[str]") -> None:
    while not path.exists():
        if process.poll() is not None:
            raise RuntimeError(f"ended too early: {process.communicate()[0]}")
        time.sleep(0.02)


def test_two_prepares_into_one_folder_do_not_mix(place: Place) -> None:
    for path in sorted(place.raw.glob("*/*.png")):
        other = place.folder / "turned" / path.relative_to(place.raw)
        other.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(other), cv2.bitwise_not(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)))
    first = start(place.folder, "raw", "first.begun", "second.begun", "4")
    wait_for(place.folder / "first.begun", first)
    second = start(place.folder, "turned", "second.begun", "raw.ended", "8")
    said = [process.communicate(timeout=100)[0] for process in (first, second)]
    if f"written: {2 * EACH}" not in said[0] + said[1]:
        raise RuntimeError(f"neither wrote {2 * EACH} images that were seen: {said}")
    assert 0 in (first.returncode, second.returncode)
    assert not mixed_images(place.folder)
