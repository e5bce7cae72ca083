"""Django's PostgreSQL backend for workers whose tasks share a connection pool."""
