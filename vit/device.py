"""Which device to work on."""

import torch

from errors import UserError


class DeviceError(UserError):
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
    if device == "auto":
        return "gpu" if torch.cuda.is_available() else "cpu"
    return "gpu" if device == "cuda" else device


def torch_device(device: str) -> torch.device:
    """The same as torch calls it."""
    name = accelerator(device)
    return torch.device("cuda" if name == "gpu" else name)
