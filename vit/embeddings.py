"""From pixels to tokens: patch projection, CLS token, registers and position embedding."""

import torch
from torch import Tensor, nn


class PatchEmbedding(nn.Module):
    """Cut the image into patches and project each to a token (Dosovitskiy et al. 2021, eq. 1).

    A convolution whose stride equals its kernel is the same linear map applied to every patch.

    Args:
        image_size: (height, width) in pixels; each a multiple of ``patch_size``.
        patch_size: edge of a square patch in pixels.
        num_channels: channels of the image, C.
        embedding_size: width of a token, D.

    Raises:
        ValueError: the image does not divide into whole patches.
    """

    def __init__(self, image_size: tuple[int, int], patch_size: int, num_channels: int, embedding_size: int) -> None:
        super().__init__()
        height, width = image_size
        if height % patch_size or width % patch_size:
            raise ValueError(f"image_size {height} x {width} is not divisible by patch_size {patch_size}")
        self.image_size = image_size
        self.grid = (height // patch_size, width // patch_size)
        self.projection = nn.Conv2d(num_channels, embedding_size, kernel_size=patch_size, stride=patch_size)

    def forward(self, images: Tensor) -> Tensor:
        """(B, C, H, W) images to (B, N, D) tokens, N = grid height * grid width, row by row."""
        if images.shape[-2:] != self.image_size:
            got, wanted = tuple(images.shape[-2:]), self.image_size
            raise ValueError(f"image of {got[0]} x {got[1]} px, but this model takes {wanted[0]} x {wanted[1]} px")
        return self.projection(images).flatten(2).transpose(1, 2)  # (B, D, h, w) -> (B, N, D)


class Embeddings(nn.Module):
    """Tokens of one image: CLS, then registers if any, then the patches with their positions.

    Registers (Darcet et al. 2024, "Vision Transformers Need Registers") are learned tokens without a
    position; they give the network a place for global notes, which otherwise it keeps in background patches.
    """

    def __init__(
        self,
        image_size: tuple[int, int],
        patch_size: int,
        num_channels: int,
        embedding_size: int,
        num_registers: int = 0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.patch_embedding = PatchEmbedding(image_size, patch_size, num_channels, embedding_size)
        num_patches = self.patch_embedding.grid[0] * self.patch_embedding.grid[1]
        self.cls_token = nn.Parameter(torch.zeros(1, 1, embedding_size))
        self.registers = nn.Parameter(torch.zeros(1, num_registers, embedding_size))
        self.position_embedding = nn.Parameter(torch.zeros(1, 1 + num_patches, embedding_size))
        self.dropout = nn.Dropout(dropout)

    def forward(self, images: Tensor) -> Tensor:
        """(B, C, H, W) images to (B, 1 + R + N, D) tokens, R registers."""
        patches = self.patch_embedding(images) + self.position_embedding[:, 1:]  # (B, N, D)
        cls = self.cls_token + self.position_embedding[:, :1]  # (1, 1, D)
        prefix = torch.cat([cls, self.registers], dim=1).expand(len(images), -1, -1)  # (B, 1 + R, D)
        return self.dropout(torch.cat([prefix, patches], dim=1))
