"""Brokers of the profiles that a suite makes under ``--aiida-temp``."""

from __future__ import annotations

import socket

import pytest

STRICT = 'error::pytest_aiida_temp.isolation.IsolationWarning'
CONFTEST = """
    import pytest
    pytest_plugins = ["aiida.tools.pytest_fixtures"]

    @pytest.fixture(scope='session')
    def aiida_profile(aiida_config, aiida_profile_factory):
        with aiida_profile_factory(aiida_config, broker_backend='{}', broker_config={}) as profile:
            yield profile
"""


def _rabbitmq(port: int) -> str:
    names = {'protocol': 'amqp', 'username': 'guest', 'password': 'guest', 'host': '127.0.0.1', 'virtual_host': ''}
    return str({**{f'broker_{name}': value for name, value in names.items()}, 'broker_port': port})


def test_a_suite_whose_rabbitmq_does_not_answer_has_no_broker(pytester: pytest.Pytester) -> None:
    with socket.socket() as server:
        server.bind(('127.0.0.1', 0))  # bound, but it does not listen
        pytester.makeconftest(CONFTEST.format('core.rabbitmq', _rabbitmq(server.getsockname()[1])))
        pytester.makepyfile("""
            from aiida.engine import calcfunction
            from aiida.orm import Int

            @calcfunction
            def add(x, y):
                return x + y

            def test_run(aiida_profile):
                assert aiida_profile.process_control_backend is None
                assert add(Int(1), Int(2)) == 3
        """)

        result = pytester.runpytest_inprocess('--aiida-temp')

    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(['*IsolationWarning: There is no RabbitMQ at 127.0.0.1:*: the profile has no broker*'])


def test_a_suite_whose_rabbitmq_answers_has_it_as_its_broker(pytester: pytest.Pytester) -> None:
    with socket.create_server(('127.0.0.1', 0)) as server:
        port = server.getsockname()[1]
        pytester.makeconftest(CONFTEST.format('core.rabbitmq', _rabbitmq(port)))
        pytester.makepyfile(f"""
            def test_broker(aiida_profile):
                assert aiida_profile.process_control_backend == 'core.rabbitmq'
                assert aiida_profile.process_control_config['broker_port'] == {port}
        """)

        pytester.runpytest_inprocess('--aiida-temp', '-W', STRICT).assert_outcomes(passed=1)


def test_a_broker_without_a_default_configuration_is_refused(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(CONFTEST.format('core.other', None))
    pytester.makepyfile('def test_broker(aiida_profile): pass')

    result = pytester.runpytest_inprocess('--aiida-temp')

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(['*ValueError: Unsupported broker backend: core.other'])


def test_the_broker_service_is_started_by_the_first_test_that_uses_it(pytester: pytest.Pytester) -> None:
    pytest.importorskip('aiida.brokers.zeromq', reason='aiida-core has this broker from 2.9')
    pytester.makeconftest(CONFTEST.format('core.zeromq', None))
    pytester.makepyfile("""
        import subprocess
        import pytest
        from aiida.manage import get_manager

        @pytest.fixture(scope='session', autouse=True)
        def started(session_mocker=None):
            commands, popen = [], subprocess.Popen
            subprocess.Popen = lambda command, **kwargs: commands.append(command) or popen(command, **kwargs)
            yield commands
            subprocess.Popen = popen

        def test_without(started, aiida_profile):
            assert aiida_profile.process_control_backend == 'core.zeromq'
            assert not started

        def test_with(started):
            broker = get_manager().get_broker()
            assert broker.check_service_reachable()
            assert len(started) == 1

        def test_again(started):
            assert get_manager().get_broker().check_service_reachable()
            assert len(started) == 1
    """)

    pytester.runpytest_inprocess('--aiida-temp').assert_outcomes(passed=3)


def test_no_broker_is_made_while_another_one_of_the_profile_is_being_closed(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import time
        from aiida.manage import get_manager

        class Broker:
            is_closed = False

            def close(self):
                time.sleep(0.2)
                Broker.is_closed = True

        def test_one(aiida_temp_profile):
            get_manager()._broker = Broker()

        def test_two(aiida_temp_profile):
            assert not Broker.is_closed
            assert get_manager().get_broker() is None
            assert Broker.is_closed
    """)

    pytester.runpytest_inprocess().assert_outcomes(passed=2)


def test_a_broker_is_of_the_scope_that_first_used_it(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import threading
        import pytest
        from aiida.manage import get_manager

        closed = threading.Event()

        class Broker:
            def close(self):
                closed.set()

        def use():
            get_manager()._broker = Broker()
            return get_manager()._broker

        @pytest.fixture(scope='class')
        def of_class(aiida_temp_session):
            return use()

        @pytest.mark.usefixtures('aiida_temp_profile')
        class TestOfClass:
            def test_one(self, of_class):
                assert get_manager()._broker is of_class

            def test_two(self, of_class):
                assert get_manager()._broker is of_class
                assert not closed.is_set()

        def test_of_test(aiida_temp_profile):
            assert closed.wait(5)
            assert get_manager()._broker is None
            closed.clear()
            use()

        def test_after(aiida_temp_profile):
            assert closed.wait(5)
            assert get_manager()._broker is None
    """)

    pytester.runpytest_inprocess('-W', STRICT).assert_outcomes(passed=4)
