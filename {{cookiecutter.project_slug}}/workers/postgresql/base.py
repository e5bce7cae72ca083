"""The database backend that Django loads for the ENGINE `workers.postgresql`."""

from typing import Any

from django.db.backends.postgresql import base
from psycopg import OperationalError


class DatabaseWrapper(base.DatabaseWrapper):
    """Takes a connection from the pool that works, also when the database was restarted since it was put there.

    The pool's own check, which CONN_HEALTH_CHECKS switches on, waits 1, 2, 4... s between two broken connections
    (psycopg_pool 3.3, AttemptWithBackoff): with twenty of them every task of the next minute times out.
    """

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """Open a connection, or take one from the pool and test it; one that is broken is seldom the only one."""
        connection = super().get_new_connection(conn_params)
        if not self.pool:
            return connection
        try:
            self.pool.check_connection(connection)
        except OperationalError:
            self.pool.putconn(connection)
            self.pool.check()
            return super().get_new_connection(conn_params)
        return connection
