"""The page that shows a finished result: figures and tables in one file that needs no network.

It reads what the result folder holds and computes nothing of its own beyond sums and extremes, so
that a page can be made again years later from the files alone.
"""

from __future__ import annotations

from mas2sim.report.home_page import home_page_name, write_home_page
from mas2sim.report.page import write_report
from mas2sim.report.study_page import shown, write_study_page

__all__ = ["home_page_name", "shown", "write_home_page", "write_report", "write_study_page"]
