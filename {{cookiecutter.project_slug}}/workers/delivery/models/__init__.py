"""What is kept in the database about tasks, one module a table."""
