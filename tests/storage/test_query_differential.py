"""Queries by kept statements against aiida-core's own builder, over whatever Hypothesis comes up with."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Hashable, Iterator
from contextlib import suppress
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import pytest
from aiida import orm
from aiida.common.links import LinkType
from aiida.storage.sqlite_zip.orm import SqliteQueryBuilder
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from query_strategies import fill, templates

from pytest_aiida_temp.storage.query import comparable
from pytest_aiida_temp.storage.shapes import UncertainError, shape_of
from pytest_aiida_temp.storage.statements import Statement

if TYPE_CHECKING:
    from pytest_aiida_temp import TempProfile
    from pytest_aiida_temp.storage import SqliteTempBackend

IS_LONG = os.environ.get('HYPOTHESIS_PROFILE') == 'long'
SETTINGS = settings(
    max_examples=5000 if IS_LONG else 500, deadline=None, suppress_health_check=list(HealthCheck), database=None
)
ASKED: dict[str, Callable[[orm.QueryBuilder], Any]] = {
    'all': lambda builder: list(builder._impl.iterall(builder.as_dict(), None)),
    'dict': lambda builder: list(builder._impl.iterdict(builder.as_dict(), None)),
    'first': lambda builder: builder._impl.first(builder.as_dict()),
    'count': lambda builder: builder._impl.count(builder.as_dict()),
}


@pytest.fixture(scope='module')
def filled(module_profile: TempProfile) -> Iterator[TempProfile]:
    """A profile with some of each entity, linked and grouped."""
    module_profile.reset()
    other = orm.User(email='other@localhost', first_name='A').store()
    plugins = {'transport_type': 'core.local', 'scheduler_type': 'core.direct'}
    computers = [orm.Computer(name, 'localhost', **plugins).store() for name in ('one', 'two')]
    for computer, user in zip(computers, (orm.User.collection.get_default(), other), strict=True):
        orm.AuthInfo(computer, user).store()
    values = [0, 1, 0.5, True, None, 'a', "it's", 'é%', [1, 'a'], [], {'key': 'a'}]
    nodes: list[Any] = [orm.Int(number, label='a' * number).store() for number in range(3)]
    for number, value in enumerate(values):
        attributes = {'value': value, 'number': number, 'text': str(value), 'list': [value], 'nested': {'key': value}}
        node = orm.Dict(attributes, label=str(value), user=other if number % 2 else None, computer=computers[0])
        node.base.extras.set_many({'value': value, 'flag': bool(number % 2), 'nothing': None})
        nodes.append(node.store())
    for number, kind in enumerate((orm.CalculationNode, orm.CalcJobNode)):
        process = kind(computer=computers[number], process_type='one')
        for label, node in enumerate(nodes[number : number + 3]):
            process.base.links.add_incoming(node, LinkType.INPUT_CALC, f'x{label}')
        process.store()
        nodes.append(orm.Float(0.5))
        nodes[-1].base.links.add_incoming(process, LinkType.CREATE, 'create')
        nodes[-1].store()
        orm.Comment(process, other, "it's").store()
        orm.Log(datetime.now(timezone.utc), 'aiida', 'REPORT', process.pk, 'a', {'a': 1}).store()
        group = orm.Group(f'one{number}' * number or 'a', user=other if number else None).store()
        group.base.extras.set('value', number)
        group.add_nodes(nodes[::2] if number else nodes[:3])
    gc.collect()
    gc.freeze()  # building statements leaves so much garbage that a third of the time would go into looking for it
    yield module_profile
    gc.unfreeze()


def outcome(ask: Callable[[orm.QueryBuilder], Any], builder: orm.QueryBuilder) -> tuple[Any, type | None, str]:
    """Return what a query finds, or the error that it ends with."""
    try:
        return comparable(ask(builder)), None, ''
    except Exception as exception:
        return None, type(exception), str(getattr(exception, 'orig', exception))


def note_as_seen(storage: SqliteTempBackend, kind: str, builder: orm.QueryBuilder) -> Hashable:
    """Have the storage keep a statement when it is next asked a query of the same shape, as if this had been asked.

    :returns: what it is kept under, ``None`` for a query that has to be built each time.
    """
    data = builder.as_dict() | ({'limit': None} if kind == 'first' else {})
    with suppress(UncertainError):
        key = kind, shape_of(data).key
        storage.statements.look_up(key)
        return key
    return None


# SQLAlchemy warns of tables without a join only where it compiles, which is not at each execution.
@pytest.mark.filterwarnings('ignore::sqlalchemy.exc.SAWarning')
def test_a_kept_statement_finds_what_one_built_anew_finds(filled: TempProfile) -> None:
    storage = filled.storage
    kept: list[bool] = []

    @SETTINGS
    @given(template=templates(), kind=st.sampled_from(sorted(ASKED)), data=st.data())
    def compare(template: dict[str, Any], kind: str, data: st.DataObject) -> None:
        def builder() -> orm.QueryBuilder:
            try:
                return orm.QueryBuilder(**fill(template, data.draw))
            except (TypeError, ValueError, NotImplementedError):
                # QueryBuilder itself refuses it, such as an order that is neither 'asc' nor 'desc': no storage is
                # asked, so there is nothing to compare. That is one example in a hundred.
                assume(False)
                raise

        key = note_as_seen(storage, kind, builder())
        for asked in (builder(), builder()):
            found = outcome(ASKED[kind], asked)
            asked._impl = SqliteQueryBuilder(storage)
            assert found == outcome(ASKED[kind], asked)
            is_error = found[1] is not None
        if not is_error:
            kept.append(isinstance(storage.statements.look_up(key), Statement))

    compare()

    assert sum(kept) > 0.6 * len(kept), 'hardly a query was asked by a kept statement'
