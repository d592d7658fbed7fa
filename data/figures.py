"""How a figure becomes a file: whole, the former one kept, and every text in it as it is."""

from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font
from matplotlib.text import Text

from files import written_whole


def save_figure(figure: Figure, path: Path, dpi: float, keep_former: bool = True) -> None:
    """Write a PNG; ``keep_former``: as in ``written_whole``."""
    show_words(figure)
    with written_whole(path, keep_former=keep_former) as beside:
        figure.savefig(beside, dpi=dpi)


def show_words(figure: Figure) -> None:
    """Let no text of a figure be read as a formula: names of files and classes may hold a $.

    Letters that the font lacks, which would be drawn as empty boxes, are spelt out.
    """
    for text in figure.findobj(Text):
        assert isinstance(text, Text), "findobj gives what it is asked for"
        text.set_text(drawable(text.get_text(), text))
        text.set_parse_math(False)
        text.set_usetex(False)


def drawable(words: str, text: Text) -> str:
    """Words with each letter spelt out that the font of a text lacks, such as \\u5fc3."""
    if words.isascii():
        return words
    font = get_font(findfont(text.get_fontproperties()))
    return "".join(
        letter if font.get_char_index(ord(letter)) else letter.encode("unicode_escape").decode()
        for letter in words
    )
