"""What systemd is told of the processes that it supervises: that they are ready, how they are, that they do their work.

`notify.py` talks, `pulse.py` remembers what a worker's main loop does, `look.py` says whether that proves that messages
are consumed, and `watchdog.py` looks every few seconds and tells. Where systemd does not listen, nothing happens.
"""
