"""The nodes of `celery multi` on this host: which run, and how they are started and stopped."""
