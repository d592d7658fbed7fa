"""Whether images lie in the very ProcessedFolder that a model was trained on."""

from pathlib import Path

from data import processed
from data.processed import Processed
from data.readers import DataError
from vit.facts import Facts

NEAR = 4  # folders above an image where a ProcessedFolder is looked for


def folder_of(image: Path) -> Processed | None:
    """The ProcessedFolder that an image lies in; None: there is none, or it has faults."""
    for parent in list(image.resolve().parents)[:NEAR]:
        if (parent / "dataset.json").is_file():
            try:
                return processed.load(parent, for_training=False)
            except DataError:
                return None  # predictions stand without it
    return None


def is_trained_on(facts: Facts, folder: Processed | None) -> bool:
    """Whether the model comes from this very folder, images, labels and splits."""
    if folder is None:
        return False
    crossed = folder.with_fold(0)  # of which a cross-validation keeps the hash
    known = (folder.split_hash(), crossed.split_hash())
    provenance = facts.provenance
    same_pixels = provenance.content_sha256 in ("", folder.content_hash())  # older ones do not tell
    return provenance.split_sha256 in known and same_pixels
