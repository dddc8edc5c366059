"""Lets `python -m tallymark_admin` run the program."""

from tallymark_admin.main import main

if __name__ == "__main__":
    main()
