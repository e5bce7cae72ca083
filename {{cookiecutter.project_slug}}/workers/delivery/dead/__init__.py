"""Dead letters: tasks that were given up, kept with all that is needed to understand them and to send them again."""
