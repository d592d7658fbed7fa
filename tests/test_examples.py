"""The examples run as they stand, from a folder of the user's."""

import os
import subprocess
import sys
from pathlib import Path

from PIL import Image

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "ask_a_model.py"


def asked(folder: Path, *arguments: str) -> list[str]:
    """What the example prints; its results go below ``folder``."""
    done = subprocess.run(
        [sys.executable, str(EXAMPLE), *arguments],
        cwd=folder,
        env={**os.environ, "TMPDIR": str(folder), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


def agrees(line: str) -> bool:
    """Whether "truth a, predicted b (..." says the same class twice."""
    truth, predicted = line.split("truth ")[1].split(", predicted ")
    return truth == predicted.split(" ")[0]


def test_it_trains_a_model_asks_it_and_keeps_the_map(tmp_path: Path) -> None:
    lines = asked(tmp_path)
    told = [line for line in lines if line.startswith("image ")]
    right = [line for line in told if agrees(line)]
    assert len(told) == 6
    assert len(right) >= 4
    (picture,) = tmp_path.glob("ask_a_model_*/heat.png")
    assert lines[-1] == f"wrote {picture}"
    assert Image.open(picture).size == (256, 256)


def test_it_asks_a_model_that_is_given(tmp_path: Path, ckpt: Path) -> None:
    lines = asked(tmp_path, str(ckpt))
    assert lines[0] == f"{ckpt}: normal or abnormal"
    assert sum("truth" in line for line in lines) == 6
    assert not list(tmp_path.glob("ask_a_model_*/phantoms"))
