"""`make demo`: generate a project with default answers, start it, and let it work in every worker group."""
