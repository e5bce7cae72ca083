"""The outbox: a durable task is written to the database before it is sent, so that it is never forgotten.

`message.py` is what is written, `store.py` the table, `dispatch.py` the way of a task into it and out again right after
the commit, `sender.py` the way to the broker, and `relay.py` sends what is left: the broker was away, or the process
died in between.

A message is sent twice where the broker took it and nobody heard so: its confirm was lost, or the process died before
it had deleted the row. It is never sent less than once.
"""
