"""The scheduler of periodic tasks: two run, one sends, and no slot is sent twice.

A *slot* is one moment at which an entry is due (`timing.py`): the same instant on every host, whoever asks and whenever
it was started. The scheduler that holds the lease (`lease.py`) claims a slot in the database before it sends the task
and notes the broker's confirm after it (`runs.py`); a second claim of the same slot is refused by the table, a claim by
a scheduler whose lease is over by the statement. Between the two a leader may die: such a slot may have been sent, so
it is never sent again, but reported (`python -m workers beat missed`).

Lease, claims and clock are the database's. A lock in Redis may be lost in a fail-over, with two leaders until it is
noticed, and the clocks of two hosts never agree.
"""
