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
from pathlib import Path

import torch

from tests.bad_checkpoints import (
    WEIGHT,
    Runs,
    calls,
    declares,
    nested,
    overlapping,
    rezipped,
    saved,
    script,
    shared,
    with_config,
    with_plan,
    with_preprocessing,
    with_weight,
    zip64,
)
from tests.conftest import contents
from vit.checkpoint_gate import Plain


def of_code() -> dict[str, bytes]:
    """Files that would run code."""
    legacy = {"_use_new_zipfile_serialization": False}
    return {
        "reduce at the top": saved(Runs()),
        "reduce in the configuration": saved(contents(config={"lr": Runs()})),
        "reduce in hyper_parameters": saved(
            contents(hyper_parameters={"_instantiator": Runs(), "x": 1})
        ),
        "reduce in a key that nobody reads": saved(contents(extra=[{"a": Runs()}])),
        "plain pickle": pickle.dumps(Runs()),
        "legacy format with code": saved(contents(config=Runs()), **legacy),
        "legacy format": saved(contents(), **legacy),
        "TorchScript": script(),
        "a whole module": saved(torch.nn.Linear(2, 2)),
    }


def of_memory() -> dict[str, bytes]:
    """Files that would take memory by what torch allows."""
    ordered = b"\x80\x02ccollections\nOrderedDict\n)R"
    colliding = [pickle.dumps(k * (2**61 - 1), 2)[2:-1] + b"N" for k in range(1, 40000)]
    huge = b"J" + struct.pack("<i", 1 << 28)
    shape = b"K\x10\x85"  # of the weight: (16,)
    return {
        "bytearray": calls("__builtin__.bytearray", 10**10),
        "tensor of a size": calls("torch.Tensor", 10**11),
        "storage of a size": calls("torch.storage.UntypedStorage", 10**11),
        "memo of any number": with_plan(b"\x80\x02}r\xff\xff\xff\x7f."),
        "a key of tuples in tuples": with_plan(b"\x80\x02}()" + b"\x85" * 10**6 + b"K\x01u."),
        "keys that collide": with_plan(b"\x80\x02}(" + b"".join(colliding) + b"u."),
        "attributes again and again": with_plan(ordered + b"}b" * 9 + b"."),
        "a method of the dictionary": with_plan(ordered + b"}X\x03\0\0\0getK\x01sb."),
        "many dimensions": with_plan(PLAN.replace(shape, b"(" + b"K\x01" * 1000 + b"t")),
        "tuples that double": with_plan(b"\x80\x02}()" + b"2\x86" * 60 + b"K\x01u."),
        "beyond its storage": with_plan(PLAN.replace(shape, huge + b"\x85")),
    }


def of_archive() -> dict[str, bytes]:
    """Files whose archive is not what it seems."""
    code = pickle.dumps(Runs(), 2)
    return {
        "packed": rezipped(packing=zipfile.ZIP_DEFLATED),
        "zip bomb": rezipped(
            extra=(("archive/data/99", bytes(1 << 28)),), packing=zipfile.ZIP_DEFLATED
        ),
        "huge part declared": declares(0xFFFFFFF0),
        "zip64": zip64(),
        "overlapping parts": overlapping(),
        "duplicate parts": rezipped(extra=(("archive/data.pkl", code),)),
        "another spelling": rezipped(extra=(("archive/DATA.PKL", code),)),
        "no pickle": rezipped(source=rezipped(), change=lambda name, content: b""),
        "truncated": GOOD[: len(GOOD) // 2],
        "empty": b"",
        "text": b"not a checkpoint",
        "zip of nothing": b"PK\x05\x06" + bytes(18),
    }


def of_tensors() -> dict[str, bytes]:
    """Files whose tensors share their numbers, or are no numbers that a model can use."""
    state = contents()["state_dict"]
    vector = state[WEIGHT]
    huge = b"J" + struct.pack("<i", 1 << 28)
    many = {f"model.{number}": vector for number in range(2000)}
    return {
        "one number as many": with_weight(torch.ones(1).expand(16)),
        "storage beyond its part": with_plan(
            re.sub(rb"K\x10(?=tq.Q)", huge, PLAN, flags=re.DOTALL)
        ),
        "one number in many dimensions": saved(contents(threshold=torch.ones(1).expand(*[4] * 8))),
        "one tensor of many names": saved(contents(state_dict=many)),
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
    }


def of_sizes() -> dict[str, bytes]:
    """Files whose configuration asks for more than there is."""
    return {
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
    }


def of_words() -> dict[str, bytes]:
    """Files that say something odd beside the weights."""
    nan = float("nan")
    changes: dict[str, Plain] = {
        "class names are numbers": {"class_names": [1, 2]},
        "class names are one": {"class_names": ["a", "a"]},
        "class names of megabytes": {"class_names": ["a" * 5_000_000, "b"]},
        "class names of a terminal": {"class_names": ["\x1b[2J", "b"]},
        "class names that no file can hold": {"class_names": ["\ud800", "b"]},
        "more class names": {"class_names": ["a", "b", "c"]},
        "threshold not a number": {"threshold": nan},
        "threshold a list": {"threshold": [0.5]},
        "threshold a tensor": {"threshold": torch.ones(3)},
        "temperature 0": {"temperature": 0.0},
        "temperature infinite": {"temperature": float("inf")},
        "no preprocessing": {"preprocessing": None},
        "size 0": with_preprocessing(image_size=0),
        "spread 0": with_preprocessing(std=0.0),
        "mean not a number": with_preprocessing(mean=nan),
        "border": with_preprocessing(border=0.9),
        "stretch": with_preprocessing(stretch="yes"),
        "window": with_preprocessing(window=["a", "b"]),
        "frame": with_preprocessing(frame=[1]),
        "history": {"history": [[{"epoch": "one"}]]},
        "shared history": {"history": shared(300)},
        "deep history": {"history": nested(400)},
        "figures": {"figures": {"auroc": None}},
        "versions": {"versions": ["torch"]},
        "validation": {"validation": {"epoch": "one"}},
        "init": {"init": ["run"]},
        "run": {"run": {"a": 1}},
        "hashes": {"training_images_sha256": [1]},
        "scores": {"conformal_scores": {"normal": ["x"], "abnormal": []}},
        "scores of other classes": {"conformal_scores": {"x": [0.1]}},
        "familiarity": {"familiarity": [{"mean": 1}]},
        "format": {"format_version": 10**9},
    }
    return {name: saved(contents(**change)) for name, change in changes.items()}


GOOD = saved(contents())
PLAN = zipfile.ZipFile(io.BytesIO(GOOD)).read("archive/data.pkl")
BEFORE_TORCH = of_code() | of_memory() | of_archive()  # refused before torch is imported
ATTACKS = BEFORE_TORCH | of_tensors() | of_sizes() | of_words()


PEAK = """
import pathlib, sys
def peak():  # not getrusage, which remembers the parent's peak as well
    return int(pathlib.Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) // 1024
"""
BY_PREDICT = (
    PEAK
    + """
import predict
for path in sys.argv[1:]:
    try:
        predict.main(["--Path", "x", "--Path_Checkpoint", path])
        print(path, "was read")
    except SystemExit as error:
        assert str(error).startswith(path), error
assert "torch" not in sys.modules
words = "attacks are refused by predict.py before torch is imported"
print(f"{len(sys.argv) - 1} {words}, at most {peak()} MB")
"""
)
BY_LOAD = (
    PEAK
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
