"""A trained model as one page, app.html, that a browser opens from disk without a network:
python -m report.app ViT.ckpt --OUTPUT app.html
"""

import argparse
import base64
import gzip
import hashlib
import math
from pathlib import Path
from typing import Any

import jinja2
import matplotlib
import numpy as np
from markupsafe import Markup

import errors
from data.readers import DataError
from files import refuse_other_kinds, written_whole
from metrics.conformal import limits
from vit import LEVEL, graph
from vit.archive import is_graph
from vit.facts import Facts, refuse_findings
from vit.graph_predictor import GraphPredictor
from vit.heatmap import LEAST_TOP
from vit.map_request import MapRequest

HERE = Path(__file__).parent
BUILT = HERE / "browser" / "built"
# parts of the page that stay compressed until they are needed, by the name of their element
PARTS = {
    "worker": "worker.js.gz",
    "ort": "ort.wasm.gz",
    "turbojpeg": "turbojpeg.wasm.gz",
    "openjpeg": "openjpeg.wasm.gz",
    "charls": "charls.wasm.gz",
    "licences": "licences.json.gz",
}


def graph_of(path: Path) -> bytes:
    """The graph of a ViT.ckpt, which is made here, or of a file that is one already.

    Raises:
        UserError: no such file, damaged, not ours, or of grades; onnx or onnxscript is not
            installed.
    """
    if is_graph(path):
        return graph.bytes_of(path)
    from vit.archive import screened

    screened(path)  # before torch, for which a hostile file may have been made
    from vit import checkpoint, export

    source = checkpoint.load(path)
    _refuse_grades(source, path)
    errors.say("writing the graph, which takes a minute or two")
    return export.export(source)


def page_of(content: bytes, path: Path) -> str:
    """The page of a graph.

    Args:
        content: the graph.
        path: of the model, named on the page.

    Raises:
        CheckpointError: the graph is damaged, not ours, or does not fit its metadata.
        DataError: it tells grades.
    """
    facts, uint8 = graph.facts_of(content, path)
    _refuse_grades(facts, path)
    size = facts.preprocessing.image_size
    predictor = GraphPredictor(content, facts, uint8, batch_size=1)
    predictor.run(np.zeros((1, size, size), np.float32), MapRequest(len(facts.class_names) - 1))
    script = (BUILT / "page.js").read_text(encoding="utf-8")
    digest = hashlib.sha256(script.encode()).digest()
    parts = {name: (BUILT / file).read_bytes() for name, file in PARTS.items()}
    for name, part in graph.parts(content)._asdict().items():
        parts[name] = gzip.compress(part, mtime=0)
    pages = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE), autoescape=True, undefined=jinja2.StrictUndefined
    )
    return pages.get_template("app.html").render(
        title=f"{facts.positive} or not: {path.name}",
        facts=facts,
        about=about(facts, uint8, path),
        level=LEVEL,
        scarce=[
            name for name, most in limits(facts.conformal_scores, LEVEL).items() if math.isinf(most)
        ],
        css=Markup((HERE / "page.css").read_text(encoding="utf-8")),
        own_css=Markup((HERE / "app.css").read_text(encoding="utf-8")),
        script=Markup(script),
        digest=base64.b64encode(digest).decode(),
        parts={name: base64.b64encode(part).decode() for name, part in parts.items()},
    )


def _refuse_grades(facts: Facts, path: Path) -> None:
    refuse_findings(facts, str(path))
    if facts.ordered:
        raise DataError(
            f"{path}: tells grades (task: ordinal), which the page does not know; use predict.py, "
            "which runs a ViT.ckpt or its graph"
        )


def about(facts: Facts, uint8: bool, path: Path) -> dict[str, Any]:
    """What the page knows of the model."""
    preprocessing = facts.preprocessing
    most = limits(facts.conformal_scores, LEVEL)
    edge = facts.config.image_size // facts.config.patch_size
    colours = np.round(matplotlib.colormaps["inferno"](np.arange(256))[:, :3] * 255)
    return {
        "model": path.name,
        "classes": facts.class_names,
        "size": preprocessing.image_size,
        "grid": edge,
        "uint8": uint8,
        "threshold": facts.threshold,
        "temperature": facts.temperature,
        "level": LEVEL,
        # null: too few images of the class, so that it is in every set
        "limits": [None if math.isinf(each) else each for each in most.values()] or None,
        "preprocessing": preprocessing.plain(),
        "known": sorted(facts.provenance.known_images),
        "least_top": LEAST_TOP,
        "colours": colours.astype(int).tolist(),
    }


def main(argv: list[str]) -> None:
    """Write the page as the command line says."""
    parser = argparse.ArgumentParser(
        "python -m report.app",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", type=Path, help="ViT.ckpt, or a graph of python -m vit.export")
    parser.add_argument("--OUTPUT", "--output", "-o", type=Path, default=Path("app.html"))
    given = parser.parse_args(argv)
    with errors.ending_in_one_line():
        if given.OUTPUT.suffix.lower() != ".html":
            raise DataError(f"--OUTPUT: got {given.OUTPUT}, wanted a name that ends in .html")
        refuse_other_kinds(given.OUTPUT)
        text = page_of(graph_of(given.model), given.model)
        with written_whole(given.OUTPUT, keep_former=True) as beside:
            beside.write_text(text, encoding="utf-8")
        errors.say(f"wrote {given.OUTPUT}, {len(text) / 1e6:.1f} MB")


if __name__ == "__main__":
    errors.run(main)
