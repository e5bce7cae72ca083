"""A release: built once from a commit, the same bytes wherever that is done; and on a host, which one runs."""
