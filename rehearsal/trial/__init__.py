"""`rehearse`: an environment of a generated project on this machine, from bare hosts to a lost host and a way back."""
