"""What a failing ``assert`` says about the nodes that it compares."""

from __future__ import annotations

import io

import pytest
from aiida import orm

from pytest_aiida_temp import TempProfile
from pytest_aiida_temp.explanations import MOST_CHARACTERS, MOST_LINES, explain_comparison


def test_two_nodes_differ_in_type_attributes_and_files(aiida_temp_profile: TempProfile) -> None:
    left, right = orm.FolderData(), orm.SinglefileData(io.BytesIO(b'one'), filename='a.txt')
    left.base.repository.put_object_from_bytes(b'two', 'a.txt')
    left.base.repository.put_object_from_bytes(b'', 'folder/b.txt')
    left.label = 'mine'
    left.store()

    assert explain_comparison('==', left, right) == [
        f'FolderData<pk={left.pk}> == SinglefileData<pk=None>',
        'type: data.core.folder.FolderData. != data.core.singlefile.SinglefileData.',
        f'pk: {left.pk} != None',
        f'uuid: {left.uuid} != {right.uuid}',
        'label: mine != ',
        "attribute filename: (not there) != 'a.txt'",
        'file a.txt: contents differ',
        'file folder/b.txt: only on the left',
    ]


def test_two_nodes_with_the_same_content_are_told_apart(aiida_temp_profile: TempProfile) -> None:
    left, right = (orm.FolderData().store() for _ in range(2))

    assert explain_comparison('==', left, right)[-1] == (  # type: ignore[index]
        'attributes and files are equal: two nodes are equal only if they are the same one'
    )


@pytest.mark.parametrize('side', ['node', 'attributes'])
def test_attributes_are_compared_with_a_dictionary(aiida_temp_profile: TempProfile, side: str) -> None:
    node = orm.Dict({'same': 1, 'other': [1, 2], 'missing': None})
    value = node if side == 'node' else node.base.attributes
    name = 'Dict<pk=None>' if side == 'node' else 'NodeAttributes'
    differences = ['missing: None != (not there)', "more: (not there) != 'x'", 'other[1]: 2 != 3']

    explained = explain_comparison('==', value, {'same': 1, 'other': [1, 3], 'more': 'x'})

    assert explained == [f'{name} == dict', *differences]


def test_differences_deep_inside_are_told_by_their_place(aiida_temp_profile: TempProfile) -> None:
    numbers = list(range(1000))
    left = orm.Dict(
        {'SYSTEM': {'ecutwfc': 30, 'spin': None}, 'sites': [{'kind': 'Si'}, {'kind': 'C'}], 'many': numbers}
    )
    right = orm.Dict({'SYSTEM': {'ecutwfc': 40}, 'sites': [{'kind': 'Si'}, {'kind': 'Ge'}], 'many': numbers[1:]})

    explained = explain_comparison('==', left, right)

    assert explained is not None
    assert explained[2:3] == ['attribute SYSTEM.ecutwfc: 30 != 40']  # after type and uuid
    assert [line for line in explained if line.startswith('attribute s') or 'spin' in line] == [
        'attribute SYSTEM.spin: None != (not there)',
        "attribute sites[1].kind: 'C' != 'Ge'",
    ]
    [many] = [line for line in explained if 'many' in line]
    assert many.startswith('attribute many: [0, 1, 2, ')
    assert many.endswith(', 998, 999]')
    assert len(many) < 2 * MOST_CHARACTERS + 40


@pytest.mark.parametrize(('operator', 'left', 'right'), [('==', {'a': 1}, {'a': 2}), ('==', 1, 2), ('in', 1, [])])
def test_what_is_no_node_is_left_to_pytest(operator: str, left: object, right: object) -> None:
    assert explain_comparison(operator, left, right) is None


def test_many_differences_are_cut(aiida_temp_profile: TempProfile) -> None:
    explained = explain_comparison('==', orm.Dict({f'k{n}': n for n in range(100)}), {})

    assert explained is not None
    assert len(explained) == MOST_LINES + 2
    assert explained[-1] == f'... and {100 - MOST_LINES} more'


def test_a_failure_shows_it_and_is_not_hidden_where_it_cannot_be_told(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        from aiida import orm

        def test_differ(aiida_temp_profile):
            assert orm.Int(1).store() == orm.Int(2).store()

        def test_cannot_be_told(aiida_temp_profile, monkeypatch):
            monkeypatch.setattr(orm.Node, 'label', property(lambda node: 1 / 0))
            assert orm.Str('a') == orm.Int(1)

        def test_plain():
            assert {'a': 1} == {'a': 2}
    """)

    result = pytester.runpytest_inprocess()

    result.assert_outcomes(failed=3)
    result.stdout.fnmatch_lines(
        [
            'E * Int<pk=1> == Int<pk=2>',
            'E * attribute value: 1 != 2',
            'E * Str == Int',
            'E * what differs cannot be told: ZeroDivisionError*',
            'E * Differing items:',
        ]
    )
