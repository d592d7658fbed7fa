"""Options that name files: what is empty, taken or no file is said before any work."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

import CONFIG
import data.prepare
import errors
import predict
import train
from data.readers import DataError, fault_of, kind_of
from files import folder_written_whole, written_whole
from vit import checkpoint

EMPTY = [
    (["--Path", "in", "--OUTPUT", ""], "--OUTPUT"),
    (["--OUTPUT="], "--OUTPUT"),
    (["-o", "", "--Path", "in"], "-o"),
    (["--", "Path", ""], "Path"),
    ([""], "the command line"),
]


@pytest.mark.parametrize(("words", "option"), EMPTY, ids=[" ".join(words) for words, _ in EMPTY])
def test_an_empty_word_is_not_the_current_folder(words: list[str], option: str) -> None:
    with pytest.raises(errors.UserError, match=rf"\A{option}: got nothing, wanted a word; "):
        errors.check_text(words)


@pytest.mark.parametrize("name", [".", "new/.."])
def test_prepare_does_not_replace_the_folder_that_the_shell_is_in(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
) -> None:
    (tmp_path / "new").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        data.prepare.main(["--Path", "raw", "--OUTPUT", name])
    said = f"{name} is the folder that you are in, wanted a folder to make, such as ProcessedFolder"
    assert said in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["new"]


def test_dots_at_the_end_of_a_folder_to_make_are_followed(tmp_path: Path) -> None:
    words = ["--Path", "raw", "--OUTPUT", str(tmp_path / "made" / "inner" / "..")]
    assert tmp_path / "made" == data.prepare._parser().parse_args(words).OUTPUT
    with folder_written_whole(tmp_path / "made" / "inner" / "..") as made:
        made.mkdir()
    assert list(tmp_path.iterdir()) == [tmp_path / "made"]


@pytest.mark.parametrize("name", ["ViT.ckpt", "report.html", "out_of_fold.csv"])
def test_a_folder_where_train_writes_a_file_is_said_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (tmp_path / "out" / name).mkdir(parents=True)
    monkeypatch.setattr(train, "train", lambda *_: pytest.fail("was trained"))
    CONFIG.write(CONFIG.Config(), tmp_path / "config.yml")
    words = ["--Config", str(tmp_path / "config.yml"), "--OUTPUT", str(tmp_path / "out")]
    with pytest.raises(SystemExit, match=rf"out/{name}: is a folder, wanted a file to write; move"):
        train.main([*words, "--folds", "3", "--device", "cpu"])


def test_a_folder_where_predict_writes_its_table_is_said_before_the_work(
    tmp_path: Path, ckpt: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "predictions.csv").mkdir()
    monkeypatch.setattr(checkpoint, "load", lambda *_: pytest.fail("was loaded"))
    words = ["--Path", str(tmp_path), "--Path_Checkpoint", str(ckpt)]
    with pytest.raises(SystemExit, match=r"predictions.csv: is a folder, wanted a file to write"):
        predict.main([*words, "--OUTPUT", str(tmp_path / "a.png")])


def test_a_file_is_not_written_over_a_folder(tmp_path: Path) -> None:
    (tmp_path / "config.yml").mkdir()
    with (
        pytest.raises(errors.UserError, match=r"config.yml: is a folder, wanted a file to write"),
        written_whole(tmp_path / "config.yml"),
    ):
        pytest.fail("was written")


@pytest.fixture
def odd(tmp_path: Path) -> Iterator[dict[str, Path]]:
    """What can lie where a file is wanted, by its name."""
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "a.png")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "b.png"))
        yield {
            "a folder": tmp_path / "folder",
            "a pipe": tmp_path / "a.png",
            "a socket": tmp_path / "b.png",
            "a device": Path("/dev/zero"),
        }


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="files of POSIX")
@pytest.mark.parametrize("kind", ["a folder", "a pipe", "a socket", "a device"])
def test_what_is_no_file_is_called_what_it_is(odd: dict[str, Path], kind: str) -> None:
    path = odd[kind]
    said = f"{path} is {kind}, wanted a file"
    assert fault_of(path, path.parent) == said
    with pytest.raises(DataError, match=f"{path}: not readable: is {kind}, wanted a file"):
        kind_of(path)
    with pytest.raises(
        checkpoint.CheckpointError, match=f"{path}: is {kind}, wanted a file that train.py made"
    ):
        checkpoint.load(path)
    for act, words in (
        (predict.main, ["--Path", "in", "--Path_Checkpoint", str(path)]),
        (train.main, ["--init", str(path), "--OUTPUT", str(path.parent / "new")]),
    ):
        with pytest.raises(SystemExit, match=f"{path}: is {kind}, wanted a file that train.py"):
            act(words)
