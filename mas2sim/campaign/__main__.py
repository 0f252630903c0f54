"""``python -m mas2sim.campaign FOLDER`` is a worker process of the campaign there."""

import os
import sys

from mas2sim.campaign.worker import main

code = main(sys.argv[1:])
sys.stderr.flush()
# Without the interpreter's own ending, which would wait for the thread that reads the input.
os._exit(code)
