"""What the files beside weights of another program tell of them."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.tables import plain_bytes
from vit.archive import CheckpointError


@dataclass(frozen=True)
class Told:
    """What the files beside the weights tell: config.json, preprocessor_config.json."""

    heads: int | None
    eps: float | None
    mean: tuple[float, ...] | None
    std: tuple[float, ...] | None
    activation: str | None

    @classmethod
    def beside(cls, path: Path) -> "Told":
        """Of the folder of a file; what is not there is not known.

        Raises:
            CheckpointError: what they say cannot be.
        """
        plain: dict[str, Any] = {}
        for name in ("config.json", "preprocessor_config.json"):
            file = path.with_name(name)
            if not file.is_file():
                continue
            try:
                known = json.loads(plain_bytes(file))
            except (ValueError, RecursionError) as error:
                raise CheckpointError(f"{file}: cannot be read: {error}") from None
            plain |= known if isinstance(known, dict) else {}
        timm = _part(plain, "pretrained_cfg")
        if plain.get("do_normalize") is False:
            plain |= {"image_mean": [0.0], "image_std": [1.0]}
        try:
            return cls(
                _number(plain | _part(plain, "model_args"), "num_attention_heads", "num_heads"),
                _number(plain, "layer_norm_eps"),
                _values(timm.get("mean", plain.get("image_mean")), 0),
                _values(timm.get("std", plain.get("image_std")), 1e-3),
                plain.get("hidden_act"),
            )
        except ValueError as error:
            raise CheckpointError(f"{path.with_name('config.json')}: {error}") from None


def _part(plain: dict[str, Any], name: str) -> dict[str, Any]:
    """The names with values that stand under a name; {}: none."""
    part = plain.get(name)
    return part if isinstance(part, dict) else {}


def _number(plain: dict[str, Any], *names: str) -> Any:
    """The number above 0 under the first of these names; None: there is none.

    Raises:
        ValueError: something else stands there.
    """
    name = next((name for name in names if plain.get(name) is not None), None)
    if name is None:
        return None
    value = plain[name]
    if isinstance(value, int | float) and 0 < value < 1000:
        return value
    raise ValueError(f"{name}: got {str(value)[:40]}, wanted a number above 0")


def _values(given: Any, least: float) -> tuple[float, ...] | None:
    """Grey values from ``least`` to 1, of one channel or three. ValueError: they are others."""
    if given is None:
        return None
    numbers = [float(each) for each in given if isinstance(each, int | float)]
    whole = isinstance(given, list) and len(numbers) == len(given) in (1, 3)
    if whole and all(least <= number <= 1 for number in numbers):
        return tuple(numbers)
    raise ValueError(f"mean or deviation: got {str(given)[:40]}, wanted numbers from 0 to 1")
