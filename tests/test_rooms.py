"""Imports go one way down; `make lint` holds it for the folders, this for the files beside them."""

import ast
import tomllib
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]
FOUNDATION = [
    "CONFIG",
    "presets",
    "former",
    "settings",
    "locks",
    "files",
    "errors",
]  # from the top down
ROOMS = ["report", "training", "vit", "phantoms", "data", "metrics"]


def imports_of(file: Path) -> set[str]:
    """The first part of every name that a file imports, within functions too."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names.add((node.module or "").split(".")[0])
    return names


@pytest.mark.parametrize("name", FOUNDATION)
def test_a_file_of_the_foundation_imports_only_those_below(name: str) -> None:
    below = set(FOUNDATION[FOUNDATION.index(name) + 1 :])
    ours = imports_of(PROJECT / f"{name}.py") & {*FOUNDATION, *ROOMS, "train", "predict"}
    assert ours <= below


@pytest.mark.parametrize("room", [room for room in ROOMS if room != "training"])
def test_lightning_is_imported_by_training_alone(room: str) -> None:
    for file in (PROJECT / room).glob("*.py"):
        assert not imports_of(file) & {"pytorch_lightning", "lightning", "lightning_fabric"}, file


def test_an_installation_has_every_file_of_the_foundation() -> None:
    """Else `pip install -e .` gives a vit that cannot be imported from another folder."""
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))
    assert sorted(FOUNDATION) == sorted(project["tool"]["setuptools"]["py-modules"])
