"""Real hosts, real faults: what rehearsal/ promises, seen from outside."""
