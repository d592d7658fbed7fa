"""How large a report is, and how long it takes to open.

python -m benchmarks.report_page --count 2000

Made CT reformations, an untrained model of the default size, Chromium (Debian's chromium, with
playwright). Seconds are those from asking for the page until its first rows are there.
"""

import argparse
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import torch
from playwright.sync_api import sync_playwright

import errors
import predict
from CONFIG import Config
from data.preprocessing import Preprocessing
from phantoms import ct
from vit import checkpoint
from vit.checkpoint import Checkpoint
from vit.model import VisionTransformer

QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
)


def write_untrained(config: Config, path: Path) -> None:
    """Write the ViT.ckpt of a model with random weights."""
    torch.manual_seed(0)
    model = VisionTransformer(config)
    state = {f"model.{name}": value for name, value in model.state_dict().items()}
    preprocessing = Preprocessing(config.image_size, mean=0.3, std=0.3)
    contents = Checkpoint(config, ["normal", "abnormal"], preprocessing)
    checkpoint.save({**contents.plain(), "state_dict": state}, path)


def opening(page: Path) -> float:
    """Seconds until the browser shows the first rows of the table."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=QUIET)
        tab = browser.new_page()
        started = time.perf_counter()
        tab.goto(page.as_uri())
        tab.wait_for_selector("#table tbody tr canvas")
        seconds = time.perf_counter() - started
        browser.close()
    return seconds


def main(argv: list[str]) -> None:
    """Make a report, open it several times, and print the figures."""
    parser = argparse.ArgumentParser(
        "python -m benchmarks.report_page",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--count", type=int, default=2000, help="images")
    parser.add_argument("--opened", type=int, default=5, help="times that the page is opened")
    given = parser.parse_args(argv)
    config = Config().sized()
    with errors.ending_in_one_line(), tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ct.write(folder / "ct", given.count // 2, 2, config.image_size, 0)
        write_untrained(config, folder / "ViT.ckpt")
        page = folder / "report.html"
        images = str(folder / "ct" / "images")
        started = time.perf_counter()
        predict.main(["-p", images, "-k", str(folder / "ViT.ckpt"), "-o", str(page)])
        made = time.perf_counter() - started
        seconds = [opening(page) for _ in range(given.opened)]
        size = page.stat().st_size / 1e6
    print(
        f"{given.count} images of {config.image_size} px: made in {made:.0f} s, {size:.1f} MB, "
        f"opened in {statistics.median(seconds):.2f} s "
        f"({min(seconds):.2f} to {max(seconds):.2f})"
    )


if __name__ == "__main__":
    errors.run(main)
