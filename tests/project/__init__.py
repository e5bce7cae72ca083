"""Generated projects, installed and run as their owners would: real processes, a real Redis, real signals."""
