"""Whether pictures come to the model as those that it learned from: what has to be said."""

from collections.abc import Mapping, Sequence
from typing import Any

from data.aspect import note_of_aspects
from data.dataset_info import Info, read_info
from data.inputs import Input
from data.preprocessing import Preprocessing
from data.readers import DataError
from data.scale import Depth, tells

KEYS = ("border", "stretch", "window", "frame", "full_scale")


def notes_of(
    inputs: Sequence[Input],
    depths: Sequence[Depth],
    preprocessing: Preprocessing,
    own_scales: int = 0,
    aspects: Mapping[str, float] | None = None,
) -> list[str]:
    """Sentences on pictures that were prepared, or are scaled, otherwise than the training images.

    Args:
        inputs: the pictures.
        depths: of those with more than 8 bits.
        preprocessing: of the model.
        own_scales: how many run from their own least to their own greatest value.
        aspects: height of a pixel over its width, of each picture by its name.
    """
    return [
        *_prepared_otherwise(inputs, preprocessing),
        *_taken_for_raw(inputs, preprocessing),
        *_scaled_otherwise(depths, preprocessing.full_scale),
        *_scaled_alone(own_scales),
        *note_of_aspects(aspects or {}, preprocessing.stretch),
    ]


def _prepared_otherwise(inputs: Sequence[Input], preprocessing: Preprocessing) -> list[str]:
    notes = []
    for folder in sorted({item.folder for item in inputs if item.folder}):
        if not (folder / "dataset.json").is_file():
            continue  # of the first published form
        try:
            info = read_info(folder / "dataset.json")
        except DataError as error:
            notes.append(f"{error}; how its images were prepared is not known")
            continue
        wanted = preprocessing.plain()
        keys = [key for key in KEYS if key in info and (key != "frame" or _has_runs(info))]
        others = [key for key in keys if _differ(info[key], wanted[key], key)]
        if others:
            had = ", ".join(f"{key} {info[key]}" for key in others)
            learned = ", ".join(f"{key} {wanted[key]}" for key in others)
            notes.append(
                f"{folder.name}: its images were prepared with {had}, those that the model learned "
                f"from with {learned}: predictions may be wrong; prepare the raw images again with "
                f"these values, or give predict.py the raw images"
            )
    return notes


def _has_runs(info: Info) -> bool:
    """Whether images of a folder are frames of runs, as its notes say."""
    return any("runs of several frames" in note for note in info.get("notes", []))


def _differ(had: Any, wanted: Any, key: str) -> bool:
    if key == "full_scale" and None in (had, wanted):
        return False  # one of the sets has 8 bits, where there is nothing to choose
    if key == "frame":
        return bool(had != wanted)
    if isinstance(had, int | float) and isinstance(wanted, int | float):
        return abs(had - wanted) > 1e-9
    return (had and list(had)) != (wanted and list(wanted))


def _taken_for_raw(inputs: Sequence[Input], preprocessing: Preprocessing) -> list[str]:
    """.npy files outside of a ProcessedFolder, whose border is cut although it may be already."""
    if not preprocessing.border:
        return []
    raw = [
        item.name
        for item in inputs
        if item.pixels is None and item.path.suffix.lower() == ".npy" and not item.prepared
    ]
    if not raw:
        return []
    return [
        f"{len(raw)} .npy files lie in no ProcessedFolder, such as {raw[0]}: they are taken "
        f"for raw pictures, and {preprocessing.border:.1%} of each edge is cut; images that "
        "data.prepare has made belong in their folder, beside dataset.json and manifest.csv"
    ]


def _scaled_otherwise(depths: Sequence[Depth], full_scale: int | None) -> list[str]:
    if not depths:
        return []
    if full_scale is None or not tells(full_scale):
        whites = sorted({depth.white for depth in depths})
        return [
            f"{len(depths)} images have more than 8 bits, and ViT.ckpt records no scale for them: "
            f"each is divided by that of its own bits ({', '.join(map(str, whites))})"
        ]
    above = [depth.greatest for depth in depths if depth.greatest > full_scale]
    if not above:
        return []
    return [
        f"{len(above)} images have values above {full_scale}, which was white in training: up to "
        f"{max(above)}; all of these are white"
    ]


def _scaled_alone(count: int) -> list[str]:
    if not count:
        return []
    return [
        f"{count} images are DICOM with negative, rescaled or inverted values and name no window: "
        "each runs from its own least to its own greatest value, so the same value is not the same "
        "grey; prepare with --window_centre and --window_width, and train again"
    ]
