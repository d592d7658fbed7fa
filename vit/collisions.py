"""Whether a file of the user's hides a module of this project, as a data.py beside a notebook."""

import importlib.util
from pathlib import Path

ROOMS = ("CONFIG", "data", "errors", "files", "locks", "metrics", "phantoms", "presets", "settings")


def refuse_collisions() -> None:
    """Raise ImportError, with what to rename, where a name leads to another file than ours."""
    root = Path(__file__).resolve().parents[1]
    for name in ROOMS:
        spec = importlib.util.find_spec(name)
        origin = spec.origin if spec else None
        if origin is None:
            raise ImportError(f"vit needs its module {name}, which is not there; install it again")
        if not Path(origin).resolve().is_relative_to(root):
            raise ImportError(
                f"vit needs its own module {name}, but that name means {origin} here; "
                "rename that file, or work in another folder"
            )
