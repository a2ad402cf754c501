"""`codara` once the toy has its line: ``python -m tests.fifth_runtime`` instead of `codara`."""

import sys
from pathlib import Path

from codara import runtimes
from codara.adapters import agents

runtimes.RUNTIMES += (runtimes.KnownRuntime("toy", "toy-1"),)
runtimes.PROVIDERS += ("toy",)
agents.__path__.append(str(Path(__file__).parent))

from codara.cli.main import main  # noqa: E402

sys.exit(main())
