"""Lists the benchmarks, or runs one: ``python -m benchmarks [NAME]``.

A benchmark is a module of this package whose docstring begins with one line that says what it
measures, and whose ``main() -> int`` prints name=value pairs on its last line and returns 0, or 1
when it misses its target.
"""

import ast
import importlib
import sys
from pathlib import Path

FOLDER = Path(__file__).parent


def descriptions() -> dict[str, str]:
    """First line of each benchmark's docstring, read without importing it."""
    return {
        path.stem: (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").partition(
            "\n"
        )[0]
        for path in sorted(FOLDER.glob("*.py"))
        if not path.stem.startswith("_")
    }


def main(arguments: list[str]) -> int:
    known = descriptions()
    if not arguments:
        width = max(map(len, known))
        for name, description in known.items():
            print(f"{name:{width}}  {description}")
        return 0
    if len(arguments) > 1 or arguments[0] not in known:
        print(f"found {' '.join(arguments)!r}; allowed: one of {', '.join(known)}", file=sys.stderr)
        return 1
    code: int = importlib.import_module(f"benchmarks.{arguments[0]}").main()
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
