"""An image opened in the report: map, peak, outline and facts are those of its data."""

import base64
import json
import re
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chromium import installed, opened, sync_api
from vit.checkpoint_gate import Plain

pytestmark = installed
BLOCK = re.compile(r'(?<=<script type="application/json" id="data">).*?(?=</script>)', re.DOTALL)


@pytest.fixture
def own(browser: sync_api.Browser, made: Path, tmp_path: Path) -> Iterator[sync_api.Page]:
    """The page of images whose data are written here; the open one is the surest, the last."""
    text = made.read_text(encoding="utf-8")
    found = BLOCK.search(text)
    assert found
    data: Plain = json.loads(found[0])
    for number, image in enumerate(data["images"]):
        image |= {
            "unlike": 1.5 if number < 2 else 0.5,
            "training": number < 3,
            "p": [1 - number / 80, number / 80],
        }
        image |= {
            "set": [[], ["normal"], ["normal", "abnormal"]][min(number, 2) if number < 4 else 1]
        }
        image |= {"truth": ["normal", "abnormal", ""][number % 3], "predicted": "normal"}
        image |= {"lesion": [[4, 8, 12, 8, 12, 20]], "more": {"scanner": f"S{number}"}}
    data["tops"] = {
        name: 1.0 + i
        for i, name in enumerate([*data["whole"], *(f"heads of {n}" for n in data["heads"])])
    }
    maps = [
        bytes([14 * number] * 16) for number in range(6 + 2 * data["layers"] * data["perLayer"])
    ]
    maps[0] = bytes(
        [9, 9, 200, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 255]
    )  # peak in row 0, column 2; the last left out
    data["images"][-1]["maps"] = base64.b64encode(zlib.compress(b"".join(maps))).decode()
    changed = text[: found.start()] + json.dumps(data).replace("<", "\\u003c") + text[found.end() :]
    (tmp_path / "own.html").write_text(changed, encoding="utf-8")
    page, faults = opened(browser, tmp_path / "own.html")
    page.locator("#table tbody button").first.click()
    page.wait_for_selector("#lines path")
    yield page
    page.close()
    assert faults == []


@pytest.mark.parametrize(
    ("start", "count"), [("all", 60), ("wrong", 20), ("uncertain", 3), ("unlike", 2), ("was", 3)]
)
def test_each_filter_shows_its_images_and_says_how_many(
    own: sync_api.Page, start: str, count: int
) -> None:
    own.click("#close")
    (name,) = [
        words
        for words in own.locator("#filter option").all_inner_texts()
        if words.startswith(start)
    ]
    own.select_option("#filter", label=name)
    assert name.endswith(f" ({count})")
    assert own.inner_text("#shown") == f"{count} of 60 images"


def test_the_cross_is_on_the_peak_of_the_map(own: sync_api.Page) -> None:
    cross, whole = (own.locator(place).bounding_box() for place in ("#lines path", "#lines"))
    assert cross
    assert whole
    assert (cross["x"] + cross["width"] / 2 - whole["x"]) / whole["width"] == pytest.approx(
        2.5 / 4, abs=0.01
    )
    assert (cross["y"] + cross["height"] / 2 - whole["y"]) / whole["height"] == pytest.approx(
        0.5 / 4, abs=0.01
    )


def test_a_known_lesion_is_outlined_unless_it_is_hidden(own: sync_api.Page) -> None:
    lesion, whole = (own.locator(place).bounding_box() for place in ("#lines polygon", "#lines"))
    assert lesion
    assert whole
    assert (lesion["x"] - whole["x"]) / whole["width"] == pytest.approx(4 / 32, abs=0.02)
    assert (lesion["y"] - whole["y"]) / whole["height"] == pytest.approx(8 / 32, abs=0.02)
    own.uncheck("#outline")
    own.wait_for_selector("#lines polygon", state="detached", timeout=5000)


def colours(page: sync_api.Page, y: int) -> list[list[int]]:
    """Those of a line of the map's 512 x 512, once it is drawn."""
    page.wait_for_timeout(80)
    page.evaluate("redraw()")
    line = list(
        page.evaluate(f"Array.from($('over').getContext('2d').getImageData(0, {y}, 512, 1).data)")
    )
    return [line[i : i + 3] for i in range(0, 2048, 4)]


@pytest.mark.parametrize(
    ("method", "layer", "head", "number", "top"),
    [
        ("relevance", "", "", 1, 2),
        ("rollout", "", "", 2, 3),
        ("grad-cam", "", "", 5, 6),
        ("attention", "", "", 9, 7),
        ("attention", "", "1", 11, 7),
        ("attention", "0", "", 6, 7),
        ("attention", "1", "0", 10, 7),
        ("relevance", "0", "", 12, 8),
        ("relevance", "0", "1", 14, 8),
        ("relevance", "1", "0", 16, 8),
    ],
)
def test_the_map_is_that_of_its_method_block_and_head(
    own: sync_api.Page, method: str, layer: str, head: str, number: int, top: int
) -> None:
    own.select_option("#method", method)
    for choice, value in (("#layer", layer), ("#head", head)):
        if value:
            own.select_option(choice, value)
    shade = 3 * round(14 * number * 255 / 254)
    assert colours(own, 256)[256] == own.evaluate(
        f"Array.from(colours.slice({shade}, {shade + 3}))"
    )
    assert own.inner_text("#top") == f"{top}.0 or more"


def test_a_patch_that_was_left_out_is_hatched(own: sync_api.Page) -> None:
    assert {x // 128 for x, colour in enumerate(colours(own, 444)) if colour == [120] * 3} == {3}


def test_what_is_known_of_an_image_stands_beside_it(own: sync_api.Page) -> None:
    lines = [" ".join(line.split()) for line in own.locator("#facts tr").all_inner_texts()]
    assert lines == [
        "truth not known",
        "predicted normal",
        "P(normal) 0.2625",
        "P(abnormal) 0.7375",
        "set at 90 % normal",
        "distance from the training images, limit 1 0.50",
        "scanner S59",
    ]
