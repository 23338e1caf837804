"""What a spec may say of answers that stand in the data, and of asking a model whether its own answer is right."""

from __future__ import annotations

from typing import Self

from pydantic import Field, field_validator, model_validator

from layergrid.spec.base import Model

PUBLISHED = (
    "Question: {{ prompt }}\nProposed Answer: {{ proposed }}\nIs the proposed answer:\n (A) True\n (B) False\n"
    "The proposed answer is:"
)  # Kadavath et al. 2022, section 3


class AnswersSpec(Model):
    """The model's answers stand in the data, as text or as token ids; nothing is generated."""

    text: str | None = Field(None, min_length=1, description="Column that holds the answers as text.")
    ids: str | None = Field(
        None, min_length=1, description="Column that holds them as token ids: a list, or JSON text of one."
    )
    prompt_ids: str | None = Field(
        None, min_length=1, description="Column of the prompts' token ids, with `ids`; left out: `prompt` is encoded."
    )

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        if (self.text is None) == (self.ids is None):
            raise ValueError("answers are given as text or as token ids; write one of 'text' and 'ids', each a column")
        if self.prompt_ids is not None and self.ids is None:
            raise ValueError("'prompt_ids' goes with 'ids'; answers given as text continue the prompt's own tokens")
        return self

    @property
    def column(self) -> str:
        """The column that holds the answers."""
        return self.text or self.ids or ""

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns that are read."""
        return tuple(one for one in (self.text, self.ids, self.prompt_ids) if one is not None)


class PTrueSpec(Model):
    """How a model is asked whether its own answer is right: P(True) of Kadavath et al. 2022."""

    prompt: str = Field(
        PUBLISHED,
        min_length=1,
        description="Jinja template of the second prompt: `prompt` is the first one, `proposed` the answer, and the "
        "columns are variables too. Left out: the published wording.",
    )
    true: str = Field(" (A)", min_length=1, description="What the model would go on with if the answer is right.")
    false: str = Field(" (B)", min_length=1, description="What it would go on with if the answer is wrong.")

    @field_validator("prompt")
    @classmethod
    def _shows_the_answer(cls, value: str) -> str:
        if "proposed" not in value:
            raise ValueError("the template of p_true does not show the answer; write {{ proposed }} where it stands")
        return value

    @model_validator(mode="after")
    def _told_apart(self) -> Self:
        if self.true.strip() == self.false.strip():
            raise ValueError("'true' and 'false' of p_true are the same; the model could not tell them apart")
        return self
