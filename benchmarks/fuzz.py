"""Files that somebody sends, thousands of them, changed at random: python -m benchmarks.fuzz
--images 2000 ...

Each is read in a child process that may take 2 GB beyond its libraries. Good is: it is read, or
refused with this project's own error, within 10 s of processor time. --commands of each kind go
through the command line as well: no traceback, no signal, nothing written beside the output. What
is not good is kept and listed; the status is then 1.
"""

import argparse
import io
import json
import resource
import subprocess
import sys
import tempfile
import time
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

import CONFIG

PROJECT = Path(__file__).resolve().parents[1]
SECONDS = 10
BYTES = 2 << 30
EXTREMES = (
    b"\0\0\0\0",
    b"\xff\xff\xff\xff",
    b"\xff\xff\xff\x7f",
    b"\0\0\0\x80",
    b"\1\0\0\0",
    b"\0\0\0\1",
)
ODD: list[Any] = [
    None,
    True,
    -1,
    0,
    1,
    2**31,
    -(2**63),
    10**6,
    10**9,
    10**400,
    0.5,
    -0.0,
    float("nan"),
    float("inf"),
    "",
    "1e-2",
    "a" * 5000,
    "\x1b[2J",
    "é\u202e\ud800",
    [],
    [1, 2],
    [[]],
    {},
    {"a": 1},
    {1: 2},
    b"bytes",
    3j,
]
YAML = (
    "a: &a [1,1,1,1,1,1,1,1,1]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nlr: [*b,*b,*b,*b,*b,*b,*b,*b,*b]",
    "[" * 3000,
    "{a: " * 3000,
    "lr: 1\nlr: 2",
    "\tlr: 1",
    "lr:\t1",
    "seed: " + "9" * 6000,
    "seed: 0x" + "f" * 6000,
    "? [1]\n: 2",
    "lr: 2001-99-99",
    "lr: !!int x",
    "lr: !!bool x",
    "lr: !!timestamp x",
    "lr: !!python/object/apply:os.getpid []",
    "<<: {lr: 1}",
    "lr: 0b",
    "lr: 190:20:30",
    "lr: .inf",
    "--- 1\n--- 2",
    "%YAML 9.9\n---\nlr: 1",
    "? ",
    "0x" + "f" * 6000 + ": 1",
)


def changed(rng: np.random.Generator, content: bytes, other: bytes) -> bytes:
    """One to eight changes: bits, a header's number, a cut, a deletion, a piece of another, another
    at its end.
    """
    for _ in range(rng.integers(1, 9)):
        data = bytearray(content)
        size = max(1, len(content))
        at = int(rng.integers(min(size, 512) if rng.random() < 0.7 else size))
        kind = rng.integers(7)
        length = int(rng.integers(1, 65))
        if kind <= 1 and data:
            data[min(at, len(data) - 1)] ^= 1 << int(rng.integers(8))
        elif kind == 2:
            data[at : at + 4] = EXTREMES[rng.integers(len(EXTREMES))]
        elif kind == 3:
            del data[at : at + length]
        elif kind == 4:
            data[at:at] = other[at : at + length]
        elif kind == 5 and rng.random() < 0.3:
            del data[at:]
        elif kind == 6 and rng.random() < 0.3:
            data += other
        content = bytes(data)
    return content


def configuration(rng: np.random.Generator, _: list[bytes]) -> bytes:
    if rng.random() < 0.3:
        return changed(
            rng, YAML[rng.integers(len(YAML))].encode(), (PROJECT / "config.yml").read_bytes()
        )
    if rng.random() < 0.3:
        return changed(
            rng, (PROJECT / "config.yml").read_bytes(), YAML[rng.integers(len(YAML))].encode()
        )
    keys = [*CONFIG.FIELDS, *CONFIG.FORMER_NAMES, "x", "", "1", "é"]
    lines = []
    for _number in range(rng.integers(1, 6)):
        value = ODD[rng.integers(len(ODD))]
        text = f"0x{value:x}" if isinstance(value, int) and value > 10**100 else repr(value)
        lines.append(f"{keys[rng.integers(len(keys))]}: {text}")
    return "\n".join(lines).encode(errors="surrogatepass")


def file(rng: np.random.Generator, seeds: list[bytes]) -> bytes:
    return changed(rng, *(seeds[rng.integers(len(seeds))] for _ in range(2)))


def checkpoint(rng: np.random.Generator, seeds: list[bytes]) -> bytes:
    """Changed as a file, or its pickle within a whole archive, or a value within a whole pickle."""
    import torch

    kind = rng.integers(3)
    seed = seeds[0]
    if kind == 0:
        return changed(rng, seed, seed)
    result = io.BytesIO()
    if kind == 1:
        with zipfile.ZipFile(io.BytesIO(seed)) as old, zipfile.ZipFile(result, "w") as new:
            for name in old.namelist():
                content = old.read(name)
                new.writestr(
                    name, changed(rng, content, content) if name.endswith("data.pkl") else content
                )
        return result.getvalue()
    about = torch.load(io.BytesIO(seed), weights_only=True)
    for _ in range(rng.integers(1, 4)):
        part = about
        while True:
            keys = list(part) if isinstance(part, dict) else list(range(len(part)))
            key = keys[rng.integers(len(keys))]
            if not isinstance(part[key], dict | list) or not part[key] or rng.random() < 0.3:
                break
            part = part[key]
        part[key] = ODD[rng.integers(len(ODD))]
    torch.save(about, result)
    return result.getvalue()


def checkpoint_seed() -> bytes:
    import torch

    from vit import checkpoint as own
    from vit.familiarity import Familiarity

    config = asdict(
        CONFIG.Config(
            image_size=32, patch_size=8, embedding_size=16, num_heads=2, num_hidden_layers=2
        )
    )
    model = own.build_model(config)
    state = {f"model.{name}": value for name, value in model.state_dict().items()}
    how = {
        "image_size": 32,
        "mean": 0.4,
        "std": 0.2,
        "border": 0.0,
        "stretch": False,
        "window": None,
        "frame": -1,
    }
    about = {
        "format_version": own.FORMAT,
        "state_dict": state,
        "config": config,
        "class_names": ["normal", "abnormal"],
        "preprocessing": how,
        "threshold": 0.5,
        "temperature": 1.0,
        "run": "a-1",
        "split_sha256": "0" * 64,
        "training_images_sha256": ["0" * 64],
        "versions": {"torch": "2"},
        "members": [dict(state)],
        "validation": {"epoch": 1, "val_auroc": 0.9},
        "init": {"run": "b", "config": dict(config), "split_sha256": ""},
        "figures": {"auroc": [0.9, 0.8, 1.0]},
        "history": [[{"epoch": 1, "train_loss": 0.5}], []],
        "conformal_scores": {"normal": [0.1] * 20, "abnormal": [0.2] * 20},
        "epoch_chosen_on_validation": True,
        "familiarity": [dict(Familiarity(model).state_dict()) for _ in range(2)],
    }
    result = io.BytesIO()
    torch.save(about, result)
    return result.getvalue()


def seeds_of(kind: str) -> list[bytes]:
    """Real files: of pydicom's test data, of the shared data sets where they are there, made ones."""
    if kind == "checkpoints":
        return [checkpoint_seed()]
    if kind == "configurations":
        return []
    if kind == "dicom":
        import pydicom

        files = (Path(pydicom.__file__).parent / "data" / "test_files").glob(
            "*.dcm"
        )  # its own finder would download
        return [path.read_bytes() for path in sorted(files) if path.stat().st_size < 200_000]
    import cv2

    image = np.random.default_rng(0).integers(0, 256, (40, 32), np.uint8)
    made = [cv2.imencode(suffix, image)[1].tobytes() for suffix in (".png", ".jpg", ".bmp", ".tif")]
    for array in (image, (image / 255).astype(np.float16)):
        np.save(result := io.BytesIO(), array)
        made.append(result.getvalue())
    shared = sorted((PROJECT.parent / "shared" / "datasets").rglob("*.[jp][pn]g"))[:2000:100]
    return [*made, *(path.read_bytes() for path in shared if path.stat().st_size < 200_000)]


def reader(kind: str) -> Callable[[Path], Any]:
    if kind == "configurations":
        return CONFIG.load
    if kind == "checkpoints":
        from vit.checkpoint import load

        return load
    from data.geometry import read_mask
    from data.readers import about_dicom, read_grey

    def read(path: Path) -> None:
        about_dicom(path)
        shape = read_grey(path).shape
        if kind == "images":
            read_mask(path, shape)

    return read


MAKERS = {"configurations": configuration, "images": file, "dicom": file, "checkpoints": checkpoint}
SUFFIXES = {"configurations": "yml", "images": "png", "dicom": "dcm", "checkpoints": "ckpt"}


def child(kind: str, count: int, seed: int, folder: Path) -> None:
    """Read ``count`` changed files; print what came of each."""
    warnings.simplefilter("ignore")
    seeds = seeds_of(kind)
    read = reader(kind)
    used = int(Path("/proc/self/status").read_text().split("VmData:")[1].split()[0]) << 10
    resource.setrlimit(resource.RLIMIT_DATA, (used + BYTES, used + BYTES))
    for number in range(count):
        content = MAKERS[kind](np.random.default_rng([seed, number]), seeds)
        path = folder / f"{kind}_{number}.{SUFFIXES[kind]}"
        path.write_bytes(content)
        print(
            json.dumps([path.name, "ended the process"]), flush=True
        )  # unless another line follows
        start = time.process_time()
        fault = ""
        try:
            read(path)
            said = "read"
        except ValueError as error:
            said = type(error).__name__
            own = said in ("ConfigError", "DataError", "CheckpointError") or "wanted a mask" in str(
                error
            )
            lines = str(error).splitlines()
            fault = (
                ""
                if own and max(map(len, lines), default=9999) < 2000
                else f"{said}: {str(error)[:200]}"
            )
        except BaseException as error:
            said = type(error).__name__
            fault = f"{said}: {str(error)[:200]}"
        if (seconds := time.process_time() - start) > SECONDS:
            fault = f"took {seconds:.0f} s"
        if not fault:
            path.unlink()
        print(json.dumps([path.name, fault, said, seconds]), flush=True)
    peak = Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]
    print(json.dumps(["peak", "", int(peak) // 1024]), flush=True)


def through_commands(kind: str, count: int, seed: int, folder: Path) -> dict[str, str]:
    """Faults of the command line, by file. The folder of each run holds what it was given, and
    out/.
    """
    import cv2

    seeds = seeds_of(kind)
    faults = {}
    rng = np.random.default_rng(seed)
    good = cv2.imencode(".png", rng.integers(0, 256, (40, 32), np.uint8))[1].tobytes()
    for number in range(count):
        here = folder / f"{kind}_command_{number}"
        for label in ("normal", "abnormal"):
            (here / "raw" / label).mkdir(parents=True)
            (here / "raw" / label / "good.png").write_bytes(good)
        name = f"{'raw/normal/' if kind in ('images', 'dicom') else ''}odd.{SUFFIXES[kind]}"
        (here / name).write_bytes(MAKERS[kind](np.random.default_rng([seed, 1, number]), seeds))
        if kind != "checkpoints":
            (here / "ViT.ckpt").write_bytes(checkpoint_seed())
        before = sorted(here.rglob("*"))
        prepare = ["-m", "data.prepare", "--Path", "raw", "--OUTPUT", "out"]
        config = [
            "--Config",
            name,
            "--phantoms",
            "none",
            "--data_folder",
            "none",
            "--OUTPUT",
            "out",
            "--device",
            "cpu",
        ]
        weights = name if kind == "checkpoints" else "ViT.ckpt"
        predict = [
            PROJECT / "predict.py",
            "--Path",
            "raw",
            "--Path_Checkpoint",
            weights,
            "--OUTPUT",
            "out/x.png",
        ]
        commands: list[list[Any]] = [[PROJECT / "train.py", *config], [*prepare, "--Config", name]]
        commands = (
            commands
            if kind == "configurations"
            else [predict]
            if kind == "checkpoints"
            else [prepare, predict]
        )
        for command in commands:
            paths = {"PYTHONPATH": str(PROJECT), "OMP_NUM_THREADS": "1", "PATH": "/usr/bin:/bin"}
            run = subprocess.run(
                [sys.executable, *command], cwd=here, env=paths, capture_output=True, text=True
            )
            last = (run.stderr.strip().splitlines() or ["nothing said"])[-1]
            if "Traceback" in run.stderr or run.returncode not in (0, 1):
                faults[f"{here.name}: {command[0]}"] = f"status {run.returncode}: {last[:200]}"
        outside = {
            path
            for path in here.rglob("*")
            if "out" not in path.name and here / "out" not in path.parents
        }
        if more := outside - set(before):
            faults[f"{here.name}: files"] = f"wrote {sorted(more)}"
    return faults


def fuzz(kind: str, count: int, seed: int, folder: Path) -> dict[str, str]:
    """Faults by file; a process that ends is a fault of the file that it was at, and no other is
    read then.
    """
    faults: dict[str, str] = {}
    command = [
        sys.executable,
        "-m",
        "benchmarks.fuzz",
        "--child",
        kind,
        "--seed",
        str(seed),
        "--OUTPUT",
        str(folder),
    ]
    run = subprocess.run(
        [*command, f"--{kind}", str(count)], cwd=PROJECT, capture_output=True, text=True
    )
    told = [json.loads(line) for line in run.stdout.splitlines() if line.startswith("[")]
    done = {line[0]: line for line in told}  # the last word on each
    peak = done.pop("peak", ["", "", 0])[2]
    faults |= {name: line[1] for name, line in done.items() if line[1]}
    if run.returncode:
        faults[f"{kind}: process"] = f"status {run.returncode}: {run.stderr.strip()[-300:]}"
    ways = Counter(line[2] for line in done.values() if len(line) > 2)
    slowest = max((line[3] for line in done.values() if len(line) > 3), default=0)
    print(
        f"{kind}: {len(done)} of {count}: {dict(ways)}; slowest {slowest:.1f} s of processor time; "
        f"peak {peak} MB; {len(faults)} faults"
    )
    return faults


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fuzz", description=__doc__)
    for kind, few in (
        ("configurations", 200),
        ("images", 200),
        ("dicom", 100),
        ("checkpoints", 100),
    ):
        parser.add_argument(f"--{kind}", type=int, default=few, help=f"how many (default {few})")
    parser.add_argument(
        "--commands", type=int, default=0, help="of each kind, through the command line (default 0)"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--OUTPUT", type=Path, help="folder for the files that were not good (default: a new one)"
    )
    parser.add_argument("--child", choices=MAKERS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    folder = options.OUTPUT or Path(tempfile.mkdtemp(prefix="fuzz_"))
    folder.mkdir(parents=True, exist_ok=True)
    if options.child:
        child(options.child, getattr(options, options.child), options.seed, folder)
        return 0
    faults: dict[str, str] = {}
    for kind in MAKERS:
        faults |= fuzz(kind, getattr(options, kind), options.seed, folder)
        faults |= through_commands(kind, options.commands, options.seed, folder)
    print("\n".join(f"{name}: {fault}" for name, fault in faults.items()))
    print(f"{len(faults)} faults" + (f", their files in {folder}" if faults else ""))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
