"""Files that a stranger could send as a checkpoint.

python -m tests.attacks FOLDER writes them, reads them all and says how much memory that took.
"""

import io
import pickle
import re
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from tests.conftest import contents

MARK = "code_ran.txt"  # in the working folder, if anything of a file is run
WEIGHT = "model.norm.weight"


class Runs:
    """Pickled, it runs code where it is read."""

    def __reduce__(self) -> tuple[Any, ...]:
        return eval, (f"open({MARK!r}, 'w').close()",)


def saved(what: Any, **how: Any) -> bytes:
    file = io.BytesIO()
    torch.save(what, file, **how)
    return file.getvalue()


def rezipped(
    change: Callable[[str, bytes], bytes] = lambda _, content: content,
    extra: tuple[tuple[str, bytes], ...] = (),
    packing: int = zipfile.ZIP_STORED,
    source: bytes = b"",
) -> bytes:
    """A good checkpoint with changed or further parts."""
    file = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(source or saved(contents()))) as old,
        zipfile.ZipFile(file, "w", packing) as new,
    ):
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))
        for name, content in extra:
            new.writestr(name, content)
    return file.getvalue()


def with_plan(plan: bytes) -> bytes:
    """A checkpoint with that pickle."""
    return rezipped(lambda name, content: plan if name.endswith("data.pkl") else content)


def calls(name: str, argument: int) -> bytes:
    """One whose pickle calls what torch.load(weights_only=True) itself allows, with a huge number."""
    module, _, attribute = name.rpartition(".")
    return with_plan(
        b"\x80\x02c"
        + f"{module}\n{attribute}\n".encode()
        + pickle.dumps((argument,), 2)[2:-1]
        + b"R."
    )


def with_weight(value: torch.Tensor) -> bytes:
    return saved(contents(state_dict=contents()["state_dict"] | {WEIGHT: value}))


def with_how(**changes: Any) -> bytes:
    return saved(contents(preprocessing=contents()["preprocessing"] | changes))


def with_config(**changes: Any) -> bytes:
    return saved(contents(config=contents()["config"] | changes))


def declares(size: int) -> bytes:
    """One whose directory says that a part is so large."""
    content = bytearray(rezipped())
    place = content.rfind(b"PK\x01\x02")
    content[place + 20 : place + 28] = struct.pack("<II", size, size)
    return bytes(content)


def zip64() -> bytes:
    """The same with a number of 64 bits."""
    file = io.BytesIO()
    with (
        zipfile.ZipFile(file, "w") as new,
        new.open("archive/data.pkl", "w", force_zip64=True) as part,
    ):
        part.write(b"\x80\x02}.")
    return file.getvalue().replace(struct.pack("<QQ", 4, 4), struct.pack("<QQ", 1 << 62, 1 << 62))


def overlapping() -> bytes:
    """A thousand names for one part of a megabyte."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as new:
        new.writestr("archive/data/0", bytes(1 << 20))
        for _ in range(1000):
            new.filelist.append(new.filelist[0])
        new._didModify = True  # type: ignore[attr-defined]
    return file.getvalue()


def nested(depth: int) -> list[Any]:
    deep: list[Any] = []
    for _ in range(depth):
        deep = [deep]
    return deep


def shared(width: int) -> list[Any]:
    row = dict.fromkeys(map(str, range(width)), 1.0)
    return [[row] * width] * width


def script() -> bytes:
    file = io.BytesIO()
    torch.jit.save(torch.jit.trace(torch.nn.Linear(2, 2), torch.zeros(1, 2)), file)
    return file.getvalue()


def attacks() -> dict[str, bytes]:
    state = contents()["state_dict"]
    vector = state[WEIGHT]
    good = saved(contents())
    plan = zipfile.ZipFile(io.BytesIO(good)).read("archive/data.pkl")
    return {
        # code
        "reduce at the top": saved(Runs()),
        "reduce in the configuration": saved(contents(config={"lr": Runs()})),
        "reduce in hyper_parameters": saved(
            contents(hyper_parameters={"_instantiator": Runs(), "x": 1})
        ),
        "reduce in a key that nobody reads": saved(contents(extra=[{"a": Runs()}])),
        "plain pickle": pickle.dumps(Runs()),
        "legacy format with code": saved(
            contents(config=Runs()), _use_new_zipfile_serialization=False
        ),
        "legacy format": saved(contents(), _use_new_zipfile_serialization=False),
        "TorchScript": script(),
        "a whole module": saved(torch.nn.Linear(2, 2)),
        # memory by what torch allows
        "bytearray": calls("__builtin__.bytearray", 10**10),
        "tensor of a size": calls("torch.Tensor", 10**11),
        "storage of a size": calls("torch.storage.UntypedStorage", 10**11),
        "memo of any number": with_plan(b"\x80\x02}r\xff\xff\xff\x7f."),
        "a key of tuples in tuples": with_plan(b"\x80\x02}()" + b"\x85" * 10**6 + b"K\x01u."),
        "keys that collide": with_plan(
            b"\x80\x02}("
            + b"".join(pickle.dumps(k * (2**61 - 1), 2)[2:-1] + b"N" for k in range(1, 40000))
            + b"u."
        ),
        "attributes again and again": with_plan(
            b"\x80\x02ccollections\nOrderedDict\n)R" + b"}b" * 9 + b"."
        ),
        "a method of the dictionary": with_plan(
            b"\x80\x02ccollections\nOrderedDict\n)R}X\x03\0\0\0getK\x01sb."
        ),
        "many dimensions": with_plan(plan.replace(b"K\x10\x85", b"(" + b"K\x01" * 1000 + b"t")),
        "tuples that double": with_plan(b"\x80\x02}()" + b"2\x86" * 60 + b"K\x01u."),
        # the archive
        "packed": rezipped(packing=zipfile.ZIP_DEFLATED),
        "zip bomb": rezipped(
            extra=(("archive/data/99", bytes(1 << 28)),), packing=zipfile.ZIP_DEFLATED
        ),
        "huge part declared": declares(0xFFFFFFF0),
        "zip64": zip64(),
        "overlapping parts": overlapping(),
        "duplicate parts": rezipped(extra=(("archive/data.pkl", pickle.dumps(Runs(), 2)),)),
        "another spelling": rezipped(extra=(("archive/DATA.PKL", pickle.dumps(Runs(), 2)),)),
        "no pickle": rezipped(source=rezipped(), change=lambda name, content: b""),
        "truncated": good[: len(good) // 2],
        "empty": b"",
        "text": b"not a checkpoint",
        "zip of nothing": b"PK\x05\x06" + bytes(18),
        # tensors
        "beyond its storage": with_plan(
            plan.replace(b"K\x10\x85", b"J" + struct.pack("<i", 1 << 28) + b"\x85")
        ),
        "one number as many": with_weight(torch.ones(1).expand(16)),
        "storage beyond its part": with_plan(
            re.sub(rb"K\x10(?=tq.Q)", b"J" + struct.pack("<i", 1 << 28), plan, flags=re.DOTALL)
        ),
        "one number in many dimensions": saved(contents(threshold=torch.ones(1).expand(*[4] * 8))),
        "one tensor of many names": saved(
            contents(state_dict={f"model.{n}": vector for n in range(2000)})
        ),
        "one tensor of two members": saved(contents(state_dict=state, members=[dict(state)])),
        "strides": with_weight(torch.ones(32)[::2]),
        "not finite": with_weight(vector * float("nan")),
        "infinite": with_weight(vector / 0),
        "complex": with_weight(vector.to(torch.complex64)),
        "whole numbers": with_weight(vector.long()),
        "sparse": with_weight(vector.to_sparse()),
        "quantised": with_weight(torch.quantize_per_tensor(vector, 0.1, 0, torch.qint8)),
        "text for a tensor": saved(contents(state_dict={WEIGHT: "text"})),
        "no tensors": saved(contents(state_dict={})),
        "a name of a terminal": saved(contents(state_dict={"model.\x1b[2J": vector.long()})),
        # sizes
        "image size": with_config(image_size=10**6),
        "blocks": with_config(num_hidden_layers=10**9),
        "width": with_config(embedding_size=10**9, num_heads=1),
        "as large as may be": with_config(
            embedding_size=16384, num_hidden_layers=200, representation_size=16384
        ),
        "huge MLP": with_config(mlp_ratio=float("inf")),
        "a configuration of another kind": saved(contents(config=[1])),
        "deep configuration": with_config(lr=nested(400)),
        "members": saved(contents(members=[contents()["state_dict"]] * 3)),
        "many members": saved(contents(members=[{} for _ in range(10**5)])),
        # what is said beside the weights
        "class names are numbers": saved(contents(class_names=[1, 2])),
        "class names are one": saved(contents(class_names=["a", "a"])),
        "class names of megabytes": saved(contents(class_names=["a" * 5_000_000, "b"])),
        "class names of a terminal": saved(contents(class_names=["\x1b[2J", "b"])),
        "class names that no file can hold": saved(contents(class_names=["\ud800", "b"])),
        "more class names": saved(contents(class_names=["a", "b", "c"])),
        "threshold not a number": saved(contents(threshold=float("nan"))),
        "threshold a list": saved(contents(threshold=[0.5])),
        "threshold a tensor": saved(contents(threshold=torch.ones(3))),
        "temperature 0": saved(contents(temperature=0.0)),
        "temperature infinite": saved(contents(temperature=float("inf"))),
        "no preprocessing": saved(contents(preprocessing=None)),
        "size 0": with_how(image_size=0),
        "spread 0": with_how(std=0.0),
        "mean not a number": with_how(mean=float("nan")),
        "border": with_how(border=0.9),
        "stretch": with_how(stretch="yes"),
        "window": with_how(window=["a", "b"]),
        "frame": with_how(frame=[1]),
        "history": saved(contents(history=[[{"epoch": "one"}]])),
        "shared history": saved(contents(history=shared(300))),
        "deep history": saved(contents(history=nested(400))),
        "figures": saved(contents(figures={"auroc": None})),
        "versions": saved(contents(versions=["torch"])),
        "validation": saved(contents(validation={"epoch": "one"})),
        "init": saved(contents(init=["run"])),
        "run": saved(contents(run={"a": 1})),
        "hashes": saved(contents(training_images_sha256=[1])),
        "scores": saved(contents(conformal_scores={"normal": ["x"], "abnormal": []})),
        "scores of other classes": saved(contents(conformal_scores={"x": [0.1]})),
        "familiarity": saved(contents(familiarity=[{"mean": 1}])),
        "format": saved(contents(format_version=10**9)),
    }


ATTACKS = attacks()
BEFORE_TORCH = list(ATTACKS)[
    : list(ATTACKS).index("one number as many")
]  # to run code, or made of sizes


READ = """
import pathlib, sys
def peak():  # not getrusage, which remembers the parent's peak as well
    return int(pathlib.Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) // 1024
"""
BY_PREDICT = (
    READ
    + """
import predict
for path in sys.argv[1:]:
    try:
        predict.main(["--Path", "x", "--Path_Checkpoint", path])
        print(path, "was read")
    except SystemExit as error:
        assert str(error).startswith(path), error
assert "torch" not in sys.modules
print(f"{len(sys.argv) - 1} attacks are refused by predict.py before torch is imported, at most {peak()} MB")
"""
)
BY_LOAD = (
    READ
    + """
from vit import checkpoint
from vit.archive import CheckpointError
before = peak()
for path in sys.argv[1:]:
    try:
        checkpoint.load(pathlib.Path(path))
        print(path, "was read")
    except CheckpointError:
        pass
print(f"{len(sys.argv) - 1} attacks took {peak() - before} MB beyond the {before} MB of torch")
"""
)


def main(folder: Path) -> None:
    """Read every attack, and say how much memory that took."""
    paths = [str(folder / f"{number}.ckpt") for number in range(len(ATTACKS))]
    for path, content in zip(paths, ATTACKS.values(), strict=True):
        Path(path).write_bytes(content)
    for code, given in ((BY_PREDICT, paths[: len(BEFORE_TORCH)]), (BY_LOAD, paths)):
        command = [sys.executable, "-c", code, *given]
        print(subprocess.run(command, capture_output=True, text=True, check=True).stdout, end="")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
