"""Results that outlive their Redis: bounded waits, a journal for what it cannot take now, and the way back from it."""
