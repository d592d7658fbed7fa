"""Runs of several frames in DICOM files: which frames are taken, and what is said of them."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from numpy.typing import NDArray

from data.frames import best_frame, reduced
from data.remarks import Remark

FLUOROSCOPY = ("XA", "RF")  # modalities whose runs show vessels with and without contrast medium
MOST_FRAMES = 128  # of a run that are judged
MOST_PIXELS = 256_000_000  # of these frames together
MOST_IMAGES = 12  # of one run, with frame: all
WHOLE = re.compile(r"[0-9]{1,6}")
RUN = "are DICOM runs of several frames"
REMARKS = {
    "best": Remark(RUN, ", of which the one with the most filled vessels is taken"),
    "even": Remark(
        f"{RUN} whose vessels are filled alike in all of them", ", of which the middle one is taken"
    ),
    "middle": Remark(RUN, ", of which the middle one is taken"),
    "number": Remark(RUN, ", of which the one that frame names is taken"),
    "all": Remark(
        f"are frames of DICOM runs of several frames (frame: all; {MOST_IMAGES} at most of each)",
        ": those of one run are one group",
    ),
}


@dataclass(frozen=True)
class RunFrame:
    """Which frame of a run a picture is.

    Args:
        index: from 0.
        count: frames of the run.
        rule: by which it was taken, a key of REMARKS.
    """

    index: int
    count: int
    rule: str

    def __str__(self) -> str:
        """As viewers count, from 1."""
        return f"frame {self.index + 1} of {self.count}"

    @property
    def remark(self) -> Remark:
        """What is said of it."""
        return REMARKS[self.rule]


def numbers_of_all(count: int) -> list[int]:
    """Every k-th of ``count`` frames, MOST_IMAGES of them at most; the first is number k // 2."""
    step = -(-count // MOST_IMAGES)
    return list(range(step // 2, count, step))


def is_best(frame: int | str, modality: str) -> bool:
    """Whether the frame with the most filled vessels is sought; "all" stands for one picture here.

    ``frame``: as in CONFIG.
    """
    return frame == "best" or (frame in ("auto", "all") and modality in FLUOROSCOPY)


def plain_choice(frame: int | str, count: int) -> RunFrame:
    """The frame of a run in which none is sought.

    Raises:
        ValueError: it has no such frame.
    """
    if isinstance(frame, str) or frame == -1:
        return RunFrame(count // 2, count, "middle")
    if not 0 <= frame < count:
        raise ValueError(f"got frame {frame}, wanted one from 0 to {count - 1}")
    return RunFrame(frame, count, "number")


def best_choice(count: int, pixels: int, inverse: bool, read: Callable[[int], NDArray]) -> RunFrame:
    """The frame of a run with the most filled vessels; the middle one where all are alike.

    Of long or large runs every k-th frame is judged, so that time and memory stay bounded.

    Args:
        count: its frames.
        pixels: of each.
        inverse: whether low values are bright (MONOCHROME1).
        read: gives the stored values (H, W) of one.

    Raises:
        ValueError: a frame cannot be read, and why.
    """
    most = max(1, min(MOST_FRAMES, MOST_PIXELS // pixels))
    step = -(-count // most)
    numbers = range((step - 1) // 2, count, step)
    small = []
    for number in numbers:
        try:
            small.append(reduced(read(number), inverse))
        except Exception as error:  # pydicom and its decoders raise whatever a damaged byte means
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            raise ValueError(
                f"frame {number} of its {count} cannot be read ({reason}), so that the one with "
                "the most filled vessels is not known; data.prepare takes the middle one with "
                "--frame=-1"
            ) from None
    chosen = best_frame(small)
    if chosen is None:
        return RunFrame(count // 2, count, "even")
    return RunFrame(numbers[chosen], count, "best")


def columns_of(run: RunFrame | None) -> dict[str, str]:
    """What a manifest says of a frame, from 0; nothing where the file holds one picture."""
    return {} if run is None else {"run_frame": str(run.index), "run_frames": str(run.count)}


def run_in(row: Mapping[str, str]) -> RunFrame | None:
    """The frame that a row of a manifest says, as ``columns_of`` writes it; None: it says none."""
    index, count = row.get("run_frame", ""), row.get("run_frames", "")
    if not (WHOLE.fullmatch(index) and WHOLE.fullmatch(count) and int(index) < int(count)):
        return None
    return RunFrame(int(index), int(count), "number")
