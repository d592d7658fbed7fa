"""A set of another hospital counts as unseen once: how often a model was judged by it is kept.

The record, looks.json, lies in the output folder of report.external. It holds no name of a file,
only digests.
"""

import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from data.tables import plain_bytes
from errors import UserError
from files import written_whole
from vit.predictions import Prediction

NAME = "looks.json"
SHORT = 16  # hexadecimal digits of an image's sha256 that are kept


@dataclass(frozen=True)
class Look:
    """One look of a model at a set of images.

    Args:
        date: and time, as people write it.
        checkpoint_sha256: of the file of the model.
        set_sha256: of the images, in any order.
        images: the beginning of the sha256 of each file, sorted.
    """

    date: str
    checkpoint_sha256: str
    set_sha256: str
    images: list[str]

    @classmethod
    def of(cls, predictions: Sequence[Prediction], checkpoint_sha256: str) -> "Look":
        """The look that is taken now."""
        digests = sorted(sha256_of(each.item.path) for each in predictions)
        whole = hashlib.sha256("\n".join(digests).encode()).hexdigest()
        date = time.strftime("%Y-%m-%d %H:%M:%S")
        return cls(date, checkpoint_sha256, whole, [digest[:SHORT] for digest in digests])


def sha256_of(path: Path) -> str:
    """That of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_looks(folder: Path) -> list[Look]:
    """The looks that the record of a folder holds, the first one first; none if it has no record.

    Raises:
        UserError: the record is not one that ``keep`` wrote.
    """
    path = folder / NAME
    if not path.exists():
        return []
    try:
        looks = [Look(**each) for each in json.loads(plain_bytes(path))]
        if not all(_is_sound(look) for look in looks):
            raise ValueError
    except (ValueError, TypeError, RecursionError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(
            f"{path}: is no record of looks; move it away, or name another --OUTPUT"
        ) from None
    return looks


def _is_sound(look: Look) -> bool:
    texts = (look.date, look.checkpoint_sha256, look.set_sha256)
    return (
        all(isinstance(text, str) for text in texts)
        and isinstance(look.images, list)
        and all(isinstance(image, str) for image in look.images)
    )


def keep(looks: Sequence[Look], folder: Path) -> None:
    """Write the record."""
    text = json.dumps([asdict(look) for look in looks], indent=1)
    with written_whole(folder / NAME, keep_former=True) as beside:
        beside.write_text(text + "\n", encoding="utf-8")


def told(former: Sequence[Look], now: Look) -> list[str]:
    """What former looks mean for this one, a line each; the first says which look it is."""
    same = [look for look in former if look.set_sha256 == now.set_sha256]
    images = set(now.images)
    partly = [look for look in former if look not in same and images & set(look.images)]
    lines = []
    if same:
        lines.append(f"look {len(same) + 1} at this set; first on {same[0].date}")
    else:
        lines.append("look 1 at this set")
    if partly:
        seen = images & {image for look in partly for image in look.images}
        lines.append(
            f"ALARM: {len(seen)} of {len(images)} different images were in {len(partly)} looks at "
            f"other sets, first on {partly[0].date}: this set is not wholly unseen"
        )
    others = {look.checkpoint_sha256 for look in [*same, *partly]} - {now.checkpoint_sha256}
    if others:
        lines.append(
            f"ALARM: {len(others) + 1} checkpoints were judged by these images: the set is no "
            "longer unseen for choosing between them; confirm the chosen one on new images"
        )
    return lines
