"""report.app: the page of a model, written from a ViT.ckpt or a graph, and what it refuses."""

import base64
import gzip
import hashlib
import json
import re
import tomllib
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray

from metrics.conformal import ROUNDING
from report import app
from tests.made_app import model
from tests.test_train import PROJECT
from vit import graph

BROWSER = PROJECT / "report" / "browser"
HOSTILE = "</script><script>hacked=1</script>"
SCORES = {"normal": [0.4] * 20, HOSTILE: [0.6] * 3}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A graph whose positive class has a hostile name and few validation images."""
    folder = tmp_path_factory.mktemp("app")
    return model(folder, ("normal", HOSTILE), conformal_scores=SCORES, threshold=0.25)


@pytest.fixture(scope="module")
def page(made: Path) -> str:
    app.main([str(made), "--OUTPUT", str(made.with_name("app.html"))])
    return made.with_name("app.html").read_text(encoding="utf-8")


def part(page: str, name: str) -> bytes:
    found = re.search(rf'id="part-{name}">([^<]*)</script>', page)
    assert found
    return gzip.decompress(base64.b64decode(found[1]))


def about(page: str) -> dict[str, Any]:
    found = re.search(r'id="about">(.*?)</script>', page)
    assert found
    plain: dict[str, Any] = json.loads(found[1])
    return plain


def test_the_page_forbids_itself_every_connection(page: str) -> None:
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    assert policy
    rules = dict(rule.strip().split(" ", 1) for rule in policy[1].split(";"))
    for name in ("default-src", "connect-src", "base-uri", "form-action"):
        assert rules[name] == "'none'"
    assert "unsafe-eval" not in rules["script-src"].replace("wasm-unsafe-eval", "")
    assert "unsafe-inline" not in rules["script-src"]
    assert set(rules) <= {
        *("default-src", "connect-src", "base-uri", "form-action"),
        *("style-src", "script-src", "worker-src"),
    }
    script = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    digests = {base64.b64encode(hashlib.sha256(each.encode()).digest()).decode() for each in script}
    assert {f"'sha256-{digest}'" for digest in digests} < set(rules["script-src"].split())


def test_nothing_is_fetched_from_elsewhere(page: str) -> None:
    assert not re.search(r"""(src|href)=["']?https?:""", page)


def said_by(path: Path, pixels: NDArray) -> dict[str, NDArray]:
    session = onnxruntime.InferenceSession(path)
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {graph.INPUT: pixels}), strict=True))


def test_the_two_graphs_of_the_page_say_what_the_whole_one_says(
    made: Path, page: str, tmp_path: Path
) -> None:
    for name in graph.Parts._fields:
        (tmp_path / name).write_bytes(part(page, name))
    pixels = np.random.default_rng(0).random((2, 1, 32, 32), np.float32)
    whole = said_by(made, pixels)
    answers, evidence = (said_by(tmp_path / name, pixels) for name in ("answers", "evidence"))
    assert set(answers) == set(graph.WITHOUT_MAP)
    assert set(evidence) == {"map"}
    for name, numbers in (answers | evidence).items():
        assert numbers == pytest.approx(whole[name], abs=1e-6), name


def test_each_weight_is_in_the_page_once(made: Path, page: str) -> None:
    large = [each for each in weights_of(made.read_bytes()) if len(each) >= graph.LEAST_SHARED]
    assert part(page, "weights") == b"".join(large)
    for name in ("answers", "evidence"):
        assert all(len(each) < graph.LEAST_SHARED for each in weights_of(part(page, name)))


def weights_of(content: bytes) -> list[bytes]:
    return [each.raw_data for each in onnx.load_model_from_string(content).graph.initializer]


def test_the_page_holds_what_prediction_needs(page: str) -> None:
    said = about(page)
    assert said["classes"] == ["normal", HOSTILE]
    assert said["threshold"] == 0.25
    assert said["limits"] == [pytest.approx(0.4 + ROUNDING), None]
    assert said["preprocessing"]["image_size"] == said["size"] == 32


def test_a_class_of_too_few_validation_images_is_named(page: str) -> None:
    assert "Too few validation images of class &lt;/script&gt;" in page


def test_names_are_text(page: str) -> None:
    assert HOSTILE not in page


def test_the_page_says_that_it_is_for_research(page: str) -> None:
    assert "For research, not for diagnosis" in page


def test_a_checkpoint_is_exported_on_the_way(
    made: Path, page: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("vit.export.export", lambda _: made.read_bytes())
    app.main([str(made.with_name("ViT.ckpt")), "--OUTPUT", str(tmp_path / "a.html")])
    written = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert written == page.replace("model.onnx", "ViT.ckpt")


def test_a_former_page_is_kept(made: Path, page: str, tmp_path: Path) -> None:
    (tmp_path / "app.html").write_text("former")
    app.main([str(made), "--OUTPUT", str(tmp_path / "app.html")])
    assert sorted(len(path.read_text()) for path in tmp_path.iterdir()) == [6, len(page)]


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1000])


def words(path: Path) -> None:
    path.write_text("no model")


def foreign(path: Path) -> None:
    changed = onnx.load(path)
    del changed.metadata_props[:]
    onnx.save(changed, path)


def other_size(path: Path) -> None:
    changed = onnx.load(path)
    (said,) = (each for each in changed.metadata_props if each.key == graph.KEY)
    facts = json.loads(said.value)
    facts["config"]["patch_size"] = 4
    said.value = json.dumps(facts)
    onnx.save(changed, path)


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (cut, "damaged"),
        (words, "damaged, or no graph"),
        (foreign, "is no graph of ours"),
        (other_size, "does not fit its metadata"),
        (Path.unlink, "no such file"),
    ],
)
def test_a_damaged_or_foreign_graph_ends_in_one_line(
    made: Path, tmp_path: Path, damage: Callable[[Path], None], told: str
) -> None:
    path = tmp_path / "a.onnx"
    path.write_bytes(made.read_bytes())
    damage(path)
    with pytest.raises(SystemExit, match=told) as end:
        app.main([str(path), "--OUTPUT", str(tmp_path / "app.html")])
    assert len(str(end.value).splitlines()) == 1
    assert not (tmp_path / "app.html").exists()


def test_a_damaged_checkpoint_ends_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "ViT.ckpt").write_text("no model")
    with pytest.raises(SystemExit, match=r"ViT\.ckpt") as end:
        app.main([str(tmp_path / "ViT.ckpt"), "--OUTPUT", str(tmp_path / "app.html")])
    assert len(str(end.value).splitlines()) == 1


@pytest.mark.parametrize("name", ["app.htm", "folder"])
def test_an_output_of_another_kind_is_refused(made: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(SystemExit, match=r"wanted a name that ends in \.html"):
        app.main([str(made), "--OUTPUT", str(tmp_path / name)])


def test_the_tracked_build_is_of_the_present_sources() -> None:
    record = json.loads((BROWSER / "built" / "record.json").read_text())
    places = [BROWSER / "src", BROWSER / "licences"]
    files = [BROWSER / name for name in ("build.mjs", "package.json", "package-lock.json")]
    files += [file for place in places for file in place.iterdir()]
    present = {path.relative_to(BROWSER).as_posix(): digest(path) for path in files}
    assert record["sources"] == present, "the sources have changed: make app"
    built = {name: digest(BROWSER / "built" / name) for name in record["built"]}
    assert record["built"] == built, "built/ is not what was recorded: make app"


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_packages_of_the_page_are_pinned_and_no_registry_is_named() -> None:
    packages = json.loads((BROWSER / "package.json").read_text())
    versions = [*packages["dependencies"].values(), *packages["devDependencies"].values()]
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in versions)
    lock = json.loads((BROWSER / "package-lock.json").read_text())["packages"]
    assert all("resolved" not in package for package in lock.values())
    assert all("integrity" in package for name, package in lock.items() if name)


def test_every_part_of_the_page_is_in_the_package() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())
    patterns = project["tool"]["setuptools"]["package-data"]["report"]
    needed = [f"browser/built/{name}" for name in (*app.PARTS.values(), "page.js")]
    for name in (*needed, "app.html", "app.css", "page.css"):
        assert any(fnmatch(name, pattern) for pattern in patterns), name
        assert (PROJECT / "report" / name).is_file()


def test_licences_are_those_of_all_packages_within(page: str) -> None:
    told = {package["name"]: package["text"] for package in json.loads(part(page, "licences"))}
    wanted = json.loads((BROWSER / "package.json").read_text())["dependencies"]
    assert set(wanted) <= set(told)
    assert all(len(text) > 500 for text in told.values())
