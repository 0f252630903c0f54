"""A pandapower net from a JSON file that nobody vouches for.

A room of its own because pandapower's reader imports and calls what the file names. So the file is
read as plain JSON first, and refused when it names anything but the few classes that a net is made
of. What is no net at all gets one fault that says what it is.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mas2sim.domain.errors import Fault, GridError

SHOWN = 4
"""Names shown in one fault; the others are counted."""
NET = ("pandapower.auxiliary", "pandapowerNet")
ALLOWED = "a pandapower net as pandapower.to_json writes it"
_BUILT_IN = ("tuple", "set", "frozenset", "complex")
_NUMPY = ("array", "ndarray", "bool", "bool_", "int32", "int64", "float32", "float64")
_SHAPELY = ("Point", "LineString", "Polygon", "MultiPoint", "MultiLineString", "MultiPolygon")
_TABLES = ("DataFrame", "Series")
TRUSTED = frozenset(
    {
        NET,
        ("pandas.core.frame", "DataFrame"),
        ("pandas.core.series", "Series"),
        ("pandas", "DataFrame"),
        ("pandas", "Series"),
        ("networkx", "MultiGraph"),
        ("geopandas.geodataframe", "GeoDataFrame"),
        *(("builtins", name) for name in _BUILT_IN),
        *(("numpy", name) for name in _NUMPY),
        *(("shapely.geometry", name) for name in _SHAPELY),
        *(("shapely", name) for name in _SHAPELY),
    }
)
"""Module and class of everything that a file may have the reader make; each only holds data."""


def load_net(path: Path) -> Any:
    """Read a pandapower net from a JSON file.

    Returns
    -------
    pandapowerNet

    Raises
    ------
    GridError
        With one fault that says what the file is instead, or what it names that is not data.
    """
    text = _text(path)
    content = _parsed(path, text)
    named = set(_named(content))
    if not isinstance(content, dict) or (content.get("_module"), content.get("_class")) != NET:
        keys = ", ".join(list(map(str, content))[:SHOWN]) if isinstance(content, dict) else ""
        found = f"JSON with keys {keys}" if keys else f"JSON, a {type(content).__name__}"
        raise GridError([Fault(str(path), found, ALLOWED)])
    strangers = sorted(".".join(filter(None, each)) for each in named - TRUSTED)
    if strangers:
        more = f" and {len(strangers) - SHOWN} more" if len(strangers) > SHOWN else ""
        raise GridError(
            [
                Fault(
                    str(path),
                    f"a file that names {', '.join(strangers[:SHOWN])}{more}",
                    "tables of data only: to read more than that could run code",
                    "remove controllers and other objects from the net and save it again",
                )
            ]
        )
    return _decoded(path, text)


def _text(path: Path) -> str:
    """Text of a file, or what it is if it has none."""
    if path.is_dir():
        raise GridError([Fault(str(path), "a folder", ALLOWED, "name the file in it")])
    if not path.is_file():
        raise GridError([Fault(str(path), "no such file", ALLOWED)])
    if path.suffix.lower() in (".p", ".pickle", ".pkl"):
        found, remedy = "a pickle, which can run code", "pandapower.to_json(net, 'net.json')"
        raise GridError([Fault(str(path), found, ALLOWED, remedy)])
    if zipfile.is_zipfile(path):
        kind = "an Excel file" if path.suffix.lower().startswith(".xls") else "a zip archive"
        remedy = "pandapower.to_json(pandapower.from_excel('net.xlsx'), 'net.json')"
        raise GridError([Fault(str(path), kind, ALLOWED, remedy)])
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        found = f"a file that is no text ({type(error).__name__})"
        raise GridError([Fault(str(path), found, ALLOWED)]) from error


def _parsed(path: Path, text: str) -> Any:
    if not text.strip():
        raise GridError([Fault(str(path), "an empty file", ALLOWED)])
    try:
        return json.loads(text, object_pairs_hook=_once_each)
    except (ValueError, RecursionError) as error:
        found = f"no JSON: {str(error).splitlines()[0]}"
        raise GridError([Fault(str(path), found, ALLOWED)]) from error


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON; of two values with one name a reader might take either."""
    found = dict(pairs)
    if len(found) < len(pairs) and not {"_module", "_class", "_object"}.isdisjoint(found):
        raise ValueError("a key stands twice in one object")
    return found


def _named(content: Any) -> Iterator[tuple[str, str]]:
    """Module and class of every object in the file, those in strings of JSON as well.

    A table's own text goes to another parser, which takes more for JSON than this one and opens a
    file where it is a path. So text that this one cannot read counts as a stranger there, and
    elsewhere where it could hide a name behind escapes.
    """
    queue = [content]
    for value in queue:
        if isinstance(value, dict):
            if "_module" in value or "_class" in value:
                module, kind = str(value.get("_module", "")), str(value.get("_class", ""))
                yield module, kind
                table = value.get("_object")
                if kind in _TABLES and not (isinstance(table, str) and _is_table(table)):
                    yield "", "a table whose text is no JSON"
            queue.extend(value.values())
        elif isinstance(value, list):
            queue.extend(value)
        elif isinstance(value, str) and value.lstrip()[:1] in ("{", "[", '"'):
            try:
                queue.append(json.loads(value, object_pairs_hook=_once_each))
            except (ValueError, RecursionError):
                if "_module" in value or "_class" in value or "\\" in value:
                    yield "", "text that is no JSON"


def _is_table(text: str) -> bool:
    """Whether the text of a table is JSON by the strict rules, with no name twice."""
    try:
        return isinstance(json.loads(text, object_pairs_hook=_once_each), dict | list)
    except (ValueError, RecursionError):
        return False


def _decoded(path: Path, text: str) -> Any:
    """The net; whatever pandapower cannot make of it is a fault of the file."""
    import warnings

    import pandapower as pp

    try:
        with warnings.catch_warnings():
            # Formats of older versions are converted; what is lost thereby is checked afterwards.
            warnings.simplefilter("ignore")
            net = pp.from_json_string(text)
            lacking = [table for table in ("bus", "line", "ext_grid") if table not in net]
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        found = f"a net that pandapower {pp.__version__} cannot read ({reason})"
        remedy = "open it in the version that wrote it, and save it from this one"
        raise GridError([Fault(str(path), found, ALLOWED, remedy)]) from error
    if lacking:
        found = f"a net without tables {', '.join(lacking)}"
        raise GridError([Fault(str(path), found, ALLOWED)])
    return net
