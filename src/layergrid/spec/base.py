"""What all parts of a spec share: the model they descend from, and names; it knows no part."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

NAME = r"^[A-Za-z][A-Za-z0-9_-]{0,63}$"

Name = Annotated[str, Field(pattern=NAME)]


class Model(BaseModel):
    """What all parts share: frozen, and no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")
