"""Shows examples in docstrings that are run as tests: `pytest --doctest-modules --aiida-temp examples/words.py`. Each
docstring starts from fresh storage.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiida import orm


def add_words(group: orm.Group, text: str) -> int:
    """Store each word of a text, add it to a group and return how many there are in it.

    >>> from aiida import orm
    >>> group = orm.Group('words').store()
    >>> add_words(group, 'the cat')
    2
    >>> add_words(group, 'the dog')
    4
    >>> orm.QueryBuilder().append(orm.Str).count()
    4
    """
    from aiida import orm

    group.add_nodes([orm.Str(word).store() for word in text.split()])
    return group.count()


def all_words() -> list[str]:
    """Return the words that are stored.

    >>> all_words()
    []
    >>> from aiida import orm
    >>> node = orm.Str('cat').store()
    >>> all_words()
    ['cat']
    """
    from aiida import orm

    words: list[str] = orm.QueryBuilder().append(orm.Str, project='attributes.value').all(flat=True)
    return words
