"""Operators of PyTorch as those of ONNX, where torch.onnx lacks them or writes them slowly."""

from collections.abc import Callable
from typing import Any

import torch

from data.readers import DataError


def translations() -> dict[Any, Callable[..., Any]]:
    """Operators that the exporter lacks, or writes in a slow way.

    Raises:
        DataError: onnxscript is not installed.
    """
    try:
        import onnxscript
    except ImportError:
        raise DataError(
            "onnxscript is not installed, which writes a graph; pip install onnx onnxscript "
            "onnxruntime"
        ) from None
    op: Any = onnxscript.opset18

    def stable_sort(x: Any, stable: bool = True, dim: int = -1, descending: bool = False) -> Any:
        """TopK keeps the order of equals."""
        count = op.Gather(op.Shape(x), op.Constant(value_ints=[dim]))
        return op.TopK(x, count, axis=dim, largest=int(descending), sorted=1)

    def mean(x: Any) -> Any:
        """(B, C, H, W) to (B, 1, 1, 1), one axis after the other.

        onnxruntime adds one number to the next; the rounding of a sum over a whole picture would be
        seen in the fifth digit of the probability.
        """
        for axis in (3, 2, 1):
            x = op.ReduceMean(x, op.Constant(value_ints=[axis]), keepdims=1)
        return x

    def group_norm(
        x: Any, weight: Any, bias: Any, _: Any, __: Any, ___: Any, groups: int, eps: float
    ) -> Any:
        """Of one group: the norm is over the whole image."""
        assert groups == 1, "the stem has norms over the whole image"
        one, zero = op.Constant(value_floats=[1.0]), op.Constant(value_floats=[0.0])
        off = op.Sub(x, mean(x))
        variance = op.Add(mean(op.Mul(off, off)), op.Constant(value_float=eps))
        normed = op.Div(off, op.Sqrt(variance))
        to_channels = op.Constant(value_ints=[1, -1, 1, 1])
        scaled = op.Mul(normed, op.Reshape(weight, to_channels))
        return op.Add(scaled, op.Reshape(bias, to_channels)), zero, one

    return {
        torch.ops.aten.sort.stable: stable_sort,
        torch.ops.aten.native_group_norm.default: group_norm,
    }


def turn_no_weights(model: Any) -> None:
    """Let each Gemm of an ONNX model take its weights as they are stored.

    The exporter turns them by a Transpose before. Tools that look for weights, such as those for 8
    bits, do not find them there.
    """
    graph = model.graph
    stored = {each.name for each in graph.initializer}
    turned = {
        node.output[0]: node.input[0]
        for node in graph.node
        if node.op_type == "Transpose" and node.input[0] in stored
    }
    used = [name for node in graph.node for name in node.input]
    for node in graph.node:
        if node.op_type == "Gemm" and node.input[1] in turned:
            used.remove(node.input[1])
            node.input[1] = turned[node.input[1]]
            (turn,) = [each for each in node.attribute if each.name == "transB"]
            turn.i = 1
    needless = [node for node in graph.node if node.output[0] in turned.keys() - set(used)]
    for node in needless:
        graph.node.remove(node)
