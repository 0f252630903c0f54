"""``python -m mas2sim`` is ``mas2sim``."""

import sys

from mas2sim.cli import main

sys.exit(main())
