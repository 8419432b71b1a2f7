"""What the user may have meant by a word that is not known."""
from __future__ import annotations

from collections.abc import Iterable

# How much two words must have in common, as difflib measures it: one letter too many or two exchanged in short ones.
ALIKE = 0.7


def nearest(word: str, known: Iterable[str]) -> str:
    """The known word that is most like this one; '' if none is."""
    import difflib  # it takes longer to import than all that is needed where nothing is misspelt
    found = difflib.get_close_matches(word, list(known), 1, ALIKE)
    return found[0] if found else ''
