"""app.html in a real browser: what it says beside predict.py, and what it does not do."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

import vit
from errors import UserError
from tests import app_files
from tests.chromium import installed
from tests.made_app import Row, drop, give, model, opened, page_of, rows_of, saved

pytestmark = installed
GOOD = {**app_files.pngs(), **app_files.jpegs(), **app_files.dicoms()}
BOTH_REFUSE = app_files.both_refuse()
PAGE_REFUSES = app_files.page_refuses()


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return model(tmp_path_factory.mktemp("app"))


@pytest.fixture(scope="module")
def html(graph: Path) -> Path:
    return page_of(graph)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    app_files.write(folder, GOOD | BOTH_REFUSE | PAGE_REFUSES)
    return folder


@pytest.fixture(scope="module")
def answers(browser: Any, html: Path, files: Path) -> dict[str, Row]:
    """What the page says of all made files, which were given at once."""
    page, faults = opened(browser, html)
    give(page, sorted(files.iterdir()))
    rows = rows_of(page)
    page.context.close()
    assert faults == []
    return rows


@pytest.fixture(scope="module")
def tab(browser: Any, html: Path) -> Iterator[tuple[Any, list[str]]]:
    """One page for many tests, for the model takes a while to start."""
    page, faults = opened(browser, html)
    yield page, faults
    page.context.close()


@pytest.fixture
def page(tab: tuple[Any, list[str]]) -> Iterator[Any]:
    """The page, empty as it was opened."""
    page, faults = tab
    yield page
    page.wait_for_timeout(50)
    if page.locator("#detail").is_visible():
        page.click("#close")
    page.click("#clear")
    assert faults == []
    faults.clear()


@pytest.mark.parametrize("name", GOOD)
def test_the_page_says_what_predict_says(
    graph: Path, files: Path, answers: dict[str, Row], name: str
) -> None:
    (wanted,) = vit.load(graph).predict(files / name)
    got, row = answers[name], wanted.row()
    assert got["refused"] == ""
    for label in ("normal", "abnormal"):
        column = f"probability_{label}"
        assert float(got[column]) == pytest.approx(float(row[column]), abs=2e-5)
    assert float(got["unlike"]) == pytest.approx(float(row["unlike"]), abs=2e-3)
    assert (got["predicted"], got["set"]) == (row["predicted"], row["set"])
    assert got["in_training"] == row["in_training"]


def test_the_made_pictures_tell_a_model_apart(answers: dict[str, Row]) -> None:
    shares = {answers[name]["probability_abnormal"] for name in GOOD}
    assert len(shares) > len(GOOD) / 2
    assert max(map(float, shares)) - min(map(float, shares)) > 0.1


@pytest.mark.parametrize("name", BOTH_REFUSE)
def test_what_predict_refuses_the_page_refuses_in_one_line(
    graph: Path, files: Path, answers: dict[str, Row], name: str
) -> None:
    with pytest.raises(UserError):
        vit.load(graph).predict(files / name)
    assert answers[name]["refused"]
    assert answers[name]["predicted"] == ""


@pytest.mark.parametrize("name", PAGE_REFUSES)
def test_what_the_page_is_not_sure_of_is_left_to_predict(
    graph: Path, files: Path, answers: dict[str, Row], name: str
) -> None:
    assert len(vit.load(graph).predict(files / name)) == 1
    assert "use predict.py" in answers[name]["refused"]


def test_a_dropped_folder_is_read_without_what_is_hidden(page: Any, tmp_path: Path) -> None:
    inside = tmp_path / "patients" / "p1"
    inside.mkdir(parents=True)
    app_files.write(inside, {"a.png": GOOD["grey8.png"], ".hidden.png": GOOD["grey8.png"]})
    app_files.write(tmp_path, {"b.jpg": GOOD["grey.jpg"], "words.txt": b"words"})
    drop(page, [tmp_path / "patients", tmp_path / "b.jpg", tmp_path / "words.txt"])
    page.locator("#state", has_text="3 of 3 files").wait_for()
    rows = rows_of(page)
    assert set(rows) == {"patients/p1/a.png", "b.jpg", "words.txt"}
    assert "no readable picture" in rows["words.txt"]["refused"]
    assert "1 hidden files" in page.inner_text("#notes")


@pytest.fixture
def listener() -> Iterator[tuple[str, list[str]]]:
    """The address of a server on this machine, and what it was asked for."""
    asked = list[str]()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(204)
            self.end_headers()

        do_POST = do_GET

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()


TRY_ALL = """async (address) => {
    const image = new Image();
    const seen = new Promise((done) => { image.onload = image.onerror = done; });
    image.src = `${address}/image`;
    navigator.sendBeacon(`${address}/beacon`, "x");
    const code = `fetch("${address}/worker", { mode: "no-cors" }).then(() => postMessage("sent"),
        () => postMessage("refused"))`;
    const worker = new Worker(URL.createObjectURL(new Blob([code])));
    const ofWorker = await new Promise((done) => { worker.onmessage = ({ data }) => done(data); });
    const own = await fetch(`${address}/fetch`, { mode: "no-cors" }).then(
        () => "sent", () => "refused");
    await seen;
    return [own, ofWorker];
}"""


def test_no_connection_can_be_made(
    browser: Any, html: Path, listener: tuple[str, list[str]], tmp_path: Path
) -> None:
    address, asked = listener
    page = browser.new_page()
    page.goto(html.as_uri())
    assert page.evaluate(TRY_ALL, address) == ["refused", "refused"]
    page.wait_for_timeout(200)
    assert asked == []
    free = tmp_path / "free.html"  # a page without the policy, which tells that the test can see
    free.write_text("<!doctype html>")
    page.goto(free.as_uri())
    assert page.evaluate(TRY_ALL, address) == ["sent", "sent"]
    page.wait_for_timeout(200)
    assert sorted(asked) == ["/beacon", "/fetch", "/image", "/worker"]
    page.close()


def test_hostile_names_stay_text(page: Any, tmp_path: Path) -> None:
    names = [app_files.HOSTILE, "a\nb.png", "\u202egnp.a.png", "x" * 240 + ".png", "=1+1.png"]
    app_files.write(tmp_path, dict.fromkeys(names, GOOD["grey8.png"]))
    give(page, [tmp_path / name for name in names])
    shown = page.locator('#table td[data-column="name"] button').all_inner_texts()
    assert app_files.HOSTILE in shown
    assert {"a\\nb.png", "\\u202egnp.a.png"} <= set(shown)
    assert page.evaluate("typeof hacked") == "undefined"
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280
    text = saved(page)
    assert "\n'=1+1.png," in text
    assert "a\\nb.png" in text


def test_a_file_that_is_too_large_is_refused_before_it_is_read(page: Any, tmp_path: Path) -> None:
    path = tmp_path / "large.dcm"
    with path.open("wb") as file:
        file.truncate(3_000_000_000)
    give(page, [path])
    assert "got 3000000000 bytes" in page.inner_text("#refused-rows")


def test_the_page_goes_on_after_what_it_refuses(page: Any, files: Path) -> None:
    give(page, [files / name for name in BOTH_REFUSE])
    give(page, [files / "grey8.png"], len(BOTH_REFUSE) + 1)
    assert page.locator("#table tbody tr").count() == 1
    assert page.locator("#refused-rows tr").count() == len(BOTH_REFUSE)


def test_a_run_shows_each_frame_and_takes_one_into_the_table(page: Any, files: Path) -> None:
    give(page, [files / "run.dcm"])
    assert rows_of(page)["run.dcm"]["frame"] == "2"
    page.locator("#table tbody button").click()
    page.locator("#reading:empty").wait_for(state="attached")
    before = page.inner_text("#facts")
    page.fill("#frame", "0")
    page.locator("#take").wait_for()
    assert page.inner_text("#frame-name") == "Frame 1 of 4"
    assert page.inner_text("#facts") != before
    assert rows_frame(page) == "2"
    page.click("#take")
    assert page.inner_text("#kept") == "The table has frame 1."
    assert rows_frame(page) == "0"


def rows_frame(page: Any) -> str:
    page.click("#close")
    frame = rows_of(page)["run.dcm"]["frame"]
    page.locator("#table tbody button").click()
    page.locator("#reading:empty").wait_for(state="attached")
    if frame == "2":
        page.fill("#frame", "0")
        page.locator("#take").wait_for()
    return frame


def test_a_picture_unlike_the_training_images_carries_a_warning(page: Any, files: Path) -> None:
    give(page, [files / "grey8.png"])
    assert float(rows_of(page)["grey8.png"]["unlike"]) > 1
    assert "unlike the training images" in page.inner_text("#table tbody")
    assert "may mean nothing" in page.inner_text("#notes")
    page.locator("#table tbody button").click()
    assert page.locator("#unlike").is_visible()


def test_the_slider_fades_the_map(page: Any, files: Path) -> None:
    give(page, [files / "grey8.png"])
    page.locator("#table tbody button").click()
    page.fill("#opacity", "25")
    assert page.eval_on_selector("#over", "canvas => canvas.style.opacity") == "0.25"


def test_remarks_are_said_of_a_picture_and_of_all(page: Any, files: Path, tmp_path: Path) -> None:
    app_files.write(tmp_path, {"a_mask.png": GOOD["grey8.png"]})
    given = [files / "colour8.png", files / "oblong.png", files / "ct.dcm", tmp_path / "a_mask.png"]
    give(page, given)
    notes = page.inner_text("#notes")
    for words in ("is in colour", "not square", "CT that names no window", "may be a mask"):
        assert words in notes
    assert "is in colour" in rows_of(page)["colour8.png"]["remarks"]


def test_rows_are_sorted_by_a_click_and_filtered(page: Any, files: Path) -> None:
    give(page, [files / f"turned{number}.jpg" for number in range(2, 9)])
    column = '#table tbody td[data-column="probability"]'
    shares = [float(text) for text in page.locator(column).all_inner_texts()]
    assert shares == sorted(shares, reverse=True)
    page.click('#table th[data-column="name"] button')
    names = page.locator('#table td[data-column="name"] button').all_inner_texts()
    assert names == sorted(names)
    assert page.get_attribute('#table th[data-column="name"]', "aria-sort") == "ascending"
    page.click('#table th[data-column="probability"] button')
    page.fill("#search", "TURNED3")
    assert page.inner_text("#shown") == "1 of 7 pictures"
    page.fill("#search", "")


def test_everything_works_by_keyboard(page: Any, files: Path) -> None:
    give(page, [files / "grey8.png", files / "run.dcm"])
    page.evaluate("document.activeElement.blur()")
    reached = set()
    for _ in range(25):
        page.keyboard.press("Tab")
        name, outline = page.evaluate(
            "(part => [part.id || part.innerText, getComputedStyle(part).outlineStyle])"
            "(document.activeElement)"
        )
        reached.add(name)
        assert outline != "none" or page.evaluate("document.activeElement === document.body")
    wanted = {"choose", "choose-folder", "save", "clear", "filter", "search", "grey8.png"}
    assert wanted <= reached
    page.locator("#table tbody button", has_text="run.dcm").focus()
    page.keyboard.press("Enter")
    assert page.inner_text("#name") == "run.dcm"
    page.focus("#frame")
    page.keyboard.press("ArrowLeft")
    assert page.inner_text("#frame-name") == "Frame 2 of 4"
    page.keyboard.press("Escape")
    assert not page.locator("#detail").is_visible()
    assert page.evaluate("document.activeElement.textContent") == "run.dcm"


@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_is_wider_than_the_screen(
    browser: Any, html: Path, files: Path, width: int
) -> None:
    page, faults = opened(browser, html, width)
    give(page, [files / "run.dcm", files / "text.txt"])
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.locator("#table tbody button").click()
    box = page.locator("#detail").bounding_box()
    assert box and box["width"] <= width
    assert page.eval_on_selector("#detail", "part => part.scrollWidth <= part.clientWidth + 1")
    page.context.close()
    assert faults == []


LACKS = {
    "DecompressionStream": "delete globalThis.DecompressionStream",
    "WebAssembly,": "delete globalThis.WebAssembly",
    "WebAssembly SIMD": "WebAssembly.validate = () => false",
}


@pytest.mark.parametrize("lack", LACKS)
def test_a_browser_that_lacks_what_the_page_needs_is_told(
    browser: Any, html: Path, lack: str
) -> None:
    page = browser.new_page()
    page.add_init_script(LACKS[lack])
    page.goto(html.as_uri())
    page.locator("#fatal").wait_for()
    assert f"This browser has no {lack}" in page.inner_text("#fatal")
    assert not page.locator("#drop").is_visible()
    page.close()


def test_a_damaged_page_says_so(browser: Any, html: Path, tmp_path: Path) -> None:
    text = html.read_text(encoding="utf-8")
    start = text.index('id="part-weights">') + len('id="part-weights">')
    damaged = tmp_path / "damaged.html"
    damaged.write_text(text[:start] + "AAAA" + text[start + 4 :], encoding="utf-8")
    page = browser.new_page()
    page.goto(damaged.as_uri())
    page.locator("#fatal").wait_for()
    assert "The model does not start in this browser" in page.inner_text("#fatal")
    page.close()


HANG = """
const send = Worker.prototype.postMessage;
Worker.prototype.postMessage = function (data, ...rest) {
  if (data.name !== "hang.png") send.call(this, data, ...rest);
};
"""


def test_a_picture_that_takes_too_long_does_not_stop_the_others(
    browser: Any, html: Path, files: Path, tmp_path: Path
) -> None:
    page = browser.new_page()
    page.clock.install()
    page.add_init_script(HANG)
    page.goto(html.as_uri())
    page.locator("#loading:empty").wait_for(state="attached")
    app_files.write(tmp_path, {"hang.png": GOOD["grey8.png"]})
    page.set_input_files("#pictures", [tmp_path / "hang.png", files / "turned.png"])
    page.wait_for_timeout(300)
    page.clock.fast_forward(121_000)
    page.locator("#state", has_text="2 of 2 files").wait_for()
    assert "took over 120 seconds" in page.inner_text("#refused-rows")
    assert page.locator("#table tbody button").inner_text() == "turned.png"
    page.close()


ASKED = """
globalThis.asked = [];
const send = Worker.prototype.postMessage;
Worker.prototype.postMessage = function (data, ...rest) {
  if (data.wanted) asked.push(data.wanted);
  const isBroken = data.name === "mapless.png" && data.wanted === "map";
  send.call(this, isBroken ? { ...data, file: new Blob(["no picture"]) } : data, ...rest);
};
"""
MAPS = "#table tbody .pair canvas:nth-child(2)"


@pytest.fixture
def asked(browser: Any, html: Path) -> Iterator[Any]:
    """A page of its own that counts what its model is asked."""
    page = browser.new_page()
    faults = list[str]()
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.add_init_script(ASKED)
    page.goto(html.as_uri())
    page.locator("#loading:empty").wait_for(state="attached")
    yield page
    page.close()
    assert faults == []


def test_maps_follow_all_answers_and_only_of_rows_in_view(asked: Any, files: Path) -> None:
    give(asked, [files / "grey8.png"] * 30)
    complete = saved(asked)
    assert complete.count("grey8.png,0.") == 30
    asked.locator(MAPS).nth(24).wait_for()
    assert saved(asked) == complete
    order = asked.evaluate("asked")
    assert [order.count(name) for name in ("answer", "map")] == [30, 25]
    assert order.index("map") < 4, "one map comes at once"
    assert order[-24:] == ["map"] * 24
    asked.click("#after")
    asked.locator(MAPS).nth(4).wait_for()
    assert asked.locator("#table .mapless").count() == 0
    asked.click("#before")
    asked.wait_for_timeout(100)
    assert asked.evaluate("asked").count("map") == 30, "none is asked twice"


def test_a_picture_that_is_opened_shows_its_map_before_the_rest_is_read(
    asked: Any, files: Path
) -> None:
    asked.set_input_files("#pictures", [files / "grey8.png"] * 150)
    asked.locator("#table tbody button").nth(1).click()
    asked.locator("#over:not([width='0'])").wait_for(state="attached")
    assert asked.evaluate("asked").count("answer") < 150
    assert asked.inner_text("#top").endswith("or more")


def test_a_map_that_fails_says_why_and_the_others_follow(
    asked: Any, files: Path, tmp_path: Path
) -> None:
    app_files.write(tmp_path, {"mapless.png": GOOD["grey8.png"]})
    give(asked, [tmp_path / "mapless.png", files / "grey8.png"])
    asked.locator(MAPS).wait_for()
    assert "no map: no readable picture" in asked.inner_text("#table .mapless")
    assert rows_of(asked)["mapless.png"]["refused"] == ""


def test_a_file_that_is_gone_leaves_no_picture_of_another(asked: Any, tmp_path: Path) -> None:
    app_files.write(tmp_path, {"a.dcm": GOOD["run.dcm"]})
    give(asked, [tmp_path / "a.dcm"])
    asked.locator("#table tbody button").click()
    asked.locator("#reading:empty").wait_for(state="attached")
    (tmp_path / "a.dcm").unlink()
    asked.fill("#frame", "0")
    asked.locator("#reading", has_text="not shown").wait_for()
    assert asked.eval_on_selector("#picture", "canvas => canvas.width") == 0
    assert asked.inner_text("#headline") == ""
    assert not asked.locator("#take").is_visible()


def test_what_is_left_can_be_stopped_and_cleared(browser: Any, html: Path, files: Path) -> None:
    page, _ = opened(browser, html)
    page.set_input_files("#pictures", [files / name for name in GOOD] * 4)
    page.click("#stop")
    page.locator("#state", has_text=f"{4 * len(GOOD)} of {4 * len(GOOD)} files").wait_for()
    assert "stopped" in page.inner_text("#refused-rows")
    page.click("#clear")
    assert not page.locator("#images").is_visible()
    assert page.inner_text("#state") == ""
    page.context.close()


def test_the_licences_of_what_is_within_are_shown(browser: Any, html: Path) -> None:
    page, _ = opened(browser, html, is_ready=False)
    page.click("#licences summary")
    page.locator("#licences-text h3").first.wait_for()
    text = page.inner_text("#licences-text")
    for name in ("onnxruntime-web", "dicom-parser", "codec-libjpeg-turbo-8bit", "fast-png"):
        assert name in text
    assert "Independent JPEG Group" in text
    page.context.close()
