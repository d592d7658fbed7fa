"""app.html of a small made model, and how a test gives it files and reads what it says."""

import csv
import io
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from report import app
from tests.chromium import sync_api
from tests.conftest import CONFIGURATION, contents
from vit import checkpoint, export, familiarity
from vit.model import VisionTransformer

WITHOUT_NETWORK = ("file", "blob", "data")
Row = dict[str, str]


def model(folder: Path, labels: tuple[str, ...] = ("normal", "abnormal"), **changes: Any) -> Path:
    """A ViT.ckpt, its model.onnx beside it, whose probabilities change with every pixel."""
    config = replace(
        CONFIGURATION, num_classes=len(labels), initializer_range=0.5, num_hidden_layers=1
    )
    torch.manual_seed(3)
    network = VisionTransformer(config).eval()
    usual = torch.randn(30, 1, config.image_size, config.image_size)
    near = familiarity.fit(network, [usual[:20]], [usual[20:]]).state_dict()
    plain = contents(
        class_names=list(labels),
        config=asdict(config),
        state_dict={f"model.{name}": value for name, value in network.state_dict().items()},
        familiarity=[near],
        conformal_scores={name: np.linspace(0.3, 0.7, 20).tolist() for name in labels},
    )
    checkpoint.save(plain | changes, folder / "ViT.ckpt")
    graph = folder / "model.onnx"
    graph.write_bytes(export.export(checkpoint.load(folder / "ViT.ckpt")))
    return graph


def page_of(graph: Path) -> Path:
    """app.html beside a graph."""
    html = graph.with_name("app.html")
    app.main([str(graph), "--OUTPUT", str(html)])
    return html


def opened(
    browser: sync_api.Browser, html: Path, width: int = 1280, is_ready: bool = True
) -> tuple[sync_api.Page, list[str]]:
    """The page without a network, and a list of what it does that it should not."""
    context = browser.new_context(offline=True, viewport={"width": width, "height": 800})
    page = context.new_page()
    faults = list[str]()
    page.on("console", lambda said: faults.append(said.text))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("dialog", lambda asked: faults.append(asked.message))
    page.on(
        "request",
        lambda asked: (
            None if asked.url.split(":")[0] in WITHOUT_NETWORK else faults.append(asked.url)
        ),
    )
    page.goto(html.as_uri())
    if is_ready:
        page.locator("#loading:empty").wait_for(state="attached")
    return page, faults


def give(page: sync_api.Page, files: list[Path], total: int | None = None) -> None:
    """Choose files, and wait until all are read."""
    page.set_input_files("#pictures", files)
    count = total or len(files)
    page.locator("#state", has_text=f"{count} of {count} file").wait_for()


def drop(page: sync_api.Page, paths: list[Path]) -> None:
    """Drop files and folders on the page, as a hand with a mouse does."""
    area = page.locator("#drop").bounding_box()
    assert area
    session = page.context.new_cdp_session(page)
    files = [str(path) for path in paths]
    what = {"items": [], "files": files, "dragOperationsMask": 1}
    place = {"x": area["x"] + 20, "y": area["y"] + 20}
    for kind in ("dragEnter", "dragOver", "drop"):
        session.send("Input.dispatchDragEvent", {"type": kind, **place, "data": what})


def saved(page: sync_api.Page) -> str:
    """The text of the CSV file."""
    with page.expect_download() as download:
        page.click("#save")
    return Path(download.value.path()).read_text(encoding="utf-8")


def rows_of(page: sync_api.Page) -> dict[str, Row]:
    """The rows of the CSV file, by the name of the picture."""
    return {row["path"]: row for row in csv.DictReader(io.StringIO(saved(page), newline=""))}
