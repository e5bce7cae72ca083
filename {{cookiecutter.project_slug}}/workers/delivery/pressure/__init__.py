"""Back-pressure: whoever sends tasks learns in time that a queue is longer than its workers can bear.

`gauge.py` asks the broker how much waits, `watch.py` has it do so every few seconds beside the work, and remembers;
`state.py` says what follows from it, `policy.py` what a task does about it, and `middleware.py` what a visitor is told.
"""
