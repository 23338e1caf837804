"""The one copy of Vega, Vega-Lite and Vega-Embed that a page carries, kept on disk once made; it knows no page."""

from __future__ import annotations

import os
import re
import tempfile
from functools import cache
from importlib.metadata import version
from pathlib import Path

SNIPPET = "window.vegaEmbed = vegaEmbed;"


@cache
def javascript() -> str:
    """The bundle of the installed vl-convert as one classic script; it sets only `window.vegaEmbed`.

    Making it takes seconds, so it is kept in the user's cache folder under its version. Without a writable cache it is
    made every time.
    """
    path = _kept()
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        made = _made()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".bundle-")
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as stream:
            stream.write(made)
        Path(temporary).replace(path)
    except OSError:
        return made  # a cache that cannot be written costs time, nothing else
    return made


def _kept() -> Path:
    from platformdirs import user_cache_path

    return user_cache_path("layergrid") / "vega" / f"bundle-vl-convert-{version('vl-convert-python')}.js"


def _made() -> str:
    import vl_convert

    bundle = vl_convert.javascript_bundle(SNIPPET)
    # An inline script ends at the first "</script", wherever it stands.
    bundle = re.sub(r"</(script)", r"<\\/\1", bundle, flags=re.IGNORECASE).replace("<!--", "<\\!--")
    return f"(function () {{\n{bundle}\n}})();\n"
