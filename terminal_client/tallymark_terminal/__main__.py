"""Run the terminal with `python -m tallymark_terminal`."""

from tallymark_terminal.main import main

if __name__ == "__main__":
    main()
