"""Options that name files: what is empty, taken or no file is said before any work."""

import pytest

import errors

EMPTY = [
    (["--Path", "in", "--OUTPUT", ""], "--OUTPUT"),
    (["--OUTPUT="], "--OUTPUT"),
    (["-o", "", "--Path", "in"], "-o"),
    (["--", "Path", ""], "Path"),
    ([""], "the command line"),
]


@pytest.mark.parametrize(("words", "option"), EMPTY, ids=[" ".join(words) for words, _ in EMPTY])
def test_an_empty_word_is_not_the_current_folder(words: list[str], option: str) -> None:
    with pytest.raises(errors.UserError, match=rf"\A{option}: got nothing, wanted a word; "):
        errors.check_text(words)
