"""What a reset leaves alive and what it refreshes."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from pytest_aiida_temp import temp_profile

if TYPE_CHECKING:
    from pytest_aiida_temp import TempProfile

Reset = Any


@pytest.fixture
def profile() -> Iterator[TempProfile]:
    """A loaded profile of its own."""
    with temp_profile() as profile:
        yield profile


@pytest.fixture(params=['reset', 'restore'])
def reset(request: pytest.FixtureRequest, profile: TempProfile) -> Callable[[], object]:
    """Either way to return to the state that the profile is in now."""
    if request.param == 'reset':
        return profile.reset
    checkpoint = profile.checkpoint()
    return lambda: profile.restore(checkpoint)


def test_engine_session_and_manager_stay(profile: TempProfile, reset: Callable[[], object]) -> None:
    from aiida import orm
    from aiida.manage import get_manager

    def read() -> list[Any]:
        storage = get_manager().get_profile_storage()
        session = storage.get_session()
        connection = session.connection().connection.driver_connection
        return [get_manager(), get_manager().get_profile(), storage, session, session.get_bind().engine, connection]

    before = read()
    orm.Int(1).store()
    reset()

    assert all(one is other for one, other in zip(before, read(), strict=True))
    assert not profile.storage.is_closed


def test_the_default_user_is_right(profile: TempProfile, reset: Callable[[], object]) -> None:
    from aiida import orm

    user = orm.User.collection.get_default()
    user.first_name = 'Changed'
    user.store()
    orm.User('other@localhost').store()
    reset()

    users = orm.User.collection.all()
    assert [(found.pk, found.email, found.first_name) for found in users] == [(1, profile.default_user_email, '')]
    default = orm.User.collection.get_default()
    assert (default.pk, default.first_name) == (1, '')
    assert orm.Int(1).store().user.pk == 1


def test_the_default_user_is_right_in_a_thread_that_used_it_before(
    profile: TempProfile, reset: Callable[[], object]
) -> None:
    from concurrent.futures import ThreadPoolExecutor

    from aiida import orm

    def store_twice() -> list[tuple[int, str]]:
        nodes = [orm.Int(number).store() for number in range(2)]
        return [(node.pk, node.user.email) for node in nodes]

    with ThreadPoolExecutor(1) as thread:
        before = thread.submit(store_twice).result()
        reset()
        after = thread.submit(store_twice).result()

    assert before == after == [(1, profile.default_user_email), (2, profile.default_user_email)]


def test_collections_and_identity_maps_show_nothing_of_before(
    profile: TempProfile, reset: Callable[[], object]
) -> None:
    from aiida import orm
    from aiida.common.exceptions import NotExistent

    collection = orm.Int.collection
    group = orm.Group('group').store()
    group.add_nodes(orm.Int(1).store())
    assert collection.get(id=1).value == 1
    reset()

    assert collection.count() == 0
    assert orm.Int.collection.all() == []
    with pytest.raises(NotExistent):
        orm.load_node(1)
    new = orm.Int(2).store()
    assert (new.pk, orm.load_node(1).value, collection.get(id=1).value) == (1, 2, 2)
    assert orm.Group('group').store().count() == 0


def test_what_was_not_stored_is_not_stored_by_the_reset(profile: TempProfile, reset: Callable[[], object]) -> None:
    from aiida import orm

    group = orm.Group('group')
    node = orm.Int(1)
    reset()

    assert orm.QueryBuilder().append(orm.Group).count() == 0
    assert orm.QueryBuilder().append(orm.Node).count() == 0
    assert (group.is_stored, node.is_stored) == (False, False)


def test_a_runner_that_was_made_since_is_closed(profile: TempProfile, reset: Callable[[], object]) -> None:
    from aiida.manage import get_manager

    runner = get_manager().get_runner()
    reset()

    assert runner.is_closed()
    assert get_manager().get_runner() is not runner


def test_a_runner_that_was_made_before_stays_open(profile: TempProfile) -> None:
    from aiida.manage import get_manager

    runner = get_manager().get_runner()
    checkpoint = profile.checkpoint()
    profile.restore(checkpoint)

    assert not runner.is_closed()
    assert get_manager().get_runner() is runner


def test_calculations_run_after_a_reset_as_before(profile: TempProfile, reset: Callable[[], object]) -> None:
    from aiida import orm
    from aiida.engine import calcfunction

    @calcfunction
    def double(number):  # type: ignore[no-untyped-def]
        return number * 2

    def run() -> tuple[int, int, list[str]]:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter('always')
            result, node = double.run_get_node(orm.Int(2))
        # SQLAlchemy warns, on any storage, of nodes that are not stored yet when the user they belong to is looked up.
        return (
            result.value,
            node.pk,
            [str(warning.message) for warning in caught if 'in session' in str(warning.message)],
        )

    run()  # after the first reset everything is loaded
    reset()
    before = run()
    reset()

    assert before[:2] == (4, 2)
    assert run() == before


def test_logging_is_as_before_after_verdi_ran_in_process(profile: TempProfile, reset: Callable[[], object]) -> None:
    import logging

    from aiida.cmdline.commands.cmd_verdi import verdi
    from aiida.common import log
    from click.testing import CliRunner

    def read() -> list[Any]:
        state = [log.CLI_ACTIVE, log.CLI_LOG_LEVEL, logging.root.manager.disable]
        for logger in map(logging.getLogger, ('aiida', 'verdi', 'plumpy', 'sqlalchemy')):
            handlers = [handler for handler in logger.handlers if not type(handler).__module__.startswith('_pytest')]
            state += [handlers, logger.level, logger.propagate]
        return state

    before = read()
    assert 'DBLogHandler' in [type(handler).__name__ for handler in log.AIIDA_LOGGER.handlers]
    result = CliRunner().invoke(verdi, ['-v', 'debug', 'status'])
    assert result.output
    assert read() != before
    reset()

    assert read() == before


def test_a_handler_that_somebody_added_stays(profile: TempProfile, reset: Callable[[], object]) -> None:
    import logging

    from aiida.common import log

    handler = logging.NullHandler()
    log.AIIDA_LOGGER.addHandler(handler)
    try:
        reset()

        assert handler in log.AIIDA_LOGGER.handlers
    finally:
        log.AIIDA_LOGGER.removeHandler(handler)


def test_logs_of_a_process_are_stored_after_a_reset(profile: TempProfile, reset: Callable[[], object]) -> None:
    from aiida import orm

    def log_count() -> int:
        node = orm.CalcJobNode().store()
        node.logger.error('message')
        return len(orm.Log.collection.get_logs_for(node))

    before = log_count()
    reset()

    assert before == log_count() == 1


def test_options_and_default_user_of_the_profile_are_put_back(
    profile: TempProfile, reset: Callable[[], object]
) -> None:
    from aiida import orm
    from aiida.manage import get_config_option

    profile.set_option('caching.default_enabled', True)
    profile.default_user_email = orm.User('other@localhost').store().email
    assert get_config_option('caching.default_enabled') is True
    reset()

    assert get_config_option('caching.default_enabled') is False
    assert profile.default_user_email == 'test@localhost'
    assert orm.User.collection.get_default().email == 'test@localhost'


def test_options_of_the_configuration_are_put_back(profile: TempProfile, reset: Callable[[], object]) -> None:
    from aiida.cmdline.commands.cmd_verdi import verdi
    from aiida.manage import get_config_option
    from click.testing import CliRunner

    before = get_config_option('runner.poll.interval')
    result = CliRunner().invoke(verdi, ['config', 'set', '-g', 'runner.poll.interval', str(before + 7)])
    assert result.exit_code == 0, result.output
    assert get_config_option('runner.poll.interval') == before + 7
    reset()

    assert get_config_option('runner.poll.interval') == before


def test_global_variables_are_gone(profile: TempProfile, reset: Callable[[], object]) -> None:
    profile.storage.set_global_variable('name', 1)
    assert profile.storage.get_global_variable('name') == 1
    reset()

    with pytest.raises(KeyError):
        profile.storage.get_global_variable('name')


def test_files_are_gone(profile: TempProfile, reset: Callable[[], object]) -> None:
    from aiida import orm

    orm.SinglefileData.from_string('content').store()
    assert len(list(profile.storage.get_repository().list_objects())) == 1
    reset()

    assert list(profile.storage.get_repository().list_objects()) == []
    assert orm.SinglefileData.from_string('content').store().get_content() == 'content'


def test_an_automatic_group_is_not_that_of_before(profile: TempProfile, reset: Callable[[], object]) -> None:
    from aiida import orm

    autogroup = profile.storage.autogroup
    autogroup.enable()
    orm.Int(1).store()
    reset()

    assert not profile.storage.autogroup.is_to_be_grouped(orm.Int(1))
    assert orm.QueryBuilder().append(orm.AutoGroup).count() == 0


def test_restoring_undoes_an_open_transaction(profile: TempProfile) -> None:
    from aiida import orm

    checkpoint = profile.checkpoint()
    transaction = profile.storage.transaction()
    transaction.__enter__()
    orm.Int(1).store()
    assert profile.storage.in_transaction
    profile.restore(checkpoint)

    assert not profile.storage.in_transaction
    assert orm.QueryBuilder().append(orm.Node).count() == 0
    assert orm.Int(1).store().pk == 1


def test_a_reset_is_refused_inside_a_transaction(profile: TempProfile) -> None:
    from aiida import orm
    from aiida.common.exceptions import InvalidOperation

    with profile.storage.transaction():
        orm.Int(1).store()
        with pytest.raises(InvalidOperation, match='open transaction'):
            profile.reset()

    assert orm.QueryBuilder().append(orm.Node).count() == 1


def test_checkpoints_nest(profile: TempProfile) -> None:
    from aiida import orm

    def count() -> int:
        number: int = orm.QueryBuilder().append(orm.Node).count()
        return number

    outer = profile.checkpoint()
    orm.Int(1).store()
    inner = profile.checkpoint()
    orm.Int(2).store()

    profile.restore(inner, keep=False)
    assert count() == 1
    profile.restore(outer, keep=False)
    assert count() == 0
    with pytest.raises(ValueError):
        profile.restore(inner)
