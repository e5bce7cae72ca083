"""What can be said of the playbooks without a host: lint, syntax, and that a role's papers agree."""
