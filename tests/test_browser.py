"""The report in a real browser: its table, what opens an image, keyboard, widths, print."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import predict
from tests.chromium import installed, opened, sync_api
from tests.conftest import SHARED, contents
from tests.made_report import HOSTILE
from vit import checkpoint

pytestmark = installed


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
def test_text_that_is_marked_elsewhere_does_not_keep_an_image_shut(
    page: sync_api.Page, what: str
) -> None:
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
    assert (
        page.locator("#table tbody tr").count() == page.locator("#table tbody .wrong").count() > 0
    )
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
        ("#method", "relevance"),
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
    assert pixels(page) == seen[3]


def test_the_map_is_as_bright_as_its_values(page: sync_api.Page) -> None:
    page.locator("#table tbody button").first.click()
    pixels(page)
    peak = page.evaluate("""async () => {
        const image = state.list[0], map = (await mapsOf(image)).subarray(0, CELLS);
        const best = map.indexOf(Math.max(...map)), [rows, columns] = data.grid;
        const x = ((best % columns) + 0.5) * 512 / columns;
        const y = (Math.floor(best / columns) + 0.5) * 512 / rows;
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
def test_nothing_is_wider_than_the_screen(
    browser: sync_api.Browser, made: Path, width: int
) -> None:
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


@pytest.mark.skipif(not SHARED.is_dir(), reason="no ../shared")
def test_the_report_of_real_windows_is_small_and_works(
    browser: sync_api.Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:

    checkpoint.save(contents(), tmp_path / "ViT.ckpt")
    monkeypatch.chdir(tmp_path)
    predict.main(
        ["-p", str(SHARED / "arcade_windows" / "val"), "-k", "ViT.ckpt", "-o", "report.html"]
    )
    assert (tmp_path / "report.html").stat().st_size < 25_000_000
    page, faults = opened(browser, tmp_path / "report.html")
    assert page.inner_text("#shown") == "342 of 342 images"
    page.locator("#table tbody button").nth(5).click()
    for _ in range(20):
        page.keyboard.press("ArrowRight")
    assert page.inner_text("#place") == "26 of 342"
    page.close()
    assert faults == []
