"""Shows test cases of the standard library, for suites that do not use pytest: run them also with `python -m unittest
examples/test_testcase.py`. Each test finds what `setUpClass()` stored and nothing of the other tests.
"""

from __future__ import annotations

from typing import ClassVar

from pytest_aiida_temp import TempProfileTestCase


class WordsTest(TempProfileTestCase):
    """Words in a group."""

    uuid: ClassVar[str]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        from aiida import orm

        cls.uuid = orm.Str('cat').store().uuid

    def test_stores_a_second_word(self) -> None:
        from aiida import orm

        orm.Str('dog').store()

        self.assertEqual(orm.QueryBuilder().append(orm.Str).count(), 2)

    def test_finds_the_first_word_alone(self) -> None:
        from aiida import orm

        self.assertEqual(orm.QueryBuilder().append(orm.Str, project='uuid').all(flat=True), [self.uuid])
