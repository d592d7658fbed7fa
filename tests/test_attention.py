"""Self-attention: its equation, and the fused and the explicit path that agree."""

import pytest
import torch
from torch import Tensor

from tests.models import model_of
from vit.attention import SelfAttention, explicit_attention
from vit.model import VisionTransformer

B = 2
HEADS = 4
N = 17
D = 24


def attention(dropout: float = 0.0, qkv_bias: bool = True) -> SelfAttention:
    torch.manual_seed(6)
    return SelfAttention(D, HEADS, qkv_bias, dropout=dropout)


def tokens(batch: int = B) -> Tensor:
    return 2 * torch.randn(batch, N, D, generator=torch.Generator().manual_seed(7))


def model(hidden_dropout: float = 0.3, attention_dropout: float = 0.3) -> VisionTransformer:
    """A small model with sharp attention."""
    torch.manual_seed(8)
    return model_of(
        image_size=(24, 40),
        patch_size=8,
        num_channels=3,
        num_classes=5,
        embedding_size=32,
        num_hidden_layers=3,
        num_heads=HEADS,
        num_registers=1,
        hidden_dropout_prob=hidden_dropout,
        attention_dropout=attention_dropout,
        initializer_range=0.2,
        eps=1e-6,
    ).eval()


def pictures() -> Tensor:
    return torch.randn(B, 3, 24, 40, generator=torch.Generator().manual_seed(9))


def is_explicit(module: SelfAttention) -> bool:
    """Whether a forward pass now works out its probabilities."""
    return probabilities_of(module, tokens()) is not None


def probabilities_of(module: SelfAttention, x: Tensor) -> Tensor | None:
    """(B, heads, N, N) as a hook sees them, None on the fused path."""
    seen: list[Tensor] = []
    hook = module.probabilities.register_forward_hook(lambda _, __, output: seen.append(output))
    module(x)
    hook.remove()
    return seen[0] if seen else None


def by_the_equation(module: SelfAttention, x: Tensor) -> Tensor:
    """softmax(Q K^T / sqrt(d)) V, one image and one head after the other."""
    width = D // HEADS
    images = []
    for image in x:  # (N, D)
        query = module.query(image)
        key = module.key(image)
        value = module.value(image)
        heads = []
        for head in range(HEADS):
            own = slice(head * width, (head + 1) * width)
            scores = query[:, own] @ key[:, own].T / width**0.5  # (N, N)
            heads.append(scores.softmax(dim=1) @ value[:, own])
        images.append(module.projection(torch.cat(heads, dim=1)))
    return torch.stack(images)


def test_fused_path_follows_the_equation() -> None:
    torch.testing.assert_close(
        attention()(tokens()), by_the_equation(attention(), tokens()), atol=1e-5, rtol=0
    )


def test_explicit_path_follows_the_equation() -> None:
    module = attention()
    with explicit_attention(module):
        torch.testing.assert_close(
            module(tokens()), by_the_equation(module, tokens()), atol=1e-5, rtol=0
        )


@pytest.mark.parametrize("num_outputs", [1, 3])
def test_first_outputs_are_those_of_all_tokens(num_outputs: int) -> None:
    first = attention()(tokens(), num_outputs)
    assert first.shape == (B, num_outputs, D)
    torch.testing.assert_close(first, attention()(tokens())[:, :num_outputs], atol=1e-6, rtol=0)


def test_logits_of_both_paths_agree() -> None:
    one = model()
    fused = one(pictures())
    with explicit_attention(one):
        explicit = one(pictures())
    assert fused.std() > 0.1
    torch.testing.assert_close(explicit, fused, atol=1e-5, rtol=0)


def test_parameter_gradients_of_both_paths_agree() -> None:
    one = model()

    def gradients() -> dict[str, Tensor]:
        loss = torch.nn.functional.cross_entropy(one(pictures()), torch.tensor([1, 4]))
        names, parameters = zip(*one.named_parameters(), strict=True)
        return dict(zip(names, torch.autograd.grad(loss, parameters), strict=True))

    fused = gradients()
    with explicit_attention(one):
        explicit = gradients()
    assert fused["blocks.0.attention.query.weight"].abs().max() > 1e-3
    torch.testing.assert_close(explicit, fused, atol=1e-4, rtol=0)


def test_paths_agree_in_training_without_dropout() -> None:
    one = model(hidden_dropout=0.0, attention_dropout=0.0).train()
    fused = one(pictures())
    with explicit_attention(one):
        torch.testing.assert_close(one(pictures()), fused, atol=1e-5, rtol=0)


def test_dropout_of_either_path_keeps_the_mean() -> None:
    """The output is linear in the probabilities, so its mean over many draws is the output without
    dropout.
    """
    repeats = 4000
    module = attention(dropout=0.3)
    one = tokens()[:1]
    many = one.expand(repeats, -1, -1)
    wanted = module.eval()(one)[0]
    module.train()
    torch.manual_seed(10)
    fused = module(many)
    with explicit_attention(module):
        explicit = module(many)
    for drawn in (fused, explicit):
        error = drawn.std(dim=0) / repeats**0.5
        assert (drawn.mean(dim=0) - wanted).abs().div(error).max() < 5
    torch.testing.assert_close(explicit.std(dim=0), fused.std(dim=0), rtol=0.15, atol=1e-3)


def test_projection_dropout_acts_on_the_joined_heads() -> None:
    torch.manual_seed(11)
    joined = SelfAttention(D, HEADS, projection_dropout=0.3).train()(tokens())
    assert (joined == 0).float().mean().item() == pytest.approx(0.3, abs=0.06)


def test_rows_of_probabilities_sum_to_one() -> None:
    module = attention()
    with explicit_attention(module):
        probabilities = probabilities_of(module, tokens())
    assert probabilities is not None
    assert probabilities.shape == (B, HEADS, N, N)
    assert (probabilities >= 0).all()
    torch.testing.assert_close(
        probabilities.sum(dim=-1), torch.ones(B, HEADS, N), atol=1e-6, rtol=0
    )


def test_hooks_see_probabilities_before_dropout() -> None:
    module = attention(dropout=0.3).train()
    with explicit_attention(module):
        probabilities = probabilities_of(module, tokens())
    assert probabilities is not None
    torch.testing.assert_close(
        probabilities.sum(dim=-1), torch.ones(B, HEADS, N), atol=1e-6, rtol=0
    )


def test_fused_path_is_the_usual_one() -> None:
    assert not is_explicit(attention())


def test_switch_goes_back_at_the_end() -> None:
    module = attention()
    with explicit_attention(module):
        assert is_explicit(module)
    assert not is_explicit(module)


def test_switch_leaves_other_modules_alone() -> None:
    with explicit_attention(attention()):
        assert not is_explicit(attention())


def test_switch_goes_back_after_an_exception() -> None:
    module = attention()
    with pytest.raises(RuntimeError, match="inside"), explicit_attention(module):
        raise RuntimeError("inside")
    assert not is_explicit(module)


def test_inner_use_leaves_the_outer_one_on() -> None:
    module = attention()
    with explicit_attention(module):
        with explicit_attention(module):
            assert is_explicit(module)
        assert is_explicit(module)
    assert not is_explicit(module)


def test_a_width_that_does_not_divide_among_heads() -> None:
    with pytest.raises(ValueError, match="embedding_size 24 is not divisible by num_heads 5"):
        SelfAttention(24, 5)
