"""A ProcessedFolder that is read is not replaced meanwhile, and each has a lock of its own."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import predict
from data.read_lock import reading
from locks import FolderInUse, held_beside, read_here
from report import pictures
from tests.test_files import holding

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="locks of POSIX")


def refused(folder: Path) -> bool:
    try:
        with held_beside(folder):
            return False
    except FolderInUse:
        return True


@pytest.mark.parametrize(
    "path", ["", "val", "val/abnormal", "val/abnormal/{name}", "*/*/*.npy", "../*/val/*/*.npy"]
)
def test_a_folder_is_not_replaced_while_a_path_in_it_is_read(folder: Path, path: str) -> None:
    name = min(folder.glob("val/abnormal/*.npy")).name
    with reading(str(folder / path.format(name=name))):
        assert refused(folder)
    assert not refused(folder)
    assert not list(folder.parent.glob(".*lock*"))


def test_a_raw_folder_gets_no_lock(tmp_path: Path, pictures: Callable[..., Path]) -> None:
    raw = pictures()
    with reading(str(raw / "normal")):
        assert sorted(path.name for path in tmp_path.iterdir()) == ["raw"]


def test_predict_holds_a_folder_while_it_predicts(
    folder: Path, ckpt: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    counted = predict.counted
    monkeypatch.setattr(
        predict, "counted", lambda *found: seen.append(refused(folder)) or counted(*found)
    )
    words = ["--Path", str(folder / "val"), "--Path_Checkpoint", str(ckpt), "--device", "cpu"]
    predict.main([*words, "--OUTPUT", str(tmp_path / "out" / "predictions.png")])
    assert seen == [True]
    assert not refused(folder)


def test_pictures_holds_a_folder_while_it_draws(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    monkeypatch.setattr(pictures, "draw", lambda _: seen.append(refused(folder)))
    words = ["--Path", str(min(folder.glob("val/abnormal/*.npy"))), "--Path_Checkpoint", "ViT.ckpt"]
    pictures.main([*words, "--OUTPUT", "out"])
    assert seen == [True]


def test_predict_on_a_folder_that_is_being_made_ends_in_one_line(
    folder: Path, ckpt: Path, tmp_path: Path
) -> None:
    other = holding("held_beside", folder)
    words = ["--Path", str(folder / "val"), "--Path_Checkpoint", str(ckpt), "--device", "cpu"]
    try:
        with pytest.raises(SystemExit, match=rf"in use by process {other.pid}"):
            predict.main([*words, "--OUTPUT", str(tmp_path / "out.png")])
    finally:
        other.kill()
        other.communicate()


def test_names_that_are_alike_at_first_have_locks_of_their_own(tmp_path: Path) -> None:
    first, second = (tmp_path / ("a" * 40 + end) for end in ("_one", "_two"))
    with held_beside(first), held_beside(second), read_here(tmp_path / ("a" * 40)):
        pass
    assert not list(tmp_path.iterdir())


def test_the_longest_name_that_a_disk_takes_has_a_lock(tmp_path: Path) -> None:
    with held_beside(tmp_path / ("心" * 85)):
        assert len(list(tmp_path.iterdir())) == 2
