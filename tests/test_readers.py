"""data.readers and data.dicom: what is read, at what brightness, and what is refused.

python -m tests.test_readers FOLDER COUNT makes COUNT damaged files of each kind and as many good
ones, and reads them.
"""

import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from data.readers import DataError, full_scale, kind_of, read_grey, wrong_suffix
from tests.image_files import (
    HEIGHT,
    WIDTH,
    bytes_of,
    damaged,
    encode,
    good,
    npy,
    odd,
    picture,
    save,
    write,
)


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
        most = 0.05 if "jp" in path.suffix.lower() else 0.01
        assert np.abs(seen - expected).max() < most, path.name


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
    project = Path(__file__).parents[1]
    run = subprocess.run(command, cwd=project, capture_output=True, text=True, check=True)
    assert "missed 0, good ones refused 0" in run.stdout
    assert float(run.stdout.split("peak ")[1].split(" MB")[0]) < 1000


@pytest.mark.parametrize(
    ("highest", "full"),
    [(1, 255), (255, 255), (256, 1023), (1024, 4095), (4096, 16383), (16384, 65535)],
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


def main(folder: Path, count: int) -> None:
    """The bar on damaged files, in figures."""
    bad = write(folder, damaged, count)
    fine = write(folder, good, -(-len(bad) // len(good(0))))[: len(bad)]
    bad += odd(folder)
    found = zip(bad, faults(bad), strict=True)
    missed = [path for path, fault in found if not fault or "\n" in fault]
    refused = [fault for fault in faults(fine) if fault]
    # not getrusage alone, which remembers the parent's peak as well
    status = Path("/proc/self/status").read_text()
    peak = int(status.split("VmHWM:")[1].split()[0]) / 1024
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    kinds = len(damaged(0)) + len(odd(folder / "again"))
    print(
        f"damaged {len(bad)} of {kinds} kinds, good {len(fine)}: missed {len(missed)}, "
        f"good ones refused {len(refused)}; peak {peak:.0f} MB, getrusage {used:.0f} MB"
    )
    print("\n".join([*map(str, missed), *refused]))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
