"""benchmarks.fuzz on a few files of each kind, and by hand what chance seldom finds."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import CONFIG
from benchmarks.fuzz import fuzz
from benchmarks.odd_files import BILLIONS, PROJECT, YAML
from data.tables import write_table
from report.plots import curves
from tests.conftest import contents
from vit import checkpoint

MEASURES = (
    "train_loss",
    "val_loss",
    "val_auroc",
    "val_accuracy",
    "val_sensitivity",
    "val_specificity",
    "val_f1",
)
ROWS = [{"epoch": i, **dict.fromkeys(MEASURES, i % 7 / 7)} for i in range(300)]
HUGE = ("a: " * 40_000, "lr: 0x" + "f" * 400, "epochs: 0x" + "f" * 400, "lr: 1" + "0" * 400)


@pytest.mark.parametrize(
    ("kind", "count"), [("configurations", 40), ("images", 40), ("dicom", 20), ("checkpoints", 20)]
)
def test_changed_files_are_read_or_refused(tmp_path: Path, kind: str, count: int) -> None:
    assert fuzz(kind, count, 1, tmp_path) == {}


@pytest.mark.parametrize("text", [*YAML, *HUGE])
def test_an_odd_configuration_is_read_or_refused_in_a_line_a_fault(
    tmp_path: Path, text: str
) -> None:
    (tmp_path / "c.yml").write_text(text)
    try:
        CONFIG.load(tmp_path / "c.yml")
    except CONFIG.ConfigError as error:
        assert all(len(line) < 2000 for line in str(error).splitlines())


def test_a_configuration_that_never_ends_is_not_read_to_its_end() -> None:
    with pytest.raises(CONFIG.ConfigError, match="wanted less than"):
        CONFIG.load(Path("/dev/zero"))


def test_aliases_that_mean_billions_are_refused(tmp_path: Path) -> None:
    (tmp_path / "c.yml").write_text(BILLIONS)
    with pytest.raises(CONFIG.ConfigError, match="no aliases"):
        CONFIG.load(tmp_path / "c.yml")


def test_a_full_disk_leaves_the_last_good_file(tmp_path: Path, folder: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", disk]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting is not allowed here")
    writers: dict[str, Callable[[Path, int], object]] = {
        "ViT.ckpt": lambda path, size: checkpoint.save(contents(run="x" * size), path),
        "predictions.csv": lambda path, size: write_table(path, [{"path": "x" * size}]),
        "config.yml": lambda path, size: CONFIG.write(CONFIG.Config(data_folder="x" * size), path),
        "curves.png": lambda path, size: curves(ROWS[: 1 + size // 1000], path),
    }
    try:
        for name, write in writers.items():
            write(disk / name, 10)
            before = (disk / name).read_bytes()
            (disk / "rest").write_bytes(bytes(max(0, shutil.disk_usage(disk).free - 4096)))
            with pytest.raises(OSError, match="No space left") as error:
                write(disk / name, 300_000)
            assert error.value.filename
            assert (disk / name).read_bytes() == before
            assert sorted(path.name for path in disk.iterdir()) == sorted([name, "rest"])
            for path in disk.iterdir():
                path.unlink()
        places = ["--Path", folder.parent / "raw", "--OUTPUT", disk / "out"]
        command = [sys.executable, "-m", "data.prepare", *places]
        run = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True)
        assert run.returncode == 1
        assert "Traceback" not in run.stderr
        last = run.stderr.splitlines()[-1]
        assert "No space left" in last or "is the disk full?" in last
        assert not (disk / "out").exists()
    finally:
        subprocess.run(["umount", disk], check=True)
