"""File names that stand for one name of results each; it knows no folder."""

from __future__ import annotations

import re


def stem(name: str) -> str:
    """A file name that stands for one name only; none leads out of its folder."""
    safe = re.sub(r"[^\w.-]|^\.", lambda m: "".join(f"%{b:02X}" for b in m[0].encode("utf-8", "surrogatepass")), name)
    return safe or "%"
