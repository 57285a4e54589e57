"""Run the command line: python -m pandas_numberactive."""

import sys

from pandas_numberactive._cli.main import main

if __name__ == "__main__":
    sys.exit(main())
