"""Text of others, made harmless for a terminal."""

__all__ = ["printable"]


def printable(text: str) -> str:
    r"""Return the text with everything escaped that could move a cursor or hide what is there.

    What is printed was written by customers and merchants; a name with an escape sequence in it
    must not be able to repaint an operator's screen. ESC becomes the four letters \x1b.
    """
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )
