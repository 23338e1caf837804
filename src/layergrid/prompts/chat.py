"""Turns prompts into dialogues by the chat template of a model's tokenizer; it knows no data set and no answer.

A dialogue is text that spells its special tokens out, the beginning of sequence too: it is encoded without adding any.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, Protocol

import jinja2

from layergrid.artifacts import Ints, Scalar
from layergrid.kinds import BadInput
from layergrid.prompts.rows import TEMPLATE_FAULTS
from layergrid.text import nearest

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

DAY = date(2025, 1, 1)  # for templates that write today's date, which would make another prompt every day
_ANOTHER = date(1999, 12, 31)
_TODAY = re.compile(r"strftime_now\(\s*(['\"])(.*?)\1\s*\)")
_TRIAL = "Where does the river end?"


class ChatSpec(Protocol):
    """How a spec wants its dialogues."""

    @property
    def system(self) -> str:
        """The system message; empty: none."""

    @property
    def variables(self) -> Mapping[str, Scalar]:
        """Variables of the template, such as `enable_thinking`."""


@dataclass(frozen=True)
class _Manner:
    """How a template takes its messages, as a trial showed."""

    system: str  # its text; empty: none
    apart: bool  # as a message of its own; False: at the head of the user's
    in_parts: bool  # contents are lists of parts, as templates for images want them
    prompted: bool  # the template marks where the answer begins
    dated: bool  # it writes the day


def dialogues(
    tokenizer: PreTrainedTokenizerBase, example_ids: Sequence[str], prompts: Sequence[str], chat: ChatSpec
) -> tuple[str, ...]:
    """Each prompt as the user's message of a dialogue that the model is to answer, as text with its special tokens.

    Raises BadInput where the tokenizer has no chat template, the template does not read a variable, or fails.
    """
    manner = _manner(tokenizer, chat)
    found = []
    for name, prompt in zip(example_ids, prompts, strict=True):
        try:
            found.append(_applied(tokenizer, manner, prompt, chat.variables))
        except (jinja2.TemplateError, *TEMPLATE_FAULTS) as error:
            raise BadInput(f"example {name!r}: the chat template of the model failed: {error}") from None
    return tuple(found)


def told(tokenizer: PreTrainedTokenizerBase, chat: ChatSpec) -> str:
    """How prompts become dialogues, in sentences for a report. Raises BadInput as `dialogues` does."""
    manner = _manner(tokenizer, chat)
    sentences = ["Each prompt is the user's message in the chat template of the model's tokenizer"]
    sentences[0] += ", up to where its answer begins." if manner.prompted else "."
    if manner.system:
        where = (
            "goes before it as a message of its own"
            if manner.apart
            else "stands at the head of the user's message, since the template has no place for a system message"
        )
        sentences.append(f"The system text {where}.")
    if manner.dated:
        day = f"{DAY.day} {DAY:%B %Y}"
        sentences.append(f"The template writes the day of the dialogue, which is {day} in all of them.")
    if chat.variables:
        given = ", ".join(f"{name} = {_written(value)}" for name, value in chat.variables.items())
        sentences.append(f"Variables of the template: {given}.")
    return " ".join(sentences)


def check_start(tokenizer: PreTrainedTokenizerBase, example_ids: Sequence[str], encoded: Sequence[Ints]) -> None:
    """Raises BadInput where a dialogue begins with the beginning of sequence twice, which no model was trained on."""
    begin = tokenizer.bos_token_id
    for name, ids in zip(example_ids, encoded, strict=True):
        if begin is not None and ids[:2].tolist() == [begin, begin]:
            raise BadInput(
                f"example {name!r}: its dialogue begins with {tokenizer.bos_token!r} twice; the chat template writes "
                "one already: take the other out of the prompt or the system text"
            )


def _written(value: Scalar) -> str:
    return value if isinstance(value, str) else json.dumps(value)


# ---------------------------------------------------------------- what a template takes


def _manner(tokenizer: PreTrainedTokenizerBase, chat: ChatSpec) -> _Manner:
    """Tries on one message how the template takes a system text and contents.

    Gemma's template raises on a system message, others leave it out without a word; the text then goes before the
    user's. Templates for images may read contents only as lists of parts.
    """
    _check_variables(tokenizer, chat.variables)
    system, failed = chat.system.strip(), ""
    for in_parts in (False, True):
        for apart in (True, False) if system else (False,):
            manner = _Manner(system, apart, in_parts, prompted=True, dated=False)
            try:
                shown = _applied(tokenizer, manner, _TRIAL, chat.variables)
                bare = _applied(tokenizer, manner, _TRIAL, chat.variables, prompted=False)
                later = _applied(tokenizer, manner, _TRIAL, chat.variables, day=_ANOTHER)
            except (jinja2.TemplateError, *TEMPLATE_FAULTS) as error:
                failed = failed or f" ({error})"
                continue
            if _holds(shown, _TRIAL) and _holds(shown, system):
                return _Manner(system, apart, in_parts, prompted=shown != bare, dated=shown != later)
    raise BadInput(
        f"the chat template of the model's tokenizer cannot be used{failed}: it must put the user's message into its "
        "text; remove 'chat' and write the dialogue in the prompt itself"
    )


def _check_variables(tokenizer: PreTrainedTokenizerBase, variables: Mapping[str, Scalar]) -> None:
    """Raises BadInput where there is no template, or where it never reads a variable."""
    try:
        source = tokenizer.get_chat_template()
    except ValueError:
        raise BadInput(
            "the model's tokenizer has no chat template; remove 'chat', or give the model's folder the "
            "chat_template.jinja of its chat version"
        ) from None
    words = set(re.findall(r"[A-Za-z_]\w*", " ".join(re.findall(r"{[{%].*?[}%]}", source, re.DOTALL))))
    for name in variables:
        if name in _TAKEN:
            raise BadInput(f"chat.variables: {name!r} is what layergrid itself gives the template; remove it")
        if name not in words:
            near = nearest(name, words)
            hint = f"; did you mean {near!r}?" if near else ""
            raise BadInput(f"chat.variables: the model's chat template does not read {name!r}{hint}")


_TAKEN = frozenset({"messages", "tools", "documents", "add_generation_prompt", "chat_template"})


def _applied(
    tokenizer: PreTrainedTokenizerBase,
    manner: _Manner,
    prompt: str,
    variables: Mapping[str, Scalar],
    *,
    prompted: bool = True,
    day: date = DAY,
) -> str:
    """The dialogue of one prompt, made on a given day."""

    def content(text: str) -> Any:
        return [{"type": "text", "text": text}] if manner.in_parts else text

    user = prompt if manner.apart or not manner.system else f"{manner.system}\n\n{prompt}"
    messages = [{"role": "user", "content": content(user)}]
    if manner.apart and manner.system:
        messages.insert(0, {"role": "system", "content": content(manner.system)})
    source = _TODAY.sub(lambda found: json.dumps(day.strftime(found[2])), tokenizer.get_chat_template())
    given: dict[str, Any] = {"chat_template": source, "add_generation_prompt": prompted, **variables}
    return str(tokenizer.apply_chat_template(messages, tokenize=False, **given))


def _holds(dialogue: str, text: str) -> bool:
    """Whether a dialogue has a text, whatever its template does to blanks."""
    return " ".join(text.split()) in " ".join(dialogue.split())
