"""How large a report is and how long it takes to open: python -m benchmarks.report_page --count
2000

Made CT reformations, an untrained model of the default size, Chromium (Debian's chromium, with
playwright). Seconds are those from asking for the page until its first rows are there.
"""

import argparse
import shutil
import statistics
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

import torch
from playwright.sync_api import sync_playwright

import predict
from CONFIG import Config
from phantoms import ct
from vit import checkpoint


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=2000, help="images")
    parser.add_argument("--opened", type=int, default=5, help="times that the page is opened")
    given = parser.parse_args()
    config = asdict(Config())
    torch.manual_seed(0)
    state = {
        f"model.{name}": value
        for name, value in checkpoint.build_model(config).state_dict().items()
    }
    how = {
        "image_size": config["image_size"],
        "mean": 0.3,
        "std": 0.3,
        "border": 0.0,
        "stretch": False,
    }
    about = {
        "format_version": checkpoint.FORMAT,
        "state_dict": state,
        "config": config,
        "preprocessing": how,
        "class_names": ["normal", "abnormal"],
        "threshold": 0.5,
        "temperature": 1.0,
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ct.write(folder / "ct", given.count // 2, 2, config["image_size"], 0)
        checkpoint.save(about, folder / "ViT.ckpt")
        started = time.perf_counter()
        where = [
            "-p",
            str(folder / "ct" / "images"),
            "-k",
            str(folder / "ViT.ckpt"),
            "-o",
            str(folder / "report.html"),
        ]
        predict.main(where)
        made = time.perf_counter() - started
        page = folder / "report.html"
        seconds = [opening(page) for _ in range(given.opened)]
        print(
            f"{given.count} images of {config['image_size']} px: made in {made:.0f} s, "
            f"{page.stat().st_size / 1e6:.1f} MB, opened in {statistics.median(seconds):.2f} s "
            f"({min(seconds):.2f} to {max(seconds):.2f})"
        )


def opening(page: Path) -> float:
    quiet = [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--disable-component-update",
    ]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=quiet)
        tab = browser.new_page()
        started = time.perf_counter()
        tab.goto(page.as_uri())
        tab.wait_for_selector("#table tbody tr canvas")
        seconds = time.perf_counter() - started
        browser.close()
    return seconds


if __name__ == "__main__":
    main()
