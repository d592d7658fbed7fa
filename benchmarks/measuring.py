"""What a step of a network costs: time, memory and floating point operations."""

import ctypes
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from vit.attention import explicit_attention


def training(model: nn.Module, images: Tensor, labels: Tensor) -> None:
    """Forward pass, cross entropy, backward pass, and dropping the gradients."""
    output = model(images)
    logits = output if isinstance(output, Tensor) else output.logits
    torch.autograd.backward(F.cross_entropy(logits, labels))
    model.zero_grad(set_to_none=True)


def inference(model: nn.Module, images: Tensor, labels: Tensor) -> None:
    """The forward pass alone."""
    with torch.inference_mode():
        model(images)


STEPS: dict[str, Callable[[nn.Module, Tensor, Tensor], None]] = {
    "training": training,
    "inference": inference,
}


def wait_for(device: torch.device) -> None:
    """Return when a GPU has done what it was told."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def milliseconds(mode: str, model: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Time of one step."""
    wait_for(images.device)
    start = time.perf_counter()
    STEPS[mode](model, images, labels)
    wait_for(images.device)
    return 1e3 * (time.perf_counter() - start)


def memory(mode: str, model: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Megabytes that a step adds at its peak."""
    if images.is_cuda:
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        STEPS[mode](model, images, labels)
        return (torch.cuda.max_memory_allocated() - before) / 1e6
    return added_memory(lambda: STEPS[mode](model, images, labels))


def added_memory(step: Callable[[], object]) -> float:
    """Megabytes that a step on the CPU adds at its peak to the resident process (Linux)."""
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = _resident("VmRSS")
    step()
    return (_resident("VmHWM") - before) / 1e3


def _resident(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(name)).split()[1])  # kB


def operations(mode: str, model: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Floating point operations of a step.

    They are counted by torch, which knows the explicit attention.
    """
    with FlopCounterMode(display=False) as counter, explicit_attention(model):
        STEPS[mode](model, images, labels)
    return float(counter.get_total_flops())


def peak(device: torch.device, edge: int = 2048) -> float:
    """Floating point operations a second of a large matrix product: the median of 15."""
    matrix = torch.randn(edge, edge, device=device)
    spent = []
    for _ in range(15):
        wait_for(device)
        start = time.perf_counter()
        matrix @ matrix
        wait_for(device)
        spent.append(time.perf_counter() - start)
    return 2 * edge**3 / median(spent)
