"""A set of another hospital counts as unseen once: how often a model was judged by it is kept.

The record lies twice: in the output folder of report.external, which knows of several models, and
beside the file of the model, which knows of several output folders. It holds no name of a file,
only digests of pixels: so a set that was prepared anew, or moved, is known again.
"""

import errno
import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import errors
from data.inputs import Input
from data.preprocessing import Preprocessing
from data.tables import plain_bytes
from errors import UserError
from files import refuse_other_kinds, written_whole
from locks import held_beside

NAME = "looks.json"
SHORT = 16  # hexadecimal digits of an image's sha256 that are kept
WAIT = 30.0  # seconds that another process may need to write its look
READ_ONLY = (errno.EACCES, errno.EPERM, errno.EROFS)


@dataclass(frozen=True)
class Look:
    """One look of a model at a set of images.

    Args:
        date: and time, as people write it.
        checkpoint_sha256: of the file of the model.
        set_sha256: of the pixels of all images, in any order.
        images: the beginning of the sha256 of each image, sorted.
    """

    date: str
    checkpoint_sha256: str
    set_sha256: str
    images: list[str]

    @classmethod
    def of(
        cls, inputs: Sequence[Input], preprocessing: Preprocessing, checkpoint_sha256: str
    ) -> "Look":
        """The look that is taken now."""
        digests = sorted(_digest(item, preprocessing) for item in inputs)
        whole = hashlib.sha256("\n".join(digests).encode()).hexdigest()
        date = time.strftime("%Y-%m-%d %H:%M:%S")
        return cls(date, checkpoint_sha256, whole, [digest[:SHORT] for digest in digests])


def _digest(item: Input, preprocessing: Preprocessing) -> str:
    """sha256 of the grey pixels of an image's source, whether it is prepared or raw."""
    if item.prepared and item.row.get("sha256"):
        return item.row["sha256"]
    return hashlib.sha256(item.stored(preprocessing).pixels.tobytes()).hexdigest()


def sha256_of(path: Path) -> str:
    """That of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True)
class Record:
    """All looks that are known.

    Args:
        output: the output folder.
        checkpoint: the file of the model.
    """

    output: Path
    checkpoint: Path

    @property
    def files(self) -> list[Path]:
        """The two places that it lies in."""
        beside = self.checkpoint.with_name(f"{self.checkpoint.stem}_{NAME}")
        return [self.output / NAME, beside]

    def read(self) -> list[Look]:
        """The looks of both places, the first one first.

        Raises:
            UserError: a file that is there is not one that ``add`` wrote.
        """
        looks = []
        for path in self.files:
            refuse_other_kinds(path)
            looks += [look for look in _read(path) if look not in looks]
        return sorted(looks, key=lambda look: look.date)

    def add(self, look: Look) -> list[Look]:
        """Keep a look, and give those before it; a note says where it cannot be kept."""
        former = self.read()
        for path in self.files:
            try:
                with held_beside(path, WAIT):
                    _write([*_read(path), look], path)
            except OSError as error:
                if error.errno not in READ_ONLY:
                    raise
                errors.note(f"{path}: cannot be written, so it does not tell of this look")
        return former


def _read(path: Path) -> list[Look]:
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
            f"{path}: is no record of looks; move it away, or put back the one that was there"
        ) from None
    return looks


def _is_sound(look: Look) -> bool:
    texts = (look.date, look.checkpoint_sha256, look.set_sha256)
    return (
        all(isinstance(text, str) for text in texts)
        and isinstance(look.images, list)
        and all(isinstance(image, str) for image in look.images)
    )


def _write(looks: Sequence[Look], path: Path) -> None:
    """Write a record, which holds all that the former one held."""
    text = json.dumps([asdict(look) for look in looks])
    with written_whole(path) as beside:
        beside.write_text(text + "\n", encoding="utf-8")


def told(former: Sequence[Look], now: Look) -> list[str]:
    """What former looks mean for this one, a line each; the first says which look it is."""
    same = [look for look in former if look.set_sha256 == now.set_sha256]
    images = set(now.images)
    partly = [look for look in former if look not in same and images & set(look.images)]
    if same:
        own = sum(look.checkpoint_sha256 == now.checkpoint_sha256 for look in same)
        lines = [
            f"look {len(same) + 1} at this set, {own + 1} by this model; the first was on "
            f"{same[0].date}"
        ]
    else:
        lines = ["look 1 at this set"]
    if partly:
        seen = images & {image for look in partly for image in look.images}
        lines.append(
            f"ALARM: {len(seen)} of {len(images)} different images were in {len(partly)} looks at "
            f"other sets, first on {partly[0].date}: this set is not wholly unseen"
        )
    others = {look.checkpoint_sha256 for look in [*same, *partly]} - {now.checkpoint_sha256}
    if others:
        lines.append(
            f"ALARM: {len(others) + 1} models were judged by these images: the set is no longer "
            "unseen for choosing between them; confirm the chosen one on new images"
        )
    return lines
