"""The report in a real browser: Debian's Chromium, headless, without a network."""

import base64
import json
import os
import re
import shutil
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import SHARED, contents
from tests.made_report import HOSTILE, report

sync_api = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium")
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]  # fmt: skip
pytestmark = pytest.mark.skipif(not CHROMIUM and not os.environ.get("CI"), reason="no chromium; .ci/run installs it")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return report(tmp_path_factory.mktemp("report"), count=30)


@pytest.fixture(scope="module")
def browser() -> Iterator[sync_api.Browser]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser
        browser.close()


def opened(browser: sync_api.Browser, path: Path, width: int = 1280) -> tuple[sync_api.Page, list[str]]:
    """The page, and a list that collects what it should not do: errors, words on the console, requests."""
    page, faults = browser.new_page(viewport={"width": width, "height": 800}), list[str]()
    page.on("console", lambda said: faults.append(said.text))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("dialog", lambda asked: faults.append(asked.message))
    page.on(
        "request",
        lambda asked: faults.append(asked.url) if asked.url.split(":")[0] not in ("file", "data", "blob") else None,
    )
    page.goto(path.as_uri())
    page.wait_for_selector("#table tbody tr")
    return page, faults


@pytest.fixture
def page(browser: sync_api.Browser, made: Path) -> Iterator[sync_api.Page]:
    page, faults = opened(browser, made)
    yield page
    page.wait_for_timeout(100)
    page.close()
    assert faults == []


def column(page: sync_api.Page, name: str) -> list[str]:
    return page.locator(f'#table tbody td[data-column="{name}"]').all_inner_texts()


def pixels(page: sync_api.Page) -> str:
    page.wait_for_timeout(80)
    return str(page.evaluate("document.getElementById('over').toDataURL()"))


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("what", ["canvas", 'td[data-column="probability"]', "button"])
def test_a_click_on_an_image_its_map_or_its_row_opens_it(
    browser: sync_api.Browser, made: Path, what: str, width: int
) -> None:
    page, faults = opened(browser, made, width)
    row = page.locator("#table tbody tr").nth(2)
    name = row.locator("button").inner_text()
    row.locator(what).click()
    assert page.locator("dialog[open] #name").inner_text() == name
    assert faults == []
    page.close()


@pytest.mark.parametrize("what", ["canvas", "button"])
def test_text_that_is_marked_elsewhere_does_not_keep_an_image_shut(page: sync_api.Page, what: str) -> None:
    page.evaluate("getSelection().selectAllChildren(document.querySelector('h2'))")
    page.locator("#table tbody tr").first.locator(what).click()
    assert page.locator("dialog[open]").count() == 1


def test_closing_an_image_leaves_the_keyboard_at_its_name(page: sync_api.Page) -> None:
    page.locator("#table tbody tr").nth(1).locator("canvas").click()
    page.keyboard.press("Escape")
    name = page.locator("#table tbody tr").nth(1).locator("button").inner_text()
    assert page.evaluate("document.activeElement.textContent") == name


def test_text_can_be_marked_without_opening_its_image(page: sync_api.Page) -> None:
    place = page.locator('#table tbody td[data-column="predicted"] span').first.bounding_box()
    page.mouse.move(place["x"] + 1, place["y"] + place["height"] / 2)
    page.mouse.down()
    page.mouse.move(place["x"] + place["width"] - 1, place["y"] + place["height"] / 2)
    page.mouse.up()
    assert page.evaluate("getSelection().toString()")
    assert page.locator("dialog[open]").count() == 0


def test_rows_are_sorted_by_probability_and_by_a_click(page: sync_api.Page) -> None:
    shares = [float(text) for text in column(page, "probability")]
    assert shares == sorted(shares, reverse=True)
    page.click('#table th[data-column="name"] button')
    names = column(page, "name")
    assert names == sorted(names)
    assert page.get_attribute('#table th[data-column="name"]', "aria-sort") == "ascending"
    page.click('#table th[data-column="name"] button')
    assert column(page, "name")[0] > names[-1]


def test_wrong_ones_alone_can_be_shown_and_pages_turned(page: sync_api.Page) -> None:
    assert page.inner_text("#page") == "page 1 of 3"
    page.click("#after")
    assert page.inner_text("#page") == "page 2 of 3"
    page.select_option("#filter", "wrong")
    assert page.locator("#table tbody tr").count() == page.locator("#table tbody .wrong").count() > 0
    assert page.inner_text("#page").startswith("page 1 of")


def test_a_name_can_be_searched(page: sync_api.Page) -> None:
    page.fill("#search", "P07")
    assert page.inner_text("#shown") == "2 of 60 images"
    assert {text.strip() for text in column(page, "name")} == {"normal/p07.png", "abnormal/p07.png"}


def test_everything_works_by_keyboard(page: sync_api.Page) -> None:
    page.click('#table th[data-column="name"] button')
    names = column(page, "name")
    page.locator("#table tbody button").first.focus()
    page.keyboard.press("Enter")
    assert page.inner_text("#name") == names[0]
    page.keyboard.press("ArrowRight")
    assert page.inner_text("#name") == names[1]
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    assert page.inner_text("#name") == names[0]
    page.focus("#opacity")
    page.keyboard.press("End")
    assert page.eval_on_selector("#over", "canvas => canvas.style.opacity") == "1"
    assert page.inner_text("#name") == names[0]
    page.keyboard.press("Escape")
    assert not page.locator("#detail").is_visible()


def test_the_slider_fades_the_map(page: sync_api.Page) -> None:
    page.locator("#table tbody button").first.click()
    page.fill("#opacity", "25")
    assert page.eval_on_selector("#over", "canvas => canvas.style.opacity") == "0.25"


def test_method_block_and_head_change_the_map(page: sync_api.Page) -> None:
    page.locator("#table tbody button").first.click()
    seen = [pixels(page)]
    for choice, value in (
        ("#layer", "0"),
        ("#head", "1"),
        ("#method", "attention"),
        ("#method", "rollout"),
        ("#method", "grad-cam"),
    ):
        page.select_option(choice, value)
        seen.append(pixels(page))
    assert len(set(seen)) == len(seen)
    assert page.locator("#head").is_disabled()
    page.select_option("#method", "relevance")
    assert pixels(page) == seen[2]


def test_the_map_is_as_bright_as_its_values(page: sync_api.Page) -> None:
    page.locator("#table tbody button").first.click()
    pixels(page)
    peak = page.evaluate("""async () => {
        const image = state.list[0], map = (await mapsOf(image)).subarray(0, CELLS);
        const best = map.indexOf(Math.max(...map)), [rows, columns] = data.grid;
        const x = ((best % columns) + 0.5) * 512 / columns, y = (Math.floor(best / columns) + 0.5) * 512 / rows;
        const seen = $("over").getContext("2d").getImageData(x, y, 1, 1).data;
        const colour = 3 * Math.round(map[best] * 255 / 254);
        return [Array.from(seen.slice(0, 3)), Array.from(colours.slice(colour, colour + 3))];
    }""")
    assert all(abs(one - two) <= 8 for one, two in zip(*peak, strict=True))


def test_hostile_names_run_nothing(page: sync_api.Page) -> None:
    page.fill("#search", "hacked")
    assert HOSTILE in column(page, "name")[0]
    page.locator("#table tbody button").first.click()
    page.wait_for_timeout(100)
    assert page.evaluate("typeof hacked") == "undefined"


@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_is_wider_than_the_screen(browser: sync_api.Browser, made: Path, width: int) -> None:
    page, faults = opened(browser, made, width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.locator("#table tbody button").first.click()
    box = page.locator("#detail").bounding_box()
    assert box and box["width"] <= width
    assert page.eval_on_selector("#detail", "part => part.scrollWidth <= part.clientWidth + 1")
    page.close()
    assert faults == []


def test_printed_it_has_the_images_and_every_key_of_the_configuration(page: sync_api.Page) -> None:
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("details:not([open])").count() == 0
    assert page.locator("#table tbody tr").first.is_visible()
    assert not page.locator("nav").is_visible()
    assert len(page.pdf()) > 20_000


BLOCK = re.compile(r'(?<=<script type="application/json" id="data">).*?(?=</script>)', re.DOTALL)


@pytest.fixture
def own(browser: sync_api.Browser, made: Path, tmp_path: Path) -> Iterator[sync_api.Page]:
    """The page of images whose data are written here; the open one is the surest, the last."""
    text = made.read_text(encoding="utf-8")
    found = BLOCK.search(text)
    assert found
    data: dict[str, Any] = json.loads(found[0])
    for number, image in enumerate(data["images"]):
        image |= {"unlike": 1.5 if number < 2 else 0.5, "training": number < 3, "p": [1 - number / 80, number / 80]}
        image |= {"set": [[], ["normal"], ["normal", "abnormal"]][min(number, 2) if number < 4 else 1]}
        image |= {"truth": ["normal", "abnormal", ""][number % 3], "predicted": "normal"}
        image |= {"lesion": [[4, 8, 12, 8, 12, 20]], "more": {"scanner": f"S{number}"}}
    data["tops"] = {name: 1.0 + i for i, name in enumerate([*data["whole"], *(f"heads of {n}" for n in data["heads"])])}
    maps = [bytes([14 * number] * 16) for number in range(5 + 2 * data["layers"] * data["perLayer"])]
    maps[0] = bytes([9, 9, 200, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 255])  # peak in row 0, column 2; the last left out
    data["images"][-1]["maps"] = base64.b64encode(zlib.compress(b"".join(maps))).decode()
    changed = text[: found.start()] + json.dumps(data).replace("<", "\\u003c") + text[found.end() :]
    (tmp_path / "own.html").write_text(changed, encoding="utf-8")
    page, faults = opened(browser, tmp_path / "own.html")
    page.locator("#table tbody button").first.click()
    page.wait_for_selector("#lines path")
    yield page
    page.close()
    assert faults == []


@pytest.mark.parametrize(("start", "count"), [("all", 60), ("wrong", 20), ("uncertain", 3), ("unlike", 2), ("was", 3)])
def test_each_filter_shows_its_images_and_says_how_many(own: sync_api.Page, start: str, count: int) -> None:
    own.click("#close")
    (name,) = [words for words in own.locator("#filter option").all_inner_texts() if words.startswith(start)]
    own.select_option("#filter", label=name)
    assert name.endswith(f" ({count})")
    assert own.inner_text("#shown") == f"{count} of 60 images"


def test_the_cross_is_on_the_peak_of_the_map(own: sync_api.Page) -> None:
    cross, whole = (own.locator(place).bounding_box() for place in ("#lines path", "#lines"))
    assert cross
    assert whole
    assert (cross["x"] + cross["width"] / 2 - whole["x"]) / whole["width"] == pytest.approx(2.5 / 4, abs=0.01)
    assert (cross["y"] + cross["height"] / 2 - whole["y"]) / whole["height"] == pytest.approx(0.5 / 4, abs=0.01)


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
    line = list(page.evaluate(f"Array.from($('over').getContext('2d').getImageData(0, {y}, 512, 1).data)"))
    return [line[i : i + 3] for i in range(0, 2048, 4)]


@pytest.mark.parametrize(
    ("method", "layer", "head", "number", "top"),
    [
        ("rollout", "", "", 1, 2), ("grad-cam", "", "", 4, 5), ("attention", "", "", 8, 6),
        ("attention", "", "1", 10, 6), ("attention", "0", "", 5, 6), ("attention", "1", "0", 9, 6),
        ("relevance", "0", "", 11, 7), ("relevance", "0", "1", 13, 7), ("relevance", "1", "0", 15, 7),
    ],
)  # fmt: skip
def test_the_map_is_that_of_its_method_block_and_head(
    own: sync_api.Page, method: str, layer: str, head: str, number: int, top: int
) -> None:
    own.select_option("#method", method)
    for choice, value in (("#layer", layer), ("#head", head)):
        if value:
            own.select_option(choice, value)
    shade = 3 * round(14 * number * 255 / 254)
    assert colours(own, 256)[256] == own.evaluate(f"Array.from(colours.slice({shade}, {shade + 3}))")
    assert own.inner_text("#top") == f"{top}.0 or more"


def test_a_patch_that_was_left_out_is_hatched(own: sync_api.Page) -> None:
    assert {x // 128 for x, colour in enumerate(colours(own, 444)) if colour == [120] * 3} == {3}


def test_what_is_known_of_an_image_stands_beside_it(own: sync_api.Page) -> None:
    lines = [" ".join(line.split()) for line in own.locator("#facts tr").all_inner_texts()]
    assert lines == [
        "truth not known", "predicted normal", "P(normal) 0.2625", "P(abnormal) 0.7375", "set at 90 % normal",
        "distance from the training images, limit 1 0.50", "scanner S59",
    ]  # fmt: skip


@pytest.mark.skipif(not SHARED.is_dir(), reason="no ../shared")
def test_the_report_of_real_windows_is_small_and_works(
    browser: sync_api.Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import predict
    from vit import checkpoint

    checkpoint.save(contents(), tmp_path / "ViT.ckpt")
    monkeypatch.chdir(tmp_path)
    predict.main(["-p", str(SHARED / "arcade_windows" / "val"), "-k", "ViT.ckpt", "-o", "report.html"])
    assert (tmp_path / "report.html").stat().st_size < 25_000_000
    page, faults = opened(browser, tmp_path / "report.html")
    assert page.inner_text("#shown") == "342 of 342 images"
    page.locator("#table tbody button").nth(5).click()
    for _ in range(20):
        page.keyboard.press("ArrowRight")
    assert page.inner_text("#place") == "26 of 342"
    page.close()
    assert faults == []
