"""A page in Debian's Chromium, headless, without a network, and what it does that it should not."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

sync_api = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium")
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
installed = pytest.mark.skipif(
    not CHROMIUM and not os.environ.get("CI"), reason="no chromium; .ci/run installs it"
)


@contextmanager
def launched() -> Iterator[sync_api.Browser]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser
        browser.close()


def opened(
    browser: sync_api.Browser, path: Path, width: int = 1280
) -> tuple[sync_api.Page, list[str]]:
    """The page, and a list that collects what it should not do: errors, words on the console,
    requests.
    """
    page = browser.new_page(viewport={"width": width, "height": 800})
    faults = list[str]()
    page.on("console", lambda said: faults.append(said.text))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("dialog", lambda asked: faults.append(asked.message))
    page.on(
        "request",
        lambda asked: (
            faults.append(asked.url)
            if asked.url.split(":")[0] not in ("file", "data", "blob")
            else None
        ),
    )
    page.goto(path.as_uri())
    page.wait_for_selector("#table tbody tr")
    return page, faults
