"""The Markdown report for a pull request: its own environment, where nothing of the user's text is markup."""

from __future__ import annotations

import re

from layergrid.artifacts import Lead, Paragraph, Sentence
from layergrid.render.content import Content
from layergrid.render.environment import environment
from layergrid.render.words import authored, markdown


def md(content: Content) -> str:
    """The report as GitHub-flavoured Markdown, without figures."""
    env = environment(
        False, content.templates, plain=markdown, sentence=_sentence, paragraph=_paragraph, authored=authored,
    )  # fmt: skip
    made = env.get_template("report.md.j2").render(content=content)
    return re.sub(r"\n{3,}", "\n\n", made).strip() + "\n"


def _sentence(sentence: Sentence) -> str:
    shown = markdown(sentence.text)
    return f"**{shown}**" if isinstance(sentence, Lead) else shown


def _paragraph(paragraph: Paragraph) -> str:
    return " ".join(_sentence(one) for one in paragraph)
