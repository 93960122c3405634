"""The provenance of some nodes as a picture."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiida import orm
from aiida.common.links import LinkType
from aiida.orm.utils.links import LinkPair
from aiida.tools.visualization.graph import Graph, default_node_sublabels, pstate_node_styles

from .section import CONTROL

if TYPE_CHECKING:
    from ..storage.view import StorageView

MOST_NODES = 150
"""How many are drawn, the latest ones; more of them are no picture."""

SECONDS = 20.0
"""After which drawing is given up."""

LENGTH = 60
"""Characters of a line in a node."""

PICTURE, SOURCE = 'provenance.svg', 'provenance.dot'
_FOUND = {'style': 'dashed', 'penwidth': 1, 'color': '#666666'}
_DATA = {'shape': 'ellipse', 'style': 'filled', 'penwidth': 0, 'fillcolor': '#d6e4f0'}


def write_picture(view: StorageView, stored: Iterable[int], folder: Path) -> str | None:
    """Draw nodes, and those that they are linked to, which are dashed.

    :param stored: primary keys.
    :returns: why only the source of the picture could be written, if so.
    """
    source = _source(view, sorted(stored))
    dot = shutil.which('dot')
    reason = 'the program `dot` of graphviz was not found' if dot is None else _draw(dot, source, folder / PICTURE)
    if reason is not None:
        (folder / SOURCE).write_text(source, encoding='utf-8')
    return reason


def _draw(dot: str, source: str, path: Path) -> str | None:
    try:
        done = subprocess.run([dot, '-Tsvg'], input=source.encode(), capture_output=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return f'the program `dot` of graphviz had not ended after {SECONDS:.0f} s'
    if done.returncode:
        said = done.stderr.decode(errors='replace').strip().splitlines()
        return f'the program `dot` of graphviz ended with status {done.returncode}: {said[0] if said else ""}'
    path.write_bytes(done.stdout)
    return None


def _source(view: StorageView, stored: list[int]) -> str:
    drawn, left_out = stored[-MOST_NODES:], len(stored[:-MOST_NODES])
    links = _links(view, drawn)
    pks = {*drawn, *(pk for source, target, *_ in links for pk in (source, target))}
    title = f'{left_out} nodes stored earlier are left out' if left_out else ''
    graph = Graph(
        graph_attr={'rankdir': 'TB', 'label': title, 'fontname': 'sans-serif', 'bgcolor': 'transparent'},
        global_node_style={'fontname': 'sans-serif', 'fontsize': 11},
        global_edge_style={'fontname': 'sans-serif', 'fontsize': 9},
        node_style_fn=_style,
        node_sublabel_fn=_sublabel,
        backend=view,
    )
    nodes = _nodes(view, pks)
    own = set(drawn)
    for pk, node in nodes.items():
        graph.add_node(node, style_override=None if pk in own else dict(_FOUND))
    for source, target, kind, label in links:
        pair = LinkPair(LinkType(kind), label)
        style = graph._link_styles(pair, add_label=True, add_type=False)
        graph.add_edge(nodes[source], nodes[target], pair, style={**style, 'label': label})
    return CONTROL.sub('?', str(graph.graphviz.source))


def _links(view: StorageView, pks: list[int]) -> list[tuple[int, int, str, str]]:
    """Return source, target, type and label of the links at these nodes."""
    found: set[tuple[int, int, str, str]] = set()
    for inside in ('source', 'target'):
        filters: dict[str, dict[str, Any]] = {'source': {}, 'target': {}, inside: {'id': {'in': pks}}}
        query = orm.QueryBuilder(backend=view).append(orm.Node, tag='source', project='id', filters=filters['source'])
        query.append(
            orm.Node, with_incoming='source', project='id', filters=filters['target'], edge_project=['type', 'label']
        )
        found.update(tuple(row) for row in query.all())
    return sorted(found)


def _nodes(view: StorageView, pks: set[int]) -> dict[int, Any]:
    query = orm.QueryBuilder(backend=view).append(
        orm.Node, filters={'id': {'in': pks}}, project=['id', '*'], tag='node'
    )
    return dict(query.order_by({'node': 'id'}).all())


def _style(node: Any) -> dict[str, Any]:
    style: dict[str, Any] = pstate_node_styles(node) if isinstance(node, orm.ProcessNode) else dict(_DATA)
    return style


def _sublabel(node: Any) -> str:
    """Return what AiiDA writes into a node, if its class knows how, in lines that do not fill the page."""
    try:
        text = str(default_node_sublabels(node) or '')
    except Exception as exception:  # of somebody's class of nodes
        text = type(exception).__name__
    return '\n'.join(line[:LENGTH] for line in text.splitlines()[:3])
