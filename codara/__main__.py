"""`python -m codara` is the same as `codara`."""

import sys

from codara.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
