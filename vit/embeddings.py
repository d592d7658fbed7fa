"""From pixels to tokens: patches, CLS token, registers and position embedding."""

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate


def convolution_stem(patch_size: int, num_channels: int, embedding_size: int) -> nn.Sequential:
    """Pairs of 3 x 3 convolutions that leave one token of each patch.

    The first of each pair halves the picture.

    Early convolutions (Xiao et al. 2021, "Early Convolutions Help Transformers See Better", section
    3) give a small data set the edges that patches would have to learn. Norms are over an image,
    not over a batch.
    """
    halvings = (patch_size & -patch_size).bit_length() - 1  # as often as patch_size is even
    layers: list[nn.Module] = []
    before = num_channels
    for left in reversed(range(halvings)):
        width = max(8, embedding_size >> left)
        for fewer, stride in ((before, 2), (width, 1)):
            layers += [
                nn.Conv2d(fewer, width, 3, stride, padding=1),
                nn.GroupNorm(1, width),
                nn.GELU(),
            ]
        before = width
    rest = patch_size >> halvings
    return nn.Sequential(*layers, nn.Conv2d(before, embedding_size, rest, stride=rest))


def sine_positions(grid: tuple[int, int], embedding_size: int) -> Tensor:
    """(N, D) sines and cosines of the row and the column of each patch.

    Vaswani et al. 2017, section 3.5, in two dimensions.
    """
    quarter = -(-embedding_size // 4)
    rates = 100.0 ** -(torch.arange(quarter) / quarter)  # from one radian a patch to a hundredth
    rows, columns = (torch.arange(edge)[:, None] * rates for edge in grid)  # (h, D / 4), (w, D / 4)
    rows = rows[:, None].expand(*grid, -1)
    columns = columns[None].expand(*grid, -1)
    waves = torch.cat([rows.sin(), rows.cos(), columns.sin(), columns.cos()], dim=2)  # (h, w, D)
    return waves.flatten(0, 1)[:, :embedding_size]


def contrast(images: Tensor, patch_size: int) -> Tensor:
    """(B, C, H, W) images to (B, N) variances of the grey values within each patch, row by row."""
    grey = images.mean(dim=1, keepdim=True)  # (B, 1, H, W)
    mean = interpolate(
        avg_pool2d(grey, patch_size), scale_factor=patch_size
    )  # nearest: the same in all of a patch
    return avg_pool2d((grey - mean) ** 2, patch_size).flatten(1)


class PatchEmbedding(nn.Module):
    """Cut the image into patches and project each to a token (Dosovitskiy et al. 2021, eq. 1).

    A convolution whose stride equals its kernel is the same linear map applied to every patch.

    Args:
        image_size: (height, width) in pixels; each a multiple of ``patch_size``.
        patch_size: edge of a square patch in pixels.
        num_channels: channels of the image, C.
        embedding_size: width of a token, D.
        stem: "patch" for that projection, "convolution" for ``convolution_stem``.

    Raises:
        ValueError: the image does not divide into whole patches, or the stem is unknown.
    """

    def __init__(
        self,
        image_size: tuple[int, int],
        patch_size: int,
        num_channels: int,
        embedding_size: int,
        stem: str = "patch",
    ) -> None:
        super().__init__()
        if stem not in ("patch", "convolution"):
            raise ValueError(f"stem: got {stem!r}, wanted patch or convolution")
        height, width = image_size
        if height % patch_size or width % patch_size:
            raise ValueError(
                f"image_size {height} x {width} is not divisible by patch_size {patch_size}"
            )
        self.image_size = image_size
        self.patch_size = patch_size
        self.grid = (height // patch_size, width // patch_size)
        self.projection = (
            nn.Conv2d(num_channels, embedding_size, kernel_size=patch_size, stride=patch_size)
            if stem == "patch"
            else convolution_stem(patch_size, num_channels, embedding_size)
        )

    def forward(self, images: Tensor) -> Tensor:
        """(B, C, H, W) images to (B, N, D) tokens, N = grid height * grid width, row by row."""
        if images.shape[-2:] != self.image_size:
            got = " x ".join(map(str, images.shape[-2:]))
            wanted = " x ".join(map(str, self.image_size))
            raise ValueError(f"image of {got} px, but this model takes {wanted} px")
        return self.projection(images).flatten(2).transpose(1, 2)  # (B, D, h, w) -> (B, N, D)


class Embeddings(nn.Module):
    """Tokens of one image: CLS, then registers if any, then the patches with their positions.

    Registers (Darcet et al. 2024, "Vision Transformers Need Registers") are learned tokens without
    a position; they give the network a place for global notes, which otherwise it keeps in
    background patches.

    Args:
        patch_embedding: makes the tokens of the patches.
        embedding_size: width of a token, D.
        num_registers: R.
        dropout: of all tokens.
        kept_tokens: share of the patches that stay, those with the most contrast. Air, collimator
            and the inside of a large chamber are flat and go first.
        patch_dropout: share of those that training leaves out at random (Liu et al. 2023,
            "PatchDropout", section 3).
    """

    def __init__(
        self,
        patch_embedding: PatchEmbedding,
        embedding_size: int,
        num_registers: int = 0,
        dropout: float = 0.0,
        kept_tokens: float = 1.0,
        patch_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.patch_embedding = patch_embedding
        num_patches = patch_embedding.grid[0] * patch_embedding.grid[1]
        self.num_kept = max(1, round(kept_tokens * num_patches))
        self.patch_dropout = patch_dropout
        self.cls_token = nn.Parameter(torch.zeros(1, 1, embedding_size))
        self.registers = nn.Parameter(torch.zeros(1, num_registers, embedding_size))
        self.position_embedding = nn.Parameter(torch.zeros(1, 1 + num_patches, embedding_size))
        self.dropout = nn.Dropout(dropout)

    def kept(self, images: Tensor) -> Tensor | None:
        """(B, K) numbers of the patches that stay in the sequence, rising; None if all do."""
        dropout = self.patch_dropout if self.training else 0.0
        if self.num_kept == self.position_embedding.shape[1] - 1 and not dropout:
            return None
        variances = contrast(images, self.patch_embedding.patch_size)  # (B, N)
        numbers = variances.argsort(dim=1, descending=True, stable=True)[:, : self.num_kept]
        if dropout:
            chance = torch.rand(numbers.shape, device=numbers.device).argsort(dim=1)
            numbers = numbers.gather(1, chance[:, : max(1, round((1 - dropout) * self.num_kept))])
        return numbers.sort(dim=1).values

    def forward(self, images: Tensor, kept: Tensor | None = None) -> Tensor:
        """(B, C, H, W) images to (B, 1 + R + N, D) tokens, R registers; of the patches only
        ``kept``, if given.
        """
        patches = self.patch_embedding(images) + self.position_embedding[:, 1:]  # (B, N, D)
        if kept is not None:
            patches = patches.gather(
                1, kept[..., None].expand(-1, -1, patches.shape[2])
            )  # (B, K, D)
        cls = self.cls_token + self.position_embedding[:, :1]  # (1, 1, D)
        prefix = torch.cat([cls, self.registers], dim=1).expand(
            images.shape[0], -1, -1
        )  # (B, 1 + R, D)
        return self.dropout(torch.cat([prefix, patches], dim=1))
