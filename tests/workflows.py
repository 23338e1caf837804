"""Runs the scripts of workflows and composite actions in a sandbox, step by step, with the expressions around them."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

TOP = Path(__file__).parents[1]
TOKEN = re.compile(r"\s*(?:('(?:[^']|'')*')|(&&|\|\||==|!=|[!(),])|([A-Za-z_][\w.-]*))")


def read(path: str) -> Any:
    """A YAML file of this repository, with `on` as a word."""
    return yaml.load((TOP / path).read_text(encoding="utf-8"), Loader=yaml.BaseLoader)  # noqa: S506 - texts alone


class Expression:
    """What stands between ${{ and }}, evaluated over contexts; it knows what these files use and no more."""

    def __init__(self, text: str, contexts: Mapping[str, Any]) -> None:
        self.tokens = [m.groups() for m in TOKEN.finditer(text)]
        assert "".join(m.group() for m in TOKEN.finditer(text)).strip() == text.strip(), text
        self.contexts = contexts

    def value(self) -> Any:
        found = self._either()
        assert not self.tokens, self.tokens
        return found

    def _next(self, *operators: str) -> str:
        return self.tokens.pop(0)[1] if self.tokens and self.tokens[0][1] in operators else ""

    def _either(self) -> Any:
        left = self._both()
        while self._next("||"):
            right = self._both()
            left = left or right
        return left

    def _both(self) -> Any:
        left = self._equal()
        while self._next("&&"):
            right = self._equal()
            left = left and right
        return left

    def _equal(self) -> Any:
        left = self._one()
        if operator := self._next("==", "!="):
            return (str(left) == str(self._one())) == (operator == "==")
        return left

    def _one(self) -> Any:
        if self._next("!"):
            return not self._one()
        if self._next("("):
            inside = self._either()
            assert self._next(")")
            return inside
        text, _, name = self.tokens.pop(0)
        if text is not None:
            return text[1:-1].replace("''", "'")
        if self._next("("):
            given = []
            while not self._next(")"):
                given.append(self._either())
                self._next(",")
            return self._called(name, given)
        found: Any = self.contexts
        for part in name.split("."):
            found = found.get(part, "") if isinstance(found, Mapping) else ""
        return found

    def _called(self, name: str, given: list[Any]) -> Any:
        if name == "format":
            return re.sub(r"\{(\d)\}", lambda m: str(given[int(m[1]) + 1]), given[0])
        return {"always": True, "cancelled": False, "success": not self.contexts["failed"]}[name]


def filled(text: str, contexts: Mapping[str, Any]) -> str:
    """A text with its expressions replaced."""
    return re.sub(r"\$\{\{(.*?)\}\}", lambda m: str(Expression(m[1], contexts).value()), text)


@dataclass
class Job:
    """A run of steps: what each did, what they left in GitHub's files, and whether the job failed."""

    folder: Path  # of the checkout
    temporary: Path
    contexts: dict[str, Any]
    programs: Path  # fakes, found before all others
    done: dict[str, str] = field(default_factory=dict)  # name of a step -> outcome
    said: str = ""
    failed: bool = False

    @property
    def summary(self) -> str:
        path = self.temporary / "summary"
        return path.read_text(encoding="utf-8") if path.exists() else ""

    def run(self, steps: list[dict[str, Any]]) -> None:
        """Runs the scripts; what other actions do is left to the caller."""
        self.temporary.mkdir(parents=True, exist_ok=True)
        for step in steps:
            outcome = self._step(step) if self._wanted(step) else "skipped"
            self.failed |= outcome == "failure"
            self.done[step.get("name", step.get("uses", ""))] = outcome
            if "id" in step:
                self.contexts["steps"].setdefault(step["id"], {"outputs": {}})["outcome"] = outcome

    def _wanted(self, step: dict[str, Any]) -> bool:
        written = step.get("if", "success()").strip()
        written = written[3:-2] if written.startswith("${{") else written
        anyway = "always()" in written or "cancelled()" in written
        return bool(Expression(written, {**self.contexts, "failed": self.failed}).value()) and (
            anyway or not self.failed
        )

    def _step(self, step: dict[str, Any]) -> str:
        if "run" not in step:
            return "success"
        output = self.temporary / "output"
        output.write_text("")
        said = {name: filled(value, self.contexts) for name, value in step.get("env", {}).items()}
        environment = {**os.environ, **said, "PATH": f"{self.programs}{os.pathsep}{os.environ['PATH']}",
                       "RUNNER_TEMP": str(self.temporary), "GITHUB_OUTPUT": str(output),
                       "GITHUB_STEP_SUMMARY": str(self.temporary / "summary")}  # fmt: skip
        script = self.temporary / "script.sh"
        script.write_text(step["run"], encoding="utf-8")
        command = ["bash", "--noprofile", "--norc", "-euo", "pipefail", str(script)]
        ended = subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False)
        self.said += ended.stdout + ended.stderr
        if "id" in step:
            lines = (line.partition("=") for line in output.read_text(encoding="utf-8").splitlines())
            self.contexts["steps"][step["id"]] = {"outputs": {name: value for name, _, value in lines}}
        return "failure" if ended.returncode else "success"


def program(folder: Path, name: str, text: str) -> Path:
    """A fake program."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)
    return path
