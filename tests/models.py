"""Models of any shape for the tests; what a test does not say is of the published size."""

from dataclasses import replace
from typing import Any

from CONFIG import ModelConfig
from vit.embeddings import Embeddings, PatchEmbedding
from vit.model import VisionTransformer

PUBLISHED = ModelConfig(image_size=256, embedding_size=256, num_heads=8, mlp_ratio=4.0)


def model_of(image_size: int | tuple[int, int] = 256, **shape: Any) -> VisionTransformer:
    """A model of an image size, (height, width) or the edge of a square, in training mode."""
    if isinstance(image_size, int):
        return VisionTransformer(replace(PUBLISHED, image_size=image_size, **shape))
    return VisionTransformer(replace(PUBLISHED, **shape), image_size)


def embeddings_of(
    image_size: tuple[int, int],
    patch_size: int,
    num_channels: int,
    embedding_size: int,
    **rest: Any,
) -> Embeddings:
    """Embeddings with patches cut and projected."""
    patches = PatchEmbedding(image_size, patch_size, num_channels, embedding_size)
    return Embeddings(patches, embedding_size, **rest)
