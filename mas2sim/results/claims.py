"""What the original project said it would bring: compared with, never fitted to."""

from __future__ import annotations

LOSS_REDUCTION_PERCENT = (5.0, 8.0)
"""Reduction of grid losses (Mas2tering overview and results, 2017; D6.1 has 5 to 7 %)."""
