"""`python -m rehearsal`."""

from rehearsal.commands import main

if __name__ == "__main__":
    main(prog_name="python -m rehearsal")
