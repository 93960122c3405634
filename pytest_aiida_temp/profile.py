"""The ephemeral profile."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiida.common.exceptions import InvalidOperation
from aiida.manage import get_manager
from aiida.manage.configuration.profile import Profile

from . import environment
from .environment import ActiveConfiguration
from .logs import LoggingState, write_to
from .process_state import ProcessState, finish_closing_brokers
from .profile_tools import ProfileTools
from .storage.contents import CheckpointGoneError
from .storage.lifecycle import ENTRY_POINT

if TYPE_CHECKING:
    from .storage import SqliteTempBackend
    from .storage.contents import StorageCheckpoint
    from .storage.marks import HandOver

DEFAULT_USER_EMAIL = 'test@localhost'

ADVICE = (
    'run what needs it in that process (`verdi` with `profile.verdi()`), or mark the test with '
    "@pytest.mark.aiida_temp(profile=False) to run it on the suite's own fixtures."
)
OPTIONS: dict[str, Any] = {
    'warnings.development_version': False,
    'warnings.rabbitmq_version': False,
    # AiiDA's defaults. aiida-core up to 2.8 looks an option up in the profile far faster than a default.
    'caching.default_enabled': False,
    'caching.enabled_for': [],
    'caching.disabled_for': [],
}


@dataclass(frozen=True)
class Checkpoint:
    """A state of a profile that can be returned to."""

    storage: StorageCheckpoint
    process: ProcessState


class TempProfile(ProfileTools, Profile):
    """A profile in memory, for tests: made empty, emptied in a fraction of a millisecond, gone with the process.

    Not to be constructed: the fixtures ``aiida_temp_profile`` and ``aiida_temp_session`` and
    :func:`pytest_aiida_temp.temp_profile` give one. It is a real
    :class:`aiida.manage.configuration.profile.Profile`, loaded, with the members documented here besides.
    """

    default_user_email: Any
    seconds_to_make: float
    _configuration: ActiveConfiguration
    logging: LoggingState
    _made: ProcessState
    _in_place_of: str | None = None
    _stack: ExitStack | None = None
    _is_deleted = False

    @classmethod
    def create(
        cls,
        configuration: ActiveConfiguration,
        folder: Path,
        name: str,
        *,
        email: str = DEFAULT_USER_EMAIL,
        broker: tuple[str | None, dict[str, Any] | None] = (None, None),
        options: dict[str, Any] | None = None,
        in_place_of: str | None = None,
    ) -> TempProfile:
        """Return a new profile with an empty storage, in a configuration of which it is the default if it is the first.

        :param configuration: where to add it.
        :param folder: where the sandbox for files is made.
        :param email: of the default user.
        :param broker: the entry point of its broker, and the configuration of that.
        :param options: AiiDA's config options by name, besides those that every ephemeral profile has.
        :param in_place_of: the profile in whose place it is the default until it is deleted, if that is the default.
        """
        profile = cls(
            name,
            {
                cls.KEY_DEFAULT_USER_EMAIL: email,
                cls.KEY_STORAGE: {
                    'backend': ENTRY_POINT,
                    # Another process reads the configuration too, but cannot see the memory of this one.
                    'config': {'filepath': str(folder), 'owner': os.getpid(), 'advice': ADVICE},
                },
                cls.KEY_PROCESS: {'backend': broker[0], 'config': broker[1] or {}},
                cls.KEY_OPTIONS: {**deepcopy(OPTIONS), **(options or {})},
                cls.KEY_TEST_PROFILE: True,
            },
        )
        profile._configuration = configuration
        profile.storage_cls.initialise(profile)
        config: Any = configuration.config
        config.add_profile(profile)
        if in_place_of is not None and config.default_profile_name == in_place_of:
            profile._in_place_of = in_place_of
        config.set_default_profile(name, overwrite=profile._in_place_of is not None)  # or if there is none
        environment.store(config)
        profile._made = ProcessState.of(profile)
        return profile

    def load(self) -> TempProfile:
        """Make this the loaded profile, and its configuration AiiDA's, unless it is loaded.

        :raises ~aiida.common.exceptions.InvalidOperation: if the profile was closed.
        """
        if self._is_deleted:
            raise InvalidOperation(f'the profile {self.name!r} was closed, and what it held is gone: make a new one.')
        manager = get_manager()
        earlier = getattr(self, 'logging', None) or getattr(manager.get_profile(), 'logging', None)
        if manager.get_profile() is not self:
            self._configuration.use()
            environment.load(self)
        if not manager.profile_storage_loaded:
            self._open_storage(earlier)
        return self

    def _open_storage(self, earlier: LoggingState | None) -> None:
        """Open the storage and see to AiiDA's logging.

        :param earlier: how logging was configured for it before, or for the profile that was loaded before.
        """
        if earlier is not None and earlier.suits():
            environment.open_storage()
            earlier.restore()
            write_to(environment.log_file_of(self, self.configuration))
        else:
            get_manager().get_profile_storage()  # which configures logging
        self.logging = LoggingState()

    def give_back_on_close(self, stack: ExitStack) -> None:
        """Have :meth:`close` close a stack, which is fine to happen more than once."""
        self._stack = stack

    def close(self) -> None:
        """Delete the profile and load the one that was loaded before. Closing it again does nothing.

        For a profile that ``temp_profile().load()`` gave.

        :raises ~aiida.common.exceptions.InvalidOperation: for any other: the end of its test or block closes that.
        """
        if self._stack is None:
            raise InvalidOperation(
                f'the profile {self.name!r} is not to be closed: the test, fixture or `with` block that it is from '
                'does that. `close()` is for what `temp_profile().load()` gives.'
            )
        self._stack.close()

    def __deepcopy__(self, memo: dict[int, Any]) -> TempProfile:
        """Return a copy of the same storage, as tests make of a whole configuration to change the copy."""
        copied = type(self)(self.name, self.dictionary)
        copied.__dict__.update({name: value for name, value in vars(self).items() if name not in vars(copied)})
        return copied

    @property
    def configuration(self) -> Any:
        """AiiDA's configuration that the profile is in."""
        return self._configuration.config

    @property
    def process_control_backend(self) -> str | None:
        """The entry point of the broker; AiiDA asks for it right before it makes one."""
        finish_closing_brokers()
        backend: str | None = super().process_control_backend
        return backend

    @property
    def is_loaded(self) -> bool:
        """Whether this is AiiDA's loaded profile."""
        return get_manager().get_profile() is self

    def delete(self) -> None:
        """Unload the profile, delete its storage and take it out of the configuration."""
        manager = get_manager()
        if manager.get_profile() is self:
            manager.unload_profile()
        self.storage_cls.erase(self)
        self._is_deleted = True
        config = self.configuration
        if config.default_profile_name == self.name and self._in_place_of in config.profile_names:
            config.set_default_profile(self._in_place_of, overwrite=True)
        if config.default_profile_name != self.name and self.name in config.profile_names:
            config.remove_profile(self.name)
            environment.store(config)

    @property
    def storage(self) -> SqliteTempBackend:
        """The storage; the profile is loaded if it is not.

        :returns: the backend that :meth:`aiida.manage.manager.Manager.get_profile_storage` gives.
        """
        manager = get_manager()
        if manager._profile is not self or manager._profile_storage is None:
            self.load()
        storage: SqliteTempBackend = manager._profile_storage
        return storage

    def reset(self) -> None:
        """Return to the state of a profile just made: empty but for the default user.

        Nodes of the time before raise an error when they are used. The storage stays open, and the engine and
        sessions of SQLAlchemy and AiiDA's manager stay as they are.

        :raises ~aiida.common.exceptions.InvalidOperation: inside an open transaction of the storage.
        """
        with self.loaded_meanwhile():
            self.storage._clear()
            self._give_back(self._made)

    def reset_storage(self) -> None:
        """Do what :meth:`reset` does; it is the name that aiida-core's own fixtures have for it."""
        self.reset()

    def checkpoint(self) -> Checkpoint:
        """Take a checkpoint, a state that can be returned to."""
        with self.loaded_meanwhile():
            return Checkpoint(self.storage.checkpoint(), ProcessState.of(self))

    def restore(self, checkpoint: Checkpoint, *, keep: bool = True) -> None:
        """Return to a checkpoint; those taken after it are gone, and so is what is not committed.

        :param keep: the checkpoint itself remains, to be returned to again.
        :raises ~pytest_aiida_temp.storage.contents.CheckpointGoneError: if the checkpoint is gone.
        :raises ~aiida.common.exceptions.InvalidOperation: if another thread keeps a transaction open.
        """
        with self.loaded_meanwhile():
            self.storage.restore(checkpoint.storage, keep=keep)
            self._give_back(checkpoint.process)

    def _give_back(self, state: ProcessState) -> None:
        state.restore(self)
        self.set_options_meanwhile()

    def loaded_meanwhile(self) -> AbstractContextManager[None]:
        """Load the profile for the body, and give back another one that is loaded."""
        return nullcontext() if self.is_loaded else self._loaded_meanwhile()

    @contextmanager
    def _loaded_meanwhile(self) -> Iterator[None]:
        manager = get_manager()
        before, configuration = manager.get_profile(), ActiveConfiguration.current()
        self.load()
        try:
            yield
        finally:
            if before is not None:
                manager.unload_profile()
                configuration.use()
                manager.load_profile(before)

    @contextmanager
    def rollback(self) -> Iterator[Checkpoint]:
        """Undo all that is done in the block, whether it ends well or with an exception.

        :returns: the checkpoint that is returned to at the end.
        """
        checkpoint = self.checkpoint()
        try:
            yield checkpoint
        finally:
            self.restore(checkpoint, keep=False)

    def restore_if_there(self, checkpoint: Checkpoint, *, keep: bool = False) -> list[tuple[str, int, str]]:
        """Return to a checkpoint, or to the latest one if a test returned to one before it.

        :param keep: the checkpoint itself remains, to be returned to again.
        :returns: table, primary key and uuid of what was stored since, at most 100 per table.
        """
        storage = self.storage
        try:
            undone = storage.restore(checkpoint.storage, keep=keep)
        except CheckpointGoneError:
            undone = storage.restore(storage.latest_checkpoint)
        self._give_back(checkpoint.process)
        return undone

    def excise(self, checkpoint: Checkpoint) -> None:
        """Undo in the storage what happened between a checkpoint and the next one; keep what came after that."""
        self.storage.excise(checkpoint.storage)

    def insert_checkpoint(self, before: Checkpoint) -> Checkpoint:
        """Take a checkpoint of the same state as a given one, ahead of it."""
        return Checkpoint(self.storage.insert_checkpoint(before.storage), before.process)

    def hand_over(
        self, late: Checkpoint, into: Checkpoint, between: list[Checkpoint], *, apart: bool = False
    ) -> tuple[list[Checkpoint], HandOver]:
        """End the latest checkpoint, giving the changes since to an earlier one, past those in between.

        :returns: what takes the place of ``between``, and what became of the changes in the storage.
        """
        outcome = self.storage.hand_over(late.storage, into.storage, apart=apart)
        process = ProcessState.of(self)
        if process != late.process:
            between = [replace(c, process=c.process.with_changes(late.process, process)) for c in between]
        return between, outcome
