"""Which map of evidence is wanted."""

from dataclasses import dataclass, replace

from errors import UserError
from metrics.decision import FOLLOWED

DEFAULT = "agreement"  # of vit.explain.METHODS
KNOW_NO_CLASS = ("attention", "rollout")


class ExplanationError(UserError):
    """A method, class, block or head that is not there."""


@dataclass(frozen=True)
class MapRequest:
    """Which map of evidence is wanted.

    Args:
        target: class whose evidence it shows, by index; None: of each image the finding that
            ``Facts.followed`` names.
        method: one of vit.explain.METHODS.
        layer: the only encoder block that is used, from 0; None: as the method does.
        head: the only attention head that is used, from 0; None: all.
    """

    target: int | None
    method: str = DEFAULT
    layer: int | None = None
    head: int | None = None

    def of(self, target: int) -> "MapRequest":
        """The same for a class."""
        return replace(self, target=target)

    def title(self, class_names: list[str], ordered: bool = False) -> str:
        """What is drawn, in words; a class where the method knows one.

        ``ordered``: the classes are grades. What speaks for the highest one raises the score of
        them all.
        """
        parts = [self.method]
        if self.layer is not None:
            parts.append(f"layer {self.layer}")
        if self.head is not None:
            parts.append(f"head {self.head}")
        if self.method not in KNOW_NO_CLASS:
            if self.target is None:
                return ", ".join([*parts, f"for {FOLLOWED}"])
            is_score = ordered and self.target == len(class_names) - 1
            parts.append("for a higher grade" if is_score else f"for {class_names[self.target]}")
        return ", ".join(parts)
