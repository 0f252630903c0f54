"""The command line: arguments in, words out; all work is done in the rooms below."""

from mas2sim.cli.commands import main

__all__ = ["main"]
