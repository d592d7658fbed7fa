"""Images on their way to a trained model: read, placed in its square, and what is to be said."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from data.inputs import Input
from data.preprocessing import Preprocessing
from data.remarks import Remark
from data.scale import Depth, depth_of


@dataclass(frozen=True)
class Batch:
    """Images that are ready for the model.

    Args:
        items: B images, of runs with the frame that was read.
        pixels: (B, S, S) float32 from 0 to 1.
        in_training: whether the model learned from each.
        depths: of those with more than 8 bits.
        own_scales: how many run from their own least to their own greatest value.
        remarks: by the name of the image, as in data.picture.Stored.
        aspects: height of a pixel over its width, by the name of the image.
    """

    items: list[Input]
    pixels: NDArray
    in_training: list[bool]
    depths: list[Depth]
    own_scales: int
    remarks: dict[str, tuple[Remark, ...]]
    aspects: dict[str, float]


def read_batch(
    items: list[Input],
    preprocessing: Preprocessing,
    trained_on: set[str],
    with_lesions: bool,
    faults: list[str],
) -> Batch:
    """The images; what cannot be read goes to ``faults``, a line each.

    Args:
        items: the images.
        preprocessing: what is done to them.
        trained_on: sha256 of the images that the model learned from.
        with_lesions: whether their lesions are drawn later, so that they have to be readable too.
        faults: that were found; more are added.
    """
    pictures = []
    in_training = []
    depths = []
    own_scales = 0
    aspects = {}
    remarks = {}
    known = []
    for item in items:
        try:
            stored = item.stored(preprocessing)
            pixels = preprocessing.place(preprocessing.grey(stored), item.prepared)
            digests = item.digests(preprocessing, stored) if trained_on else set()
            if with_lesions:
                item.lesion(preprocessing)
        except ValueError as error:
            faults.append(str(error))
        else:
            pictures.append(pixels)
            known.append(replace(item, read=stored.run) if stored.run else item)
            in_training.append(bool(trained_on & digests))
            depths.append(depth_of(stored))
            own_scales += stored.ends is not None
            aspects[item.name] = stored.aspect
            remarks[item.name] = stored.remarks
    known_depths = [depth for depth in depths if depth]
    stacked = np.stack(pictures) if pictures else np.empty(0)
    return Batch(known, stacked, in_training, known_depths, own_scales, remarks, aspects)
