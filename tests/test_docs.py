"""The documentation: what stands in backticks exists, links lead somewhere, no option is left out.

A word in backticks is sorted by its form: a command, an option, a path, or an identifier. Commands
and options are looked up in the source of that command, paths among the files, identifiers among
the names and the texts of the source. What has none of these forms, as a shape, is passed over.
"""

import argparse
import ast
import importlib
import re
import runpy
import shlex
import signal
import sys
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import CONFIG
from presets import PRESETS

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("metrics", "data", "phantoms", "vit", "training", "report", "benchmarks", "examples")
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
MOST_WORDS = 900  # of the README
COMMANDS = (
    "CONFIG.py",
    "train.py",
    "predict.py",
    "data.prepare",
    "data.audit",
    "data.arcade",
    "phantoms.ct",
    "phantoms.mpr",
    "phantoms.xray",
    "report.app",
    "report.evaluate",
    "report.external",
    "report.learning_curve",
    "report.pictures",
    "training.boxed",
    "training.weights",
    "vit.export",
)
# words of other programs
FOREIGN = {
    "ViT_looks.json",
    "ViT_recalibrated.ckpt",
    "CUBLAS_WORKSPACE_CONFIG=:4096:8",
    "kill",
    "kill -9",
    "matplotlib",
    "mypy",
    "opencv-python",
    "pip",
    "pre-commit",
    "pre-commit install",
    "ruff",
    "torchrun",
}
# names of a reader's own files, and what the code writes with a number or a class in its name
MADE_UP = {
    "NAME_picture.dcm",
    "NAME_report.dcm",
    "RAW_IMAGES",
    "job.sh",
    "maps",
    "one.csv",
    "two.csv",
    "data.py",
    "files.py",
}
MADE_UP |= {"probability_normal", "probability_abnormal", "fold_0", "not_finite_0.txt"}

FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.M | re.S)
CODE = re.compile(r"`([^`\n]+(?:\n[^`\n]+)?)`")
IN_FILE = re.compile(r"`([\w.]+)`(?:(?: and|,)\s+`([\w.]+)`)?\s+in\s+`([\w/]+\.py)`")
LINK = re.compile(r"\]\(([^)\s]+)\)|src=\"([^\"]+)\"")
MODULE = re.compile(rf"(?:{'|'.join(ROOMS)})\.[a-z_]+")
IDENTIFIER = re.compile(r"[A-Za-z_]\w*(?:[.-][A-Za-z_]\w*)*")
SUFFIX = re.compile(r"\.(?:py|md|csv|json|npy|png|gif|ckpt|html|yml|yaml|txt|toml|lock|sh|css|js)$")


def sources() -> list[Path]:
    """Every Python file of the project but its tests."""
    return [*ROOT.glob("*.py"), *(file for room in ROOMS for file in (ROOT / room).glob("*.py"))]


def words_of(tree: ast.AST) -> set[str]:
    """Names that code defines or uses, and its texts, but for what it says of itself."""
    words: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                words.add(name)
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name):
                words.add(name)
            case ast.keyword(arg=str(name)) | ast.Constant(value=str(name)):
                words.add(name)
            case ast.Import(names=names) | ast.ImportFrom(names=names):
                words |= {part for each in names for part in each.name.split(".")}
    return words - {
        ast.get_docstring(node, clean=False) for node in ast.walk(tree) if has_docstring(node)
    }


def has_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)


@cache
def tree_of(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


@cache
def known(file: Path) -> frozenset[str]:
    return frozenset(words_of(tree_of(file)))


@cache
def members() -> dict[str, set[str]]:
    """For each class the names in its body."""
    classes = [
        node
        for file in sources()
        for node in ast.walk(tree_of(file))
        if isinstance(node, ast.ClassDef)
    ]
    return {node.name: words_of(node) for node in classes}


@cache
def vocabulary() -> frozenset[str]:
    """Every word that an identifier, or the name of a file, in the text may be."""
    words = {*CONFIG.FIELDS, *CONFIG.FORMER_NAMES, *PRESETS, *ROOMS}
    for file in sources():
        words |= {file.stem, *known(file)}
    for text in list(words):
        words |= {name for name in re.findall(r"[\w.-]+", text) if SUFFIX.search(name)}
    for test in (ROOT / "tests").glob("*.py"):
        words |= set(re.findall(r"def (test_\w+)\(", test.read_text(encoding="utf-8")))
    for name in ("requirements.txt", "requirements-dev.txt", "Makefile", ".gitignore"):
        words |= set(re.findall(r"[\w.-]+", (ROOT / name).read_text(encoding="utf-8")))
    return frozenset(words)


def file_of(command: str) -> Path:
    """The source of a command: train.py, or data.prepare."""
    path = command if command.endswith(".py") else f"{command.replace('.', '/')}.py"
    return ROOT / path


class Captured(BaseException):
    """Carries a parser out of the command that has made it."""


@cache
def options_of(command: str) -> frozenset[str]:
    """The options that a command takes."""
    if command.startswith("benchmarks"):
        return written_options(command)

    def capture(parser: argparse.ArgumentParser, *_: Any, **__: Any) -> None:
        raise Captured(parser)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(argparse.ArgumentParser, "parse_args", capture)
        patch.setattr(signal, "signal", lambda *_: None)
        patch.setattr(sys, "excepthook", sys.excepthook)
        patch.setattr(sys, "argv", [command])
        patch.setattr(warnings, "warn", lambda *_, **__: None)  # of modules that are imported
        try:
            runpy.run_path(str(file_of(command)), run_name="__main__")
        except Captured as captured:
            return frozenset(captured.args[0]._option_string_actions)
    raise AssertionError(f"{command} has no parser")


def written_options(command: str) -> frozenset[str]:
    """Those that stand in the source of a benchmark; its libraries are slow to import."""
    words = known(file_of(command))
    options = {word for word in words if re.fullmatch(r"--[A-Za-z_]+", word)}
    if 'f"--{' in file_of(command).read_text(encoding="utf-8"):
        options |= {f"--{word}" for word in words if word.isidentifier()}
    if command == "benchmarks.shuffled_labels":  # what it does not know goes to train.py
        options |= options_of("train.py")
    return frozenset(options)


@cache
def all_options() -> frozenset[str]:
    benchmarks = [f"benchmarks.{file.stem}" for file in (ROOT / "benchmarks").glob("*.py")]
    return frozenset().union(*(options_of(command) for command in [*COMMANDS, *benchmarks]))


def faults_of_command(words: list[str]) -> list[str]:
    """What a command line names and is not there."""
    while words and "=" in words[0] and not words[0].startswith("-"):
        words = words[1:]  # OMP_NUM_THREADS=1
    first, *rest = words
    if first.endswith(".venv/bin/python") or first == "python":
        if rest[:1] == ["-m"]:
            first, *rest = rest[1:]
            if first == "pytest":
                return [word for word in rest if "/" in word and not (ROOT / word).exists()]
        else:
            first, *rest = rest
            if first == "-c":
                return []
    if first == "make":
        targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.M)
        return [word for word in rest if word not in targets]
    if first in ("source", "pip", "sbatch", "scontrol", "["):
        return []
    if not file_of(first).is_file():
        return [first]
    if first == "tests.attacks":
        return []
    given = [word.split("=")[0] for word in rest if re.match(r"--\w", word)]
    return [f"{first} {word}" for word in given if word not in options_of(first)]


def is_path(word: str) -> bool:
    return "/" in word or bool(SUFFIX.search(word))


def path_exists(word: str) -> bool:
    """Whether a file of the project has this path, or the code speaks of a file of this name."""
    bare = word.rstrip("/")
    if (ROOT / bare).exists() or (ROOT / "docs" / bare).exists():
        return True
    parts = [part for part in bare.split("/") if not re.fullmatch(r"\.+|\*\.\w+|\d+|[A-Z_]+", part)]
    if parts[:1] and parts[0] in (*ROOMS, "tests", "docs") and bare.endswith(".py"):
        return False
    return all(part in vocabulary() | MADE_UP for part in parts)


def identifier_exists(word: str) -> bool:
    """Whether a name is one of the source, and a.b is b of the class or module a."""
    if word in vocabulary() or word in MADE_UP:
        return True
    *owner, name = word.split(".")
    if not owner:
        return False
    if owner[0] == "torch":
        return hasattr(importlib.import_module(".".join(owner)), name)
    if owner[-1] in members():
        return name in members()[owner[-1]]
    for home in (ROOT.joinpath(*owner).with_suffix(".py"), ROOT.joinpath(*owner) / "__init__.py"):
        if home.is_file():
            return name in known(home) or (home.parent / f"{name}.py").is_file()
    return all(part in vocabulary() for part in [*owner, name])


def faults_of(code: str) -> list[str]:
    """What the text between two backticks names and is not there."""
    code = " ".join(code.split())
    first = code.split(" ")[0]
    if code in FOREIGN or first in ("sbatch", "scontrol", "["):
        return []
    is_command = first in ("python", "make", ".venv/bin/python", "OMP_NUM_THREADS=1")
    if is_command or (" --" in code and (first.endswith(".py") or MODULE.fullmatch(first))):
        return faults_of_command(shlex.split(code))
    if first.startswith("--"):
        options = re.findall(r"(?:^| )(--\w+)", code)
        return [word for word in options if word not in all_options()]
    if match := re.fullmatch(r"(\w+): \S+", code):
        return [] if match[1] in CONFIG.FIELDS else [match[1]]
    call = re.fullmatch(r"([\w.]+)\((.*)\)", code)
    if call:
        named = re.findall(r"[A-Za-z_]\w+", call[2].split("=")[0])
        return [word for word in [call[1], *named] if not identifier_exists(word)]
    if " " in code:
        return []
    if is_path(code) and re.fullmatch(r"[\w./*-]+", code):
        return [] if path_exists(code) else [code]
    if IDENTIFIER.fullmatch(code):
        return [] if identifier_exists(code) else [code]
    return []


def prose(page: Path) -> str:
    return FENCE.sub("", page.read_text(encoding="utf-8"))


def anchors(page: Path) -> set[str]:
    """What links to headings of a page may end in."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.M)
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.replace(" ", "-") for heading in plain}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_stands_in_backticks_exists(page: Path) -> None:
    assert [fault for code in CODE.findall(prose(page)) for fault in faults_of(code)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_name_is_in_the_file_that_the_text_says(page: Path) -> None:
    wrong = [
        f"{name} in {file}"
        for *names, file in IN_FILE.findall(prose(page))
        for name in filter(None, names)
        if not set(name.split(".")) <= known(ROOT / file)
    ]
    assert wrong == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_exist_with_their_options(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    blocks = [body for kind, body in FENCE.findall(text) if kind in ("", "bash")]
    lines = [
        line for body in blocks for line in body.splitlines() if re.match(r"python [-\w]", line)
    ]
    commands = [shlex.split(line, comments=True) for line in lines if '-c "' not in line]
    assert [fault for words in commands for fault in faults_of_command(words)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_in_the_text_names_what_exists(page: Path) -> None:
    blocks = [body for kind, body in FENCE.findall(page.read_text()) if kind == "python"]
    trees = [ast.parse(body) for body in blocks]
    used = {
        node.attr for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Attribute)
    }
    assert used - vocabulary() == set()


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CHANGELOG.md"], ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    links = [one or other for one, other in LINK.findall(prose(page))]
    broken = []
    for link in links:
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if "://" not in link and not target.exists():
            broken.append(link)
        if anchor and target.is_file() and anchor not in anchors(target):
            broken.append(link)
    assert broken == []


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().split()) <= MOST_WORDS


def test_no_option_and_no_key_goes_without_a_word() -> None:
    reference = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    words = set(re.findall(r"`([^`]+)`", reference))
    spoken = {word.lower() for word in words}
    keys = {f"--{name}" for name in [*CONFIG.FIELDS, *CONFIG.FORMER_NAMES]}
    taken = set().union(*(options_of(command) for command in COMMANDS)) - keys - {"--help"}
    long = {option for option in taken if option.startswith("--")}
    assert {option for option in long if option.lower() not in spoken} == set()
    assert {*CONFIG.FIELDS, *CONFIG.FORMER_NAMES, *PRESETS} - words == set()


@pytest.mark.parametrize(
    "code",
    [
        "LESION_SHARE",
        "LESION_WEIGHT",
        "vit.lod",
        "data/phantom_ct.py",
        "python -m data.phantom_ct",
        "python train.py --epoch 3",
        "data.prepare --drop_leak",
        "--Path_Chekpoint",
        "num_Chanels: 1",
        "make tests",
        "torch.no_such_name",
        "Predictor.ask(image)",
        "predicted.csv",
    ],
)
def test_what_does_not_exist_is_found(code: str) -> None:
    assert faults_of(code) != []
