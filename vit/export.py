"""A trained model for other programs: one ONNX graph, map included, or its weights alone:
python -m vit.export ViT.ckpt --OUTPUT model.onnx
python -m vit.export ViT.ckpt --OUTPUT small.onnx --int8 ProcessedFolder
python -m vit.export ViT.ckpt --OUTPUT weights.safetensors --layout timm
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch._decomp import core_aten_decompositions
from torch.fx.experimental.proxy_tensor import make_fx

import errors
from data.preprocessing import BLACK, FARTHEST, FLAT, Preprocessing
from data.readers import DataError
from errors import UserError
from files import refuse_other_kinds, written_whole
from vit import checkpoint, conversion, graph, graph_predictor, layouts
from vit.checkpoint import Checkpoint
from vit.facts import refuse_findings
from vit.hooks import token_outliers
from vit.map_request import MapRequest
from vit.operators import translations, turn_no_weights
from vit.quantisation import Measure
from vit.views import evidence_of, targets_of

LEAST = 2  # images that the graph is traced with; 1 would be taken for a constant


def answers_of(source: Checkpoint, uint8: bool = False) -> Callable[[Tensor], tuple[Tensor, ...]]:
    """A function of (B, 1, S, S) pixels that gives OUTPUTS, without distances where none are known.

    Means over the models where there are several.
    """
    request = MapRequest(None if source.multilabel else len(source.class_names) - 1)

    def answers(pixels: Tensor) -> tuple[Tensor, ...]:
        grey = pixels.float() / 255 if uint8 else pixels
        images = standardised(source.preprocessing, grey)
        targets = targets_of(source, images) if source.multilabel else None
        with token_outliers(source.models[0]) as ratios:
            logits, maps = evidence_of(source, images, request, targets)
        scaled = logits / source.temperature
        probabilities = scaled.sigmoid() if source.multilabel else scaled.softmax(dim=1)
        with torch.no_grad():
            pairs = zip(source.models, source.familiarity, strict=False)
            found = [familiarity(model, images) for model, familiarity in pairs]
        distances = [torch.stack(found).mean(dim=0)] if found else []
        return logits, probabilities, *distances, ratios[0][: pixels.shape[0]], maps

    return answers


def standardised(preprocessing: Preprocessing, grey: Tensor) -> Tensor:
    """What ``Preprocessing.standardised`` does, of (B, 1, S, S) pictures: (B, C, S, S)."""
    mean, std = preprocessing.mean, preprocessing.std
    if mean is not None and std is not None:
        images = (grey - mean) / std
    else:
        seen = (grey > BLACK).to(grey)
        count = _sum(seen)
        middle = _sum(grey * seen) / count.clamp_min(1)
        squares = _sum((grey - middle) ** 2 * seen)
        spread = (squares / count.clamp_min(1)).sqrt() + FLAT
        spread = torch.where(count > 0, spread, torch.ones_like(spread))
        low, high = middle - FARTHEST * spread, middle + FARTHEST * spread
        images = (torch.minimum(torch.maximum(grey, low), high) - middle) / spread
    return images.expand(-1, preprocessing.num_channels, -1, -1)


def _sum(pictures: Tensor) -> Tensor:
    """(B, 1, H, W) to (B, 1, 1, 1), row by row, for the rounding: see vit.operators."""
    return pictures.sum(dim=3, keepdim=True).sum(dim=2, keepdim=True)


def export(source: Checkpoint, uint8: bool = False) -> bytes:
    """The graph as the bytes of an ONNX file.

    The function is traced with its backward pass, which then is forward operations like all others.

    Raises:
        DataError: onnxscript is not installed.
        UserError: the model learned labels of groups.
    """
    refuse_groups(source)
    own = translations()
    said = graph.text_of(source, uint8)
    for module in [*source.models, *source.familiarity]:
        module.requires_grad_(False)
    size = source.preprocessing.image_size
    pixels = torch.rand(LEAST, 1, size, size)
    pixels = (255 * pixels).to(torch.uint8) if uint8 else pixels
    table = dict(core_aten_decompositions())
    for operator in own:
        table.pop(operator, None)
    trace = make_fx(
        answers_of(source, uint8),
        tracing_mode="symbolic",
        decomposition_table=table,
        _allow_non_fake_inputs=True,
    )
    traced = trace(pixels)
    several = {0: torch.export.Dim("batch")}
    program = torch.export.export(traced, (pixels,), dynamic_shapes=(several,))
    names = [name for name in graph.OUTPUTS if name != "distance" or source.familiarity]
    with graph.quiet():
        made: Any = torch.onnx.export(
            program,
            input_names=[graph.INPUT],
            output_names=names,
            dynamo=True,
            custom_translation_table=own,
        )
    made.model.metadata_props[graph.KEY] = said
    model = made.model_proto
    turn_no_weights(model)
    return bytes(model.SerializeToString())


def refuse_groups(source: Checkpoint) -> None:
    """Raise UserError for a model of groups: what is written answers for single images."""
    if source.config.label_of == "group":
        raise UserError(
            "label_of: got group, but what is exported answers for single images; wanted a model "
            "of label_of: image. predict.py and vit.load take this one"
        )


def named_as(source: Checkpoint, layout: str) -> bytes:
    """The weights under the names of another program, as a file of safetensors.

    That program's model has one channel, an eps of its norms as in ``Config.eps``, and takes
    standardised pictures. For transformers the names are those of ViTForImageClassification.

    Raises:
        UserError: several folds; a model that the other program does not have.
    """
    from safetensors.torch import save as as_bytes

    refuse_groups(source)
    refuse_findings(source, f"--layout {layout}")
    if len(source.models) > 1:
        raise UserError(f"got {len(source.models)} models of folds, wanted one model")
    if source.config.kept_tokens < 1:
        raise UserError(
            f"kept_tokens: got {source.config.kept_tokens}, but {layout} has all patches; "
            "wanted a model of kept_tokens 1"
        )
    state = conversion.from_ours(layouts.WRITTEN[layout], source.models[0].state_dict())
    before = "vit." if layout == layouts.TRANSFORMERS.name else ""
    heads = ("head.", "heads.", "classifier.")
    named = {
        name if name.startswith(heads) else before + name: value.contiguous()
        for name, value in state.items()
    }
    told = {layouts.MADE_HERE: layout, "num_heads": str(source.config.num_heads)}
    return bytes(as_bytes(named, told | {"eps": str(source.config.eps)}))


def _graph(source: Checkpoint, given: argparse.Namespace) -> bytes:
    """As the command line wants it."""
    refuse_groups(source)
    if given.int8:
        refuse_findings(source, "--int8")
    measure = Measure.of(given.int8, source.class_names) if given.int8 else None
    errors.say("writing the graph, which takes a minute or two")
    content = export(source, given.uint8)
    if measure is None:
        return content
    exact = graph_predictor.of_bytes(content, given.OUTPUT)
    rounded = measure.quantised(exact)
    errors.say(measure.change(exact, rounded).line())
    return rounded.content


def main(argv: list[str]) -> None:
    """Write the graph as the command line says."""
    parser = argparse.ArgumentParser(
        "python -m vit.export",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("checkpoint", type=Path, help="ViT.ckpt")
    parser.add_argument("--OUTPUT", "--output", "-o", type=Path, default=Path("model.onnx"))
    parser.add_argument(
        "--uint8",
        action="store_true",
        help="the graph takes pixels from 0 to 255, instead of float32 from 0 to 1",
    )
    parser.add_argument(
        "--layout",
        choices=layouts.WRITTEN,
        help="write the weights alone, as safetensors under the names of this program",
    )
    parser.add_argument(
        "--int8",
        metavar="FOLDER",
        type=Path,
        help="ProcessedFolder of the training: the graph works in 8 bits, with ranges from its "
        "training images; what that changes on its validation images is printed",
    )
    given = parser.parse_args(argv)
    if given.layout and (given.uint8 or given.int8):
        parser.error("--uint8 and --int8 are of the graph; leave them out with --layout")
    with errors.ending_in_one_line():
        wanted = ".safetensors" if given.layout else ".onnx"
        if given.OUTPUT.suffix.lower() != wanted:
            raise DataError(f"--OUTPUT: got {given.OUTPUT}, wanted a name that ends in {wanted}")
        refuse_other_kinds(given.OUTPUT)
        source = checkpoint.load(given.checkpoint)
        content = named_as(source, given.layout) if given.layout else _graph(source, given)
        with written_whole(given.OUTPUT, keep_former=True) as beside:
            beside.write_bytes(content)
        errors.say(f"wrote {given.OUTPUT}, {len(content) / 1e6:.1f} MB")


if __name__ == "__main__":
    errors.run(main)
