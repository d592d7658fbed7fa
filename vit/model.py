"""The Vision Transformer (Dosovitskiy et al. 2021, "An Image is Worth 16x16 Words")."""

from torch import Tensor, nn
from torch.nn.init import trunc_normal_, zeros_

from vit.embeddings import Embeddings, sine_positions
from vit.encoder import EncoderBlock

POSITIONS = 0.3  # size of the waves that position embeddings begin as


class VisionTransformer(nn.Module):
    """Embeddings, encoder blocks, final norm, and an MLP head on the CLS token. By default of the
    published size.

    Args:
        image_size: edge in pixels, or (height, width).
        patch_size: edge of a square patch in pixels.
        num_channels: channels of the image, C.
        num_classes: length of the logits.
        embedding_size: width of a token, D.
        num_hidden_layers: encoder blocks.
        num_heads: attention heads of each block.
        mlp_ratio: hidden width of a block's MLP, as a multiple of D.
        qkv_bias: whether query, key and value projections have a bias.
        hidden_dropout_prob: dropout of embeddings, projections and MLPs.
        attention_dropout: dropout of attention probabilities.
        eps: added to the variance in every layer norm.
        num_registers: learned tokens beside CLS and patches.
        representation_size: hidden width of the head, linear-tanh-linear as in the paper's
            pre-training; 0 gives the linear head of its fine-tuning.
        initializer_range: standard deviation of the truncated normal that starts the weights.
        stem: "patch" cuts and projects, "convolution" lets 3 x 3 convolutions make the tokens.
        kept_tokens: share of the patches that are looked at, those with the most contrast.
        patch_dropout: share of those that training leaves out at random.

    Raises:
        ValueError: image and patch size, or width and heads, do not divide.
    """

    def __init__(
        self,
        image_size: int | tuple[int, int] = 256,
        patch_size: int = 16,
        num_channels: int = 1,
        num_classes: int = 2,
        embedding_size: int = 256,
        num_hidden_layers: int = 4,
        num_heads: int = 8,
        mlp_ratio: float = 4.0,
        qkv_bias: bool = True,
        hidden_dropout_prob: float = 0.0,
        attention_dropout: float = 0.0,
        eps: float = 1e-12,
        num_registers: int = 0,
        representation_size: int = 0,
        initializer_range: float = 0.02,
        stem: str = "patch",
        kept_tokens: float = 1.0,
        patch_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.num_classes = num_classes
        size = (
            (image_size, image_size)
            if isinstance(image_size, int)
            else (image_size[0], image_size[1])
        )
        self.embeddings = Embeddings(
            size,
            patch_size,
            num_channels,
            embedding_size,
            num_registers,
            hidden_dropout_prob,
            stem,
            kept_tokens,
            patch_dropout,
        )
        self.blocks = nn.ModuleList(
            EncoderBlock(
                embedding_size,
                num_heads,
                mlp_ratio,
                qkv_bias,
                hidden_dropout_prob,
                attention_dropout,
                eps,
            )
            for _ in range(num_hidden_layers)
        )
        self.norm = nn.LayerNorm(embedding_size, eps=eps)
        self.head = nn.Sequential()
        if representation_size:
            self.head.extend([nn.Linear(embedding_size, representation_size), nn.Tanh()])
        self.head.append(nn.Linear(representation_size or embedding_size, num_classes))
        if not self.norm.weight.is_meta:  # such weights are about to come from a file
            self._initialise(initializer_range)

    @property
    def grid(self) -> tuple[int, int]:
        """Patches along (height, width)."""
        return self.embeddings.patch_embedding.grid

    @property
    def num_prefix_tokens(self) -> int:
        """Tokens before the first patch: CLS and the registers."""
        return 1 + self.embeddings.registers.shape[1]

    def with_patches(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """(B, C, H, W) images to the (B, num_classes) logits, the (B, K, D) normed patch tokens and
        their numbers.

        The numbers are (B, K), or None where all patches are kept.
        """
        kept = self.embeddings.kept(images)
        tokens = self.embeddings(images, kept)
        for block in self.blocks:
            tokens = block(tokens)
        tokens = self.norm(tokens)  # (B, 1 + R + N, D)
        return self.head(tokens[:, 0]), tokens[:, self.num_prefix_tokens :], kept

    def forward(self, images: Tensor) -> Tensor:
        """(B, C, H, W) images to (B, num_classes) logits."""
        tokens = self.embeddings(images, self.embeddings.kept(images))  # (B, 1 + R + K, D)
        *body, last = self.blocks
        for block in body:
            tokens = block(tokens)
        cls = last(tokens, num_outputs=1)[
            :, 0
        ]  # (B, D); the head reads no other token, so none is worked out
        return self.head(self.norm(cls))

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
        waves = sine_positions(self.grid, embeddings.position_embedding.shape[2])
        embeddings.position_embedding.data[0, 1:] = POSITIONS * waves
