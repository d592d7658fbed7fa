"""Files that somebody sends, thousands of them, changed at random.

python -m benchmarks.fuzz --images 2000 ...

Each is read in a child process that may take 2 GB beyond its libraries. Good is: it is read, or
refused with this project's own error, within 10 s of processor time. --commands of each kind go
through the command line as well: no traceback, no signal, nothing written beside the output. What
is not good is kept and listed; the status is then 1.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import CONFIG
import errors
from benchmarks.odd_files import PROJECT, odd_configuration, odd_file
from errors import UserError

SECONDS = 10
BYTES = 2 << 30
LONGEST = 2000  # characters in a line of an error
KINDS = {"configurations": 200, "images": 200, "dicom": 100, "checkpoints": 100}
ENVIRONMENT = {"PYTHONPATH": str(PROJECT), "OMP_NUM_THREADS": "1", "PATH": "/usr/bin:/bin"}
PREPARE = ["-m", "data.prepare", "--Path", "raw", "--OUTPUT", "out"]
Faults = dict[str, str]  # by name of the file


@dataclass(frozen=True)
class Kind:
    """A kind of file: the ending of its name, good ones, and what changes and reads them."""

    suffix: str
    seeds: list[bytes]
    make: Callable[[np.random.Generator, list[bytes]], bytes]
    read: Callable[[Path], object]

    def file(self, *seed: int) -> bytes:
        """A changed file, which depends on the numbers alone."""
        return self.make(np.random.default_rng(seed), self.seeds)


def kind_of(name: str) -> Kind:
    """One of KINDS, with no library in memory that it does not need."""
    if name == "configurations":
        return Kind("yml", [], odd_configuration, CONFIG.load)
    if name == "checkpoints":
        from benchmarks import odd_checkpoints as own  # slow: torch

        return Kind("ckpt", [own.checkpoint_seed()], own.odd_checkpoint, own.load)
    from benchmarks import odd_images  # slow: OpenCV and pydicom

    if name == "dicom":
        return Kind("dcm", odd_images.dicom_seeds(), odd_file, odd_images.read_dicom)
    return Kind("png", odd_images.image_seeds(), odd_file, odd_images.read_image)


def outcome(read: Callable[[Path], object], path: Path) -> tuple[str, str]:
    """How a reading ends, and its fault, if any."""
    try:
        read(path)
    except BaseException as error:
        said = type(error).__name__
        longest = max(map(len, str(error).splitlines()), default=LONGEST)
        good = isinstance(error, UserError) and longest < LONGEST
        return said, "" if good else f"{said}: {str(error)[:200]}"
    return "read", ""


def child(name: str, count: int, seed: int, folder: Path) -> None:
    """Read ``count`` changed files; print what came of each."""
    warnings.simplefilter("ignore")
    kind = kind_of(name)
    most = (_status("VmData:") << 10) + BYTES
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    for number in range(count):
        path = folder / f"{name}_{number}.{kind.suffix}"
        path.write_bytes(kind.file(seed, number))
        # unless another line follows
        print(json.dumps([path.name, "ended the process"]), flush=True)
        start = time.process_time()
        said, fault = outcome(kind.read, path)
        seconds = time.process_time() - start
        if seconds > SECONDS:
            fault = f"took {seconds:.0f} s"
        if not fault:
            path.unlink()
        print(json.dumps([path.name, fault, said, seconds]), flush=True)
    print(json.dumps(["peak", "", _status("VmHWM:") // 1024]), flush=True)


def _status(name: str) -> int:
    """A figure of this process [kB]."""
    return int(Path("/proc/self/status").read_text().split(name)[1].split()[0])


def fuzz(name: str, count: int, seed: int, folder: Path) -> Faults:
    """Faults by file.

    A process that ends is a fault of the file that it was at, and no other is read then.
    """
    own = ["--child", name, f"--{name}", str(count), "--seed", str(seed), "--OUTPUT", str(folder)]
    command = [sys.executable, "-m", "benchmarks.fuzz", *own]
    run = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True)
    told = [json.loads(line) for line in run.stdout.splitlines() if line.startswith("[")]
    done = {line[0]: line for line in told}  # the last word on each
    peak = done.pop("peak", ["", "", 0])[2]
    faults = {file: line[1] for file, line in done.items() if line[1]}
    if run.returncode:
        faults[f"{name}: process"] = f"status {run.returncode}: {run.stderr.strip()[-300:]}"
    ways = Counter(line[2] for line in done.values() if len(line) > 2)
    slowest = max((line[3] for line in done.values() if len(line) > 3), default=0)
    print(
        f"{name}: {len(done)} of {count}: {dict(ways)}; slowest {slowest:.1f} s of processor time; "
        f"peak {peak} MB; {len(faults)} faults"
    )
    return faults


def through_commands(name: str, count: int, seed: int, folder: Path) -> Faults:
    """Faults of the command line, by file.

    The folder of each run holds what it was given, and out/.
    """
    if not count:
        return {}
    kind = kind_of(name)
    weights = kind_of("checkpoints").seeds[0]
    picture = kind_of("images").seeds[0]
    faults = {}
    for number in range(count):
        here = folder / f"{name}_command_{number}"
        odd = f"odd.{kind.suffix}"
        if name in ("images", "dicom"):
            odd = f"raw/normal/{odd}"
        for label in ("normal", "abnormal"):
            (here / "raw" / label).mkdir(parents=True)
            (here / "raw" / label / "good.png").write_bytes(picture)
        if name != "checkpoints":
            (here / "ViT.ckpt").write_bytes(weights)
        (here / odd).write_bytes(kind.file(seed, 1, number))
        before = set(here.rglob("*"))
        for command in _commands(name, odd):
            words = [sys.executable, *command]
            run = subprocess.run(words, cwd=here, env=ENVIRONMENT, capture_output=True, text=True)
            last = (run.stderr.strip().splitlines() or ["nothing said"])[-1]
            if "Traceback" in run.stderr or run.returncode not in (0, 1):
                faults[f"{here.name}: {command[0]}"] = f"status {run.returncode}: {last[:200]}"
        after = {path for path in here.rglob("*") if "out" not in str(path.relative_to(here))}
        if more := after - before:
            faults[f"{here.name}: files"] = f"wrote {sorted(more)}"
    return faults


def _commands(name: str, odd: str) -> list[list[str]]:
    """The commands that meet a file of that kind."""
    weights = odd if name == "checkpoints" else "ViT.ckpt"
    places = ["--Path", "raw", "--Path_Checkpoint", weights, "--OUTPUT", "out/x.png"]
    predict = [str(PROJECT / "predict.py"), *places]
    if name == "checkpoints":
        return [predict]
    if name != "configurations":
        return [PREPARE, predict]
    keys = ["--phantoms", "none", "--data_folder", "none", "--OUTPUT", "out", "--device", "cpu"]
    train = [str(PROJECT / "train.py"), "--Config", odd, *keys]
    return [train, [*PREPARE, "--Config", odd]]


def main(argv: list[str]) -> int:
    """Read the files of every kind; the status is 1 if any is not good."""
    parser = argparse.ArgumentParser(
        "python -m benchmarks.fuzz",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for name, few in KINDS.items():
        parser.add_argument(f"--{name}", type=int, default=few, help=f"how many (default {few})")
    parser.add_argument(
        "--commands", type=int, default=0, help="of each kind, through the command line (default 0)"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--OUTPUT", type=Path, help="folder for the files that were not good (default: a new one)"
    )
    parser.add_argument("--child", choices=KINDS, help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    folder = options.OUTPUT or Path(tempfile.mkdtemp(prefix="fuzz_"))
    folder.mkdir(parents=True, exist_ok=True)
    if options.child:
        child(options.child, getattr(options, options.child), options.seed, folder)
        return 0
    faults: Faults = {}
    for name in KINDS:
        faults.update(fuzz(name, getattr(options, name), options.seed, folder))
        faults.update(through_commands(name, options.commands, options.seed, folder))
    for name, fault in faults.items():
        print(f"{name}: {fault}")
    print(f"{len(faults)} faults" + (f", their files in {folder}" if faults else ""))
    return 1 if faults else 0


if __name__ == "__main__":
    errors.run(main)
