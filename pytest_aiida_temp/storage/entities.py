"""Users, nodes and the other entities of the storage; the default user."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from aiida.storage.sqlite_zip import models, orm

if TYPE_CHECKING:
    from aiida.orm.users import User

    from .backend import SqliteTempBackend
    from .contents import Contents
    from .session import StorageSession


class TempUserCollection(orm.SqliteUserCollection):
    """Users, of which the default one is there from the start."""

    backend: SqliteTempBackend

    def create(self, email: str, first_name: str = '', last_name: str = '', institution: str = '') -> orm.SqliteUser:
        """Return a new user that is not stored, or the default user that nobody has asked for so far.

        aiida-core makes the default user itself after it cleared a storage or created a profile.
        """
        details = {'first_name': first_name, 'last_name': last_name, 'institution': institution}
        row = self.backend.claim_default_user(email)
        if row is None:
            user: orm.SqliteUser = super().create(email, **details)
            return user
        for name, value in details.items():
            if value:
                setattr(row, name, value)
        return orm.SqliteUser.from_dbmodel(row, self.backend)


class EntityCollections:
    """The part of a storage backend that gives its entities."""

    profile: Any
    get_backend_entity: Any
    get_session: Callable[[], StorageSession]
    _default_users: threading.local

    if TYPE_CHECKING:

        @property
        def _live(self) -> Contents: ...

    @functools.cached_property
    def authinfos(self) -> orm.SqliteAuthInfoCollection:
        """Return the collection of authorisation information objects."""
        return orm.SqliteAuthInfoCollection(self)

    @functools.cached_property
    def comments(self) -> orm.SqliteCommentCollection:
        """Return the collection of comments."""
        return orm.SqliteCommentCollection(self)

    @functools.cached_property
    def computers(self) -> orm.SqliteComputerCollection:
        """Return the collection of computers."""
        return orm.SqliteComputerCollection(self)

    @functools.cached_property
    def groups(self) -> orm.SqliteGroupCollection:
        """Return the collection of groups."""
        return orm.SqliteGroupCollection(self)

    @functools.cached_property
    def logs(self) -> orm.SqliteLogCollection:
        """Return the collection of logs."""
        return orm.SqliteLogCollection(self)

    @functools.cached_property
    def nodes(self) -> orm.SqliteNodeCollection:
        """Return the collection of nodes."""
        return orm.SqliteNodeCollection(self)

    @functools.cached_property
    def users(self) -> TempUserCollection:
        """Return the collection of users."""
        return TempUserCollection(self)

    @property
    def _default_user(self) -> User | None:
        """The default user as cached for this thread; an object of one thread's session is no use in another."""
        return getattr(self._default_users, 'user', None)

    @_default_user.setter
    def _default_user(self, user: User | None) -> None:
        if user is None:
            self._default_users = threading.local()
        else:
            self._default_users.user = user

    @property
    def default_user(self) -> User | None:
        """Return the default user of the profile, or ``None`` if there is none."""
        from aiida.orm.convert import get_orm_entity

        email = self.profile.default_user_email
        if self._default_user is None and email:
            row = self.get_session().query(models.DbUser).filter_by(email=email).one_or_none()
            self._default_user = row and get_orm_entity(self.get_backend_entity(row))
        return self._default_user

    def claim_default_user(self, email: str) -> Any:
        """Return the row of the default user to the first who asks to make it, ``None`` to anybody else."""
        if email != self.profile.default_user_email or not self._live.default_user_is_untouched:
            return None
        self._live.default_user_is_untouched = False
        return self.get_session().query(models.DbUser).filter_by(email=email).one_or_none()
