"""Whether a checkpoint's file may be opened, checked before torch is imported.

So a hostile file is refused within a moment and in little memory, before the program that it was
made for is there. Only the standard library is used.
"""

import io
import zipfile
from pathlib import Path

from errors import UserError
from files import other_kind
from vit.pickle_plan import follow

LARGEST_HEADER = 2**26  # bytes, beyond which they are no length of a header


class CheckpointError(UserError):
    """A checkpoint that cannot be used, with the reason in one line."""


def is_graph(path: Path) -> bool:
    """Whether a file is called like a graph of vit.export, which holds no pickle."""
    return path.suffix.lower() == ".onnx"


def is_boxed(path: Path) -> bool:
    """Whether a file begins as those of weights/ do: length of its header, and a bracket."""
    if not path.is_file():  # a pipe would make it wait
        return False
    try:
        with open(path, "rb") as file:
            start = file.read(9)
    except OSError:
        return False
    return (
        len(start) == 9
        and start[8:] == b"{"
        and int.from_bytes(start[:8], "little") < LARGEST_HEADER
    )


def screen_init(init: str) -> None:
    """Check the file that a training shall begin with; "auto" and "none" name none.

    Raises:
        CheckpointError: missing, or as ``screened`` says.
    """
    if init in ("auto", "none"):
        return
    named = Path(init)
    if not (named.exists() or named.is_symlink()):
        boxed = Path("weights") / f"{named.stem}.safetensors"
        is_short = (Path(__file__).resolve().parents[1] / boxed).exists()
        hint = f"; did you mean the project's {boxed.as_posix()}?" if is_short else ""
        raise CheckpointError(
            f"init: got {named}, and no such file is there; wanted auto, none, or a file: a "
            f"ViT.ckpt, or one of weights/{hint}"
        )
    if not is_boxed(named):
        screened(named)


def screened(path: Path) -> io.BytesIO:
    """A copy of the archive in memory, whose parts are whole and hold plain types and tensors.

    zipfile reads each part and checks its sum. The pickle is followed step by step; none of its
    names is looked up.

    Raises:
        CheckpointError: missing, damaged, no checkpoint, or holding more than that.
    """
    if kind := other_kind(path):
        raise CheckpointError(f"{path}: is {kind}, wanted a file that train.py made")
    if not path.is_file():
        makes_one = "python train.py --Config config.yml makes one"
        raise CheckpointError(f"{path}: no such file; {makes_one}")
    if is_graph(path):
        raise CheckpointError(f"{path}: is a graph; wanted the ViT.ckpt that it was made from")
    if is_boxed(path):
        raise CheckpointError(
            f"{path}: holds weights to begin a training with, and no trained model; give them to "
            "train.py --init"
        )
    try:
        return _checked_copy(path)
    except PermissionError:
        raise CheckpointError(f"{path}: may not be read by you; wanted read permission") from None
    except Exception:  # zipfile and pickletools raise many kinds for a damaged or hostile file
        raise CheckpointError(
            f"{path}: is damaged, or no checkpoint, or holds more than plain types, which could "
            "run code; none was run"
        ) from None


def _checked_copy(path: Path) -> io.BytesIO:
    checked = io.BytesIO()
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(checked, "w") as copy:
        parts = archive.infolist()
        sizes = _checked_sizes(parts, path.stat().st_size)
        for part in parts:
            content = archive.read(part)  # raises if its checksum differs
            if part.filename.lower().endswith("data.pkl"):
                follow(content, sizes)
            copy.writestr(part.filename, content)
    checked.seek(0)
    return checked


def _checked_sizes(parts: list[zipfile.ZipInfo], file_size: int) -> dict[str, int]:
    """The size of each part by its name below the one folder of the archive [bytes].

    Raises:
        ValueError: other parts than torch.save writes.
    """
    names = [part.filename for part in parts]
    folders = {name.partition("/")[0] for name in names}
    spellings = {name.lower() for name in names}
    if len(folders) != 1 or len(spellings) < len(names):
        raise ValueError("no folder or several, or a part that is there twice")
    sizes = {part.filename.partition("/")[2]: part.file_size for part in parts}
    if not {"data.pkl", "version"} <= sizes.keys() or "constants.pkl" in sizes:
        raise ValueError("other parts than torch.save writes")
    packed = any(part.compress_type for part in parts)
    if packed or sum(part.file_size for part in parts) > file_size:
        raise ValueError("packed parts, or such that are larger than the file")
    return sizes
