"""The page of report.app beside predict.py: the same pictures, file by file.

python -m benchmarks.app --model ViT.ckpt --Path ../shared/datasets/arcade_windows/val \
    ../shared/datasets/xa_run --pydicom 200

All pictures are dropped at once on app.html, in Chromium, from disk and without a network. Each
file is also given to vit.load(...).predict by itself. Said are the greatest difference of a
probability and of a distance, decisions, prediction sets and marks that differ, files that only one
of the two takes, seconds until the first answer, pictures a second, requests and words on the
console.
"""

import argparse
import csv
import io
import shutil
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import pydicom
from playwright.sync_api import Page, sync_playwright

import errors
import vit
from report import app
from vit.predictor import Predictor

QUIET = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")
WITHOUT_NETWORK = ("file", "blob", "data")
LONGEST = 600_000  # milliseconds
Answers = dict[Path, dict[str, str]]  # rows of predictions.csv; a refusal under "refused"


@dataclass
class Seen:
    """What the page did with the files."""

    answers: Answers
    first: float
    seconds: float
    faults: list[str] = field(default_factory=list)


def files_of(paths: list[Path], of_pydicom: int) -> list[Path]:
    """The files of folders, and so many of those that pydicom brings for its own tests."""
    found = [file for path in paths for file in ([path] if path.is_file() else path.rglob("*"))]
    brought = Path(pydicom.__file__).parent / "data" / "test_files"
    dicom = [path for path in sorted(brought.rglob("*")) if path.suffix in (".dcm", "")]
    files = [*sorted(found), *[path for path in dicom if path.is_file()][:of_pydicom]]
    return [path for path in files if path.is_file()]


def asked(predictor: Predictor, files: list[Path]) -> Answers:
    """What predict.py says of each file alone."""
    answers: Answers = {}
    for file in files:
        try:
            (answer,) = predictor.predict(file)
            answers[file] = answer.row()
        except errors.UserError as error:
            answers[file] = {"refused": str(error).splitlines()[0]}
    return answers


def dropped(page: Page, files: list[Path], folder: Path) -> Seen:
    """What the page says of the files, each under a name of its own."""
    names = {}
    for number, file in enumerate(files):
        names[f"{number}-{file.name}"] = file
        shutil.copy(file, folder / f"{number}-{file.name}")
    started = time.perf_counter()
    page.set_input_files("#pictures", [folder / name for name in names])
    page.locator("#table tbody tr").first.wait_for(timeout=LONGEST)
    first = time.perf_counter() - started
    page.locator("#state", has_text=f"{len(files)} of").wait_for(timeout=LONGEST)
    seconds = time.perf_counter() - started
    with page.expect_download() as saved:
        page.click("#save")
    text = Path(saved.value.path()).read_text(encoding="utf-8")
    rows = csv.DictReader(io.StringIO(text))
    return Seen({names[row["path"]]: row for row in rows}, first, seconds)


def in_browser(html: Path, files: list[Path]) -> Seen:
    """The page opened from disk, without a network."""
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as name:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=QUIET)
        context = browser.new_context(offline=True)
        page = context.new_page()
        faults: list[str] = []
        page.on("console", lambda said: faults.append(f"console: {said.text}"))
        page.on("pageerror", lambda error: faults.append(f"error: {error}"))
        page.on(
            "request",
            lambda asked: (
                None if asked.url.split(":")[0] in WITHOUT_NETWORK else faults.append(asked.url)
            ),
        )
        page.goto(html.as_uri())
        page.locator("#loading:empty").wait_for(state="attached", timeout=LONGEST)
        seen = dropped(page, files, Path(name))
        browser.close()
    seen.faults = faults
    return seen


def compared(ours: Answers, theirs: Answers) -> list[str]:
    """Lines on what differs."""
    both = [file for file in ours if not (ours[file].get("refused") or theirs[file]["refused"])]
    shares = [name for name in ours[both[0]] if name.startswith("probability_")]

    def apart(columns: list[str]) -> float:
        numbers = [(ours[file][name], theirs[file][name]) for file in both for name in columns]
        return max((abs(float(one) - float(other)) for one, other in numbers if one), default=0.0)

    lines = [
        f"{len(ours)} files, {len(both)} taken by both",
        f"greatest difference of a probability {apart(shares):.2g}, "
        f"of a distance {apart(['unlike']):.2g}",
    ]
    for column in ("predicted", "set", "in_training"):
        differ = [file.name for file in both if ours[file][column] != theirs[file][column]]
        lines.append(f"{column} differs: {len(differ)} {' '.join(differ[:5])}")
    for file, answer in ours.items():
        here, there = answer.get("refused", ""), theirs[file]["refused"]
        if bool(here) != bool(there):
            who = "the page" if there else "predict.py"
            lines.append(f"only {who} refuses {file.name}: {there or here}")
    return lines


def main(argv: list[str]) -> None:
    """Make the page, show it all files, and print what differs."""
    parser = argparse.ArgumentParser(
        "python -m benchmarks.app",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--model", type=Path, required=True, help="ViT.ckpt or model.onnx")
    parser.add_argument("--Path", type=Path, nargs="+", default=[], help="folders or files")
    parser.add_argument("--pydicom", type=int, default=0, help="so many of pydicom's own files")
    given = parser.parse_args(argv)
    with errors.ending_in_one_line(), tempfile.TemporaryDirectory() as name:
        html = Path(name) / "app.html"
        app.main([str(given.model), "--OUTPUT", str(html)])
        files = files_of(given.Path, given.pydicom)
        seen = in_browser(html, files)
        lines = compared(asked(vit.load(given.model), files), seen.answers)
        size = html.stat().st_size / 1e6
    print("\n".join(lines))
    print(
        f"page of {size:.1f} MB; first answer after {seen.first:.2f} s, "
        f"{len(files) / seen.seconds:.1f} files a second"
    )
    print(f"requests, errors and words on the console: {seen.faults or 'none'}")


if __name__ == "__main__":
    errors.run(main)
