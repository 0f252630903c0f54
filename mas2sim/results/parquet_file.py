"""Parquet files, read whole by the thread that asks for them.

`pandas.read_parquet` hands Arrow an open file of Python's. A thread of Arrow's may still hold it
when the interpreter ends, and the process then aborts or hangs though all its work is done
(github.com/apache/arrow, issues 34314, 33975 and 50482): here that was three of 120 processes. A
command's exit code has to be right always, so the linter refuses that function in the package.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


def read_arrow(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """Read a file, or some of its columns.

    Raises
    ------
    OSError
        When it is not there.
    pyarrow.ArrowException
        When it is damaged.
    """
    from pyarrow.parquet import ParquetFile

    # As one file: Arrow's data sets, which are looked for otherwise, take twice the time.
    with ParquetFile(path) as file:
        return file.read(columns, use_threads=False)


def read_frame(path: Path) -> pd.DataFrame:
    """Read a file as pandas does; see `read_arrow`."""
    frame: pd.DataFrame = read_arrow(path).to_pandas(use_threads=False)
    return frame
