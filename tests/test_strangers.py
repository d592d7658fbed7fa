"""vit.archive and vit.checkpoint on files from strangers.

Nothing is run, no memory is taken for what is not there, one line is said.
"""

import re
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.attacks import ATTACKS
from tests.bad_checkpoints import rezipped, saved
from tests.conftest import contents
from vit import checkpoint
from vit.archive import CheckpointError

PROJECT = Path(__file__).parents[1]


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_refused_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "ViT.ckpt"
    path.write_bytes(ATTACKS[name])
    with pytest.raises(CheckpointError) as error:
        checkpoint.load(path)
    assert str(error.value).isprintable()  # one line, and nothing that moves a terminal's cursor
    assert "tensor(" not in str(error.value)  # of many parts, it takes minutes to write
    assert len(str(error.value)) < 1000
    assert list(tmp_path.iterdir()) == [path]


def test_a_part_that_is_called_like_a_path_is_written_nowhere(tmp_path: Path) -> None:
    path = tmp_path / "a" / "ViT.ckpt"
    path.parent.mkdir()
    names = ("../out.txt", "/tmp/f/out.txt", "archive/data/../../o")
    path.write_bytes(rezipped(extra=tuple((name, b"x") for name in names)))
    with suppress(CheckpointError):
        checkpoint.load(path)
    assert list(tmp_path.rglob("*")) == [path.parent, path]


def test_a_flipped_bit_is_seen_or_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "ViT.ckpt"
    good = saved(contents())
    weights = contents()["state_dict"]
    rng = np.random.default_rng(0)
    seen = 0
    for _ in range(60):
        content = bytearray(good)
        content[rng.integers(len(good))] ^= 1 << rng.integers(8)
        path.write_bytes(content)
        try:
            (model,) = checkpoint.load(path).models
        except CheckpointError:
            seen += 1
        else:
            for name, value in model.state_dict().items():
                assert torch.equal(value, weights[f"model.{name}"])
    assert seen > 30


def test_memory_is_not_taken_for_what_is_not_there(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.attacks", str(tmp_path)]
    run = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True)
    without, beyond, _ = map(int, re.findall(r"(\d+) MB", run.stdout))
    assert "was read" not in run.stdout
    assert without < 100
    assert beyond < 300


@pytest.mark.parametrize(
    "name", ["reduce in the configuration", "zip bomb", "as large as may be", "truncated"]
)
def test_predict_ends_with_one_line(tmp_path: Path, name: str) -> None:
    (tmp_path / "ViT.ckpt").write_bytes(ATTACKS[name])
    command = [sys.executable, PROJECT / "predict.py", "--Path", tmp_path]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode == 1
    assert run.stderr.startswith("ViT.ckpt: ")
    assert run.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == [tmp_path / "ViT.ckpt"]
