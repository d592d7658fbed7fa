"""Which device to work on, and what to say where it has no room."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import torch


class DeviceError(ValueError):
    """A device was asked for that this machine lacks."""


def accelerator(device: str) -> str:
    """cpu, gpu or mps for what the user asked; auto takes a GPU where there is one.

    Raises:
        DeviceError: there is none such.
    """
    if device in ("gpu", "cuda") and not torch.cuda.is_available():
        raise DeviceError(
            f"--device {device}: this machine has no GPU that torch {torch.__version__} can use; "
            "wanted one, or --device cpu, or --device auto"
        )
    if device == "mps" and not torch.backends.mps.is_available():
        raise DeviceError("--device mps: this machine has none; use --device cpu or --device auto")
    return {"auto": "gpu" if torch.cuda.is_available() else "cpu", "cuda": "gpu"}.get(
        device, device
    )


def torch_device(device: str) -> torch.device:
    """The same as torch calls it."""
    return torch.device({"gpu": "cuda"}.get(name := accelerator(device), name))


def precision(wanted: str, accelerator: str) -> str:
    """Lightning's name of the number format; auto takes mixed precision on a GPU."""
    if wanted == "auto" and accelerator == "gpu":
        return "bf16-mixed" if torch.cuda.is_bf16_supported() else "16-mixed"
    return "32-true" if wanted in ("auto", "32") else wanted


@contextmanager
def out_of_memory_in_one_line(advice: str) -> Iterator[None]:
    """Leave with one line and a status where the machine or the device has no room for what the
    block does.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not isinstance(
            error, MemoryError | torch.OutOfMemoryError
        ) and "can't allocate memory" not in str(error):
            raise
        sys.exit(f"out of memory: {advice}")
