"""The Vision Transformer (Dosovitskiy et al. 2021, "An Image is Worth 16x16 Words")."""

import torch
from torch import Tensor, nn
from torch.nn.init import trunc_normal_, zeros_

from CONFIG import USUAL_SIZE, ModelConfig
from metrics.decision import MULTILABEL
from vit.cumulative import CumulativeLogits
from vit.embeddings import Embeddings, PatchEmbedding, sine_positions
from vit.encoder import EncoderBlock
from vit.pooling import PictureScore

POSITIONS = 0.3  # size of the waves that position embeddings begin as


class VisionTransformer(nn.Module):
    """Embeddings, encoder blocks, final norm, and an MLP head on the CLS token.

    Args:
        config: the shape; CONFIG.ModelConfig says what each key means and holds the defaults.
        image_size: (height, width) [px] where the image is no square; by default the square of
            the configuration.

    Raises:
        ValueError: image and patch size, or width and heads, do not divide.
    """

    def __init__(self, config: ModelConfig, image_size: tuple[int, int] | None = None) -> None:
        super().__init__()
        self.num_heads = config.num_heads
        self.num_classes = config.num_classes
        self.multilabel = config.task == MULTILABEL  # each logit has a sigmoid of its own
        width = config.embedding_size
        edge = config.image_size or USUAL_SIZE
        patch_embedding = PatchEmbedding(
            image_size or (edge, edge),
            config.patch_size,
            config.num_channels,
            width,
            config.stem,
        )
        self.embeddings = Embeddings(
            patch_embedding,
            width,
            config.num_registers,
            config.hidden_dropout_prob,
            config.kept_tokens,
            config.patch_dropout,
        )
        self.blocks = nn.ModuleList(
            EncoderBlock(
                width,
                config.num_heads,
                config.mlp_ratio,
                config.qkv_bias,
                config.hidden_dropout_prob,
                config.attention_dropout,
                config.eps,
            )
            for _ in range(config.num_hidden_layers)
        )
        self.norm = nn.LayerNorm(width, eps=config.eps)
        self.head = nn.Sequential()
        if config.representation_size:
            self.head.extend([nn.Linear(width, config.representation_size), nn.Tanh()])
        last = CumulativeLogits if config.task == "ordinal" else nn.Linear
        self.head.append(last(config.representation_size or width, config.num_classes))
        self.pooling = PictureScore(width) if config.label_of == "group" else None
        if not self.norm.weight.is_meta:  # such weights are about to come from a file
            self._initialise(config.initializer_range)

    @property
    def grid(self) -> tuple[int, int]:
        """Patches along (height, width)."""
        return self.embeddings.patch_embedding.grid

    @property
    def num_prefix_tokens(self) -> int:
        """Tokens before the first patch: CLS and the registers."""
        return 1 + self.embeddings.registers.shape[1]

    def with_patches(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """(B, C, H, W) images to normed class tokens, patch tokens and the numbers of the patches.

        They are (B, D), (B, K, D), and (B, K), or None where all patches are kept.
        """
        kept = self.embeddings.kept(images)
        tokens = self.embeddings(images, kept)
        for block in self.blocks:
            tokens = block(tokens)
        tokens = self.norm(tokens)  # (B, 1 + R + N, D)
        return tokens[:, 0], tokens[:, self.num_prefix_tokens :], kept

    def forward(self, images: Tensor) -> Tensor:
        """(B, C, H, W) images to (B, num_classes) logits; of grades log probabilities.

        Of findings each is the logarithm of its own odds.
        """
        return self.head(self._class_tokens(images))

    def scored(self, images: Tensor) -> Tensor:
        """(B, C, H, W) images to (B, num_classes + 1) logits and score, see vit.pooling."""
        return self.with_score(self._class_tokens(images))

    def with_score(self, tokens: Tensor) -> Tensor:
        """(B, D) class tokens to (B, num_classes + 1) logits and score."""
        assert self.pooling is not None, "the labels are of single images"
        logits = self.head(tokens)
        return torch.cat([logits, self.pooling(tokens, logits)], dim=1)

    def _class_tokens(self, images: Tensor) -> Tensor:
        """(B, D) normed."""
        tokens = self.embeddings(images, self.embeddings.kept(images))  # (B, 1 + R + K, D)
        *body, last = self.blocks
        for block in body:
            tokens = block(tokens)
        # the head reads no other token, so none is worked out
        cls = last(tokens, num_outputs=1)[:, 0]  # (B, D)
        normed: Tensor = self.norm(cls)
        return normed

    def _initialise(self, std: float) -> None:
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Conv2d):
                trunc_normal_(module.weight, std=std)
                if module.bias is not None:
                    zeros_(module.bias)
        embeddings = self.embeddings
        for parameter in (
            embeddings.cls_token,
            embeddings.registers,
            embeddings.position_embedding,
        ):
            trunc_normal_(parameter, std=std)
        if self.pooling is not None:
            zeros_(self.pooling.score.weight)
        waves = sine_positions(self.grid, embeddings.position_embedding.shape[2])
        embeddings.position_embedding.data[0, 1:] = POSITIONS * waves
