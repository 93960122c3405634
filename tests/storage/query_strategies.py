"""Queries that Hypothesis makes up, each as a template with places for values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from aiida import orm
from aiida.common.links import LinkType
from hypothesis import strategies as st

CLASSES = {
    'authinfo': orm.AuthInfo,
    'comment': orm.Comment,
    'computer': orm.Computer,
    'group': orm.Group,
    'log': orm.Log,
    'node': orm.Node,
    'user': orm.User,
}
COLUMNS: dict[str, dict[str, str]] = {
    'authinfo': {'id': 'int', 'pk': 'int', 'enabled': 'bool', 'auth_params': 'json column'},
    'comment': {'id': 'int', 'uuid': 'str', 'content': 'str', 'ctime': 'time', 'user': 'int', 'node': 'int'},
    'computer': {'id': 'int', 'uuid': 'str', 'label': 'str', 'hostname': 'str', 'scheduler_type': 'str'},
    'group': {'id': 'int', 'uuid': 'str', 'label': 'str', 'time': 'time', 'type_string': 'str', 'user_id': 'int'},
    'log': {'id': 'int', 'uuid': 'str', 'message': 'str', 'levelname': 'str', 'time': 'time', 'dbnode_id': 'int'},
    'node': {
        'id': 'int',
        'uuid': 'str',
        'label': 'str',
        'node_type': 'str',
        'process_type': 'str',
        'ctime': 'time',
        'mtime': 'time',
        'user_id': 'int',
        'dbcomputer_id': 'int',
    },
    'user': {'id': 'int', 'pk': 'int', 'email': 'str', 'first_name': 'str', 'institution': 'str'},
}
LINK_COLUMNS = {'id': 'int', 'label': 'str', 'type': 'str', 'input_id': 'int', 'output_id': 'int'}
HAVE_JSON = {'node': ('attributes', 'extras'), 'group': ('extras',)}
PATHS = ['', '.value', '.number', '.text', '.list', '.nested', '.nested.key', '.flag', '.nothing', '.absent', '.0']
JOINS = {
    ('authinfo', 'with_computer'): 'computer',
    ('authinfo', 'with_user'): 'user',
    ('comment', 'with_node'): 'node',
    ('comment', 'with_user'): 'user',
    ('computer', 'with_node'): 'node',
    ('group', 'with_node'): 'node',
    ('group', 'with_user'): 'user',
    ('log', 'with_node'): 'node',
    ('node', 'with_ancestors'): 'node',
    ('node', 'with_comment'): 'comment',
    ('node', 'with_computer'): 'computer',
    ('node', 'with_descendants'): 'node',
    ('node', 'with_group'): 'group',
    ('node', 'with_incoming'): 'node',
    ('node', 'with_log'): 'log',
    ('node', 'with_outgoing'): 'node',
    ('node', 'with_user'): 'user',
    ('user', 'with_authinfo'): 'authinfo',
    ('user', 'with_comment'): 'comment',
    ('user', 'with_group'): 'group',
    ('user', 'with_node'): 'node',
}

TEXTS = st.sampled_from(
    ['', '%', '%', 'a', 'A%', '_', '0', 'b\\%', "it's", 'é', 'é%', '"', '[]', 'aiida_temp_0', 'one', 'x0', 'create']
)
NUMBERS = st.sampled_from([*range(-1, 20), 2_000_000_000, 2**31, 2**40])
FLOATS = st.sampled_from([0.0, 0.5, 1.0, -2.5, 1e300, float('inf'), 2_000_000_000.5])
TIMES = st.sampled_from(
    [datetime(year, 1, 1, tzinfo=zone) for year in (2000, 2024, 2100) for zone in (None, timezone.utc)]
)
ITEMS = st.sampled_from(['a', 0, 1, 0.5, True, None, "it's"])
VALUES = {
    'str': TEXTS,
    'int': NUMBERS,
    'float': FLOATS,
    'time': TIMES,
    'list': st.lists(ITEMS, max_size=2),
    'dict': st.dictionaries(st.sampled_from(['key', 'a']), ITEMS, max_size=2),
}


@dataclass(frozen=True)
class Place:
    """Where a value of some type goes, or a list of them.

    :param container: what an ``in`` looks in.
    """

    kind: str
    container: type | None = None

    @property
    def values(self) -> st.SearchStrategy[Any]:
        """What may be in that place."""
        if self.container is None:
            return VALUES[self.kind]
        return st.lists(VALUES[self.kind], min_size=1, max_size=3).map(self.container)


def fill(template: Any, draw: Any) -> Any:
    """Return a template with values in its places."""
    if isinstance(template, Place):
        return draw(template.values)
    if isinstance(template, dict):
        return {key: fill(value, draw) for key, value in template.items()}
    if isinstance(template, list):
        return [fill(value, draw) for value in template]
    return template


SCALARS = [Place('str'), Place('int'), Place('float'), Place('time')]
ANYTHING = st.sampled_from([*SCALARS, Place('list'), Place('dict'), None, True, False])
ODD_LISTS = [[], [1, 'a'], 5, None, [True], [None], {'a': 1}, 'text', Place('int', set), Place('str', frozenset)]
NEGATED = st.sampled_from(['', '', '', '~', '!'])
ORDER = ['==', '==', '>', '<', '>=', '<=']
LENGTHS = ['of_length', 'longer', 'shorter']
TYPES = ['object', 'array', 'string', 'number', 'null', 'boolean']


def _in(kinds: list[str]) -> list[tuple[str, Place]]:
    return [('in', Place(kind, container)) for kind in kinds for container in (list, list, tuple)]


JSON_OPERATIONS = [
    *((operator, place) for operator in [*ORDER, '=>', '=<'] for place in (*SCALARS[:3], Place('list'))),
    ('==', True),
    *((operator, Place('str')) for operator in ('like', 'ilike', 'has_key') for _ in range(2)),
    *((operator, Place('int')) for operator in LENGTHS),
    *(('contains', Place(kind)) for kind in ('list', 'str', 'int', 'dict')),
    *(('of_type', kind) for kind in TYPES),
    *_in(['str', 'int', 'float']),
]
COLUMN_OPERATIONS: dict[str, list[tuple[str, Any]]] = {
    'str': [*((operator, Place('str')) for operator in [*ORDER, 'like', 'ilike', 'like']), *_in(['str'])],
    'int': [*((operator, Place('int')) for operator in ORDER), *_in(['int'])],
    'time': [(operator, Place('time')) for operator in ORDER],
    'bool': [('==', True), ('==', False)],
    'json': JSON_OPERATIONS,
    'json column': [('==', None)],
}
ODD_OPERATORS = st.sampled_from([*ORDER, 'like', 'in', 'contains', 'of_type', 'has_key', 'longer', 'is', ''])


def _operation(draw: Any, kind: str, odd: bool) -> tuple[str, Any]:
    """Draw an operator and what it compares with, for a column of a type or for a path into JSON.

    :param odd: it need not fit.
    """
    if odd and draw(st.booleans()):
        operator = draw(ODD_OPERATORS)
        return operator, draw(st.sampled_from(ODD_LISTS) if operator == 'in' else ANYTHING)
    return draw(st.sampled_from(COLUMN_OPERATIONS[kind]))  # type: ignore[no-any-return]


def _operators(draw: Any, kind: str, odd: bool) -> Any:
    """Draw what is asked of one column: a value, or operators with theirs, ``and`` and ``or`` among them."""
    how = draw(st.integers(0, 9))
    if how == 0:
        return draw(st.sampled_from([place for operator, place in COLUMN_OPERATIONS[kind] if operator == '==']))
    asked = {}
    for _ in range(2 if how == 1 else 1):
        operator, operand = _operation(draw, kind, odd)
        asked[draw(NEGATED) + operator] = operand
    if how < 4:
        parts = [dict([_operation(draw, kind, odd)]) for _ in range(how)]
        asked[draw(st.sampled_from(['and', 'or', '~or', '!and']))] = parts
    return asked


def _columns(entity: str) -> dict[str, str]:
    paths = {f'{name}{path}': 'json' for name in HAVE_JSON.get(entity, ()) for path in PATHS}
    return {**(LINK_COLUMNS if entity == 'link' else COLUMNS[entity]), **paths}


def _filters(draw: Any, entity: str, odd: bool, depth: int = 1) -> Any:
    """Draw what is asked of one entity."""
    columns = _columns(entity)
    names = draw(st.lists(st.sampled_from([*columns, *(['odd'] if odd else [])]), max_size=2, unique=True))
    asked = {name: _operators(draw, columns.get(name, 'str'), odd) for name in names}
    if depth and draw(st.integers(0, 4)) == 0:
        combined = draw(st.sampled_from(['and', 'or', '~or', '~and', '!and', '!or']))
        asked[combined] = [_filters(draw, entity, odd, depth - 1) for _ in range(draw(st.integers(0, 2)))]
    return asked


def _projections(draw: Any, entity: str, odd: bool) -> Any:
    """Draw what is to be returned of one entity."""
    names = draw(st.lists(st.sampled_from(['*', '*', '**', *_columns(entity)]), max_size=2, unique=True))
    if not odd and ('**' in names or '*' in names):
        names = names[:1]
    functions = [{}, {}, {}, {'func': 'count'}, {'func': 'max'}, {'func': 'min'}]
    casts = [{'cast': cast} for cast in 'fibtj' + 'd' * odd] + [{}]
    choices = {name: casts if '.' in name else functions if odd or '*' not in name else [{}] for name in names}
    return [{name: draw(st.sampled_from(how))} for name, how in choices.items()]


@st.composite
def templates(draw: Any) -> dict[str, Any]:
    """Draw the arguments of a query builder, with places for values."""
    odd = draw(st.integers(0, 7)) == 7
    entity = draw(st.sampled_from(['node', 'node', *CLASSES]))
    entities = {'t0': entity}
    path = [_vertex(draw, entity, 't0', odd)]
    for number in range(1, draw(st.sampled_from([1, 1, 2, 2, 3]))):
        joins = [(new, keyword) for (new, keyword), old in JOINS.items() if old in entities.values()]
        new, keyword = draw(st.sampled_from(joins))
        to = draw(st.sampled_from([tag for tag, old in entities.items() if old == JOINS[new, keyword]]))
        vertex = _vertex(draw, new, f't{number}', odd)
        vertex |= {'joining_keyword': keyword, 'joining_value': to, 'outerjoin': draw(st.booleans())}
        vertex |= _edge(draw, keyword, odd)
        entities[vertex['tag']] = new
        path.append(vertex)
    return {
        'path': path,
        'order_by': [
            {tag: [_order(draw, entity, odd)]} for tag, entity in entities.items() if draw(st.integers(0, 2)) == 0
        ],
        'limit': draw(st.sampled_from([None, None, Place('int')])),
        'offset': draw(st.sampled_from([None, None, None, Place('int')])),
        'distinct': draw(st.sampled_from([False, False, True])),
    }


def _vertex(draw: Any, entity: str, tag: str, odd: bool) -> dict[str, Any]:
    vertex: dict[str, Any] = {'cls': CLASSES[entity], 'tag': tag}
    if entity == 'node':
        classes = [orm.Node, orm.Node, orm.Data, orm.Int, (orm.Int, orm.Dict), orm.CalculationNode, orm.ProcessNode]
        vertex['cls'] = draw(st.sampled_from(classes))
        vertex['subclassing'] = draw(st.sampled_from([True, True, False]))
    vertex['filters'] = _filters(draw, entity, odd)
    vertex['project'] = _projections(draw, entity, odd) if draw(st.booleans()) else None
    return vertex


def _edge(draw: Any, keyword: str, odd: bool) -> dict[str, Any]:
    if keyword in ('with_incoming', 'with_outgoing'):
        types = {'type': {'in': [LinkType.CREATE.value, LinkType.INPUT_CALC.value]}}
        filters = types if draw(st.booleans()) else _filters(draw, 'link', odd)
        return {'edge_filters': filters, 'edge_project': _projections(draw, 'link', odd)}
    if keyword in ('with_ancestors', 'with_descendants'):
        choices = [{}, {}, {'depth': {'<': Place('int')}}, *([{'path': {'contains': [1]}}] if odd else [])]
        return {
            'edge_filters': draw(st.sampled_from(choices)),
            'edge_project': draw(st.sampled_from([None, None, 'depth'])),
        }
    return {}


def _order(draw: Any, entity: str, odd: bool) -> dict[str, dict[str, str]]:
    order = {'order': draw(st.sampled_from(['asc', 'desc', *(['odd'] if odd else [])]))}
    name = draw(st.sampled_from([*_columns(entity)]))
    if '.' in name and not odd:
        order['cast'] = draw(st.sampled_from('fibtj'))
    return {name: order}
