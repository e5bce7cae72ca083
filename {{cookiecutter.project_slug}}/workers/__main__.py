"""The operator's command line: `python -m workers COMMAND`."""

from workers.commands import main

if __name__ == "__main__":
    main()
