"""Runs the simulator from the command line, see campaign.py."""

import sys

from tests.simulation.campaign import main

if __name__ == "__main__":
    sys.exit(main())
