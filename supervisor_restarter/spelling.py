"""What may have been meant by a word that is not known. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable

# Comparing words takes supervisord's one thread: 15 milliseconds at these bounds.
MOST_KNOWN = 1000
LONGEST = 60  # characters; the time grows with their square


def closest(word: object, known: Collection[str]) -> str:
    """The one of the `known` words that is much like `word`; '' if none is, or there are too many
    to compare.
    """
    if not isinstance(word, str) or len(word) > LONGEST or len(known) > MOST_KNOWN:
        return ''
    import difflib  # mistakes are rare, and the command line would wait for it each time

    return ''.join(difflib.get_close_matches(word, known, 1))


def did_you_mean(words: Iterable[str]) -> str:
    """ "; did you mean 'web'?", to be appended to a message; '' if all of the words are ''."""
    found = ', '.join(map(repr, filter(None, dict.fromkeys(words))))
    return f'; did you mean {found}?' if found else ''
