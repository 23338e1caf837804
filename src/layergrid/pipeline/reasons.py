"""Says in words why a stage is made again: what its key holds beside that of the last build; it makes nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from layergrid.pipeline.stages import Stage
from layergrid.store import State
from layergrid.text import plural

Whole = Mapping[str, Any]  # the parts of a key, as an entry holds them
OTHERWISE = "this release computes it otherwise"
NEVER = "never built here"
PAGES = "templates, theme or fonts changed"
ROW = 8  # digits of a row's digest
SHORT = 24  # characters of a value that is told; of a longer one only that it changed
_OF_STAGES = ("sequences", "positions", "states", "grids")  # parts that are digests of other stages' keys
_DATA = ("prompts", "examples")  # parts that are digests of rows, which the stage of the data set can tell apart
_DRAWN = ("source", "sample", "sample_seed", "id", "group")  # what rows are taken; other rows need no further reason
_EXPLAINED = ("models", "datasets", "positions", "grids")  # keys of a spec whose changes other stages tell


@dataclass(frozen=True)
class History:
    """The stages of a build, what each stood on before, and which of them will be made."""

    stages: Mapping[str, Stage]  # by label
    before: Mapping[str, Whole]  # by label
    made: frozenset[str]  # labels of those that will be made

    def why(self, stage: Stage, state: State) -> tuple[str, ...]:
        """Why a stage that is not kept is made."""
        was = self.before.get(stage.label)
        if state == "damaged":
            return ("damaged",)
        if was is None:
            return ("new in this spec" if self.before else NEVER,)
        if was == stage.key.parts:
            return ("nothing changed, but the cache does not have it",)  # removed, or never needed here
        if not all(isinstance(was.get(one), Mapping) for one in ("parts", "libraries")):  # of another release
            return (OTHERWISE,)
        found = dict.fromkeys(self._changes(stage, was))
        if any(one.startswith(("theme ", "templates ")) and one != PAGES for one in found):
            found.pop(PAGES, None)  # which the name says
        return tuple(found) or tuple(self._of_words(stage)) or (OTHERWISE,)

    def _of_words(self, stage: Stage) -> Iterator[str]:
        """What changed in the spec and makes nothing else again, such as another path to the same rows."""
        for one in self._inputs(stage):
            was = self.before.get(one.label, {}).get("parts")
            if one.key.stage != "spec" or not isinstance(was, Mapping):
                continue
            now = one.key.parts["parts"]
            for part in _EXPLAINED:
                said = _leaves(part, was.get(part), now.get(part))
                yield from (line for line in said if ".loader." not in line)  # made from `source`, which says it

    def _changes(self, stage: Stage, was: Whole) -> Iterator[str]:
        now = stage.key.parts
        if any(was.get(one) != now[one] for one in ("format", "stage", "version")):
            yield OTHERWISE
        yield from _leaves("", was.get("libraries", {}), now["libraries"])
        old, new = was.get("parts", {}), now["parts"]
        for part in [*new, *(one for one in old if one not in new)]:
            if old.get(part) == new.get(part) or (part == "examples" and self._told_already(stage, old, new)):
                continue
            found = self._followed(stage, part, old.get(part), new.get(part))
            yield from _told(stage, part, old, new) if found is None else found

    def _told_already(self, stage: Stage, old: Whole, new: Whole) -> bool:
        """Whether other rows have made other sequences, which says it."""
        again = any(one.stored and one.label in self.made for one in self._inputs(stage))
        return again and old.get("sequences") != new.get("sequences")

    def _followed(self, stage: Stage, part: str, old: Any, new: Any) -> Iterator[str] | None:
        """What changed in the stages that a part stands for; None where it is no digest of others."""
        if part in _DATA:
            return self._of_inputs([one for one in self._inputs(stage) if one.key.stage == "data"], part == "examples")
        if part == "spec":
            return self._of_inputs([one for one in self._inputs(stage) if one.key.stage == "spec"])
        values = [*new.values()] if isinstance(new, Mapping) else [new]
        if part not in _OF_STAGES or not all(isinstance(one, str) for one in values):
            return None
        missing = [*old.values()] if isinstance(old, Mapping) else [old]
        inputs = [one for one in self._inputs(stage) if one.key.digest in values and one.key.digest not in missing]
        gone = [*set(old) - set(new)] if isinstance(old, Mapping) and isinstance(new, Mapping) else []
        return iter([*self._of_inputs(inputs), *(f"{name} was taken out" for name in sorted(gone))])

    def _of_inputs(self, inputs: Sequence[Stage], without_prompt: bool = False) -> Iterator[str]:
        for one in inputs:
            was = self.before.get(one.label)
            if was is not None and not all(isinstance(was.get(each), Mapping) for each in ("parts", "libraries")):
                yield OTHERWISE
            elif one.label in self.made and one.stored:
                yield f"because {self.short(one)} is made again" if was is not None else f"{self.short(one)} is new"
            elif was is not None:
                told = [*self._changes(one, was)]
                yield from [each for each in told if not (without_prompt and each == "the prompt changed")]
            else:
                yield f"{self.short(one)} is new"

    def _inputs(self, stage: Stage) -> list[Stage]:
        return [self.stages[label] for label in stage.inputs if label in self.stages]

    def short(self, stage: Stage) -> str:
        """The name of a stage, where no other has it; else its label."""
        same = [one for one in self.stages.values() if one.name == stage.name and one.stored]
        return stage.name if len(same) == 1 and not stage.label.startswith("data ") else stage.label


def _told(stage: Stage, part: str, old: Whole, new: Whole) -> Iterator[str]:
    """One part in words."""
    was, now = old.get(part), new.get(part)
    if stage.key.stage == "spec":
        if part not in _EXPLAINED:
            yield from _leaves(part, was, now)
    elif stage.key.stage == "data":
        yield from _told_of_data(part, old, new)
    elif part in ("attention", "readout"):
        yield OTHERWISE
    elif part == "order":
        if isinstance(was, list) and isinstance(now, list) and {*map(str, was)} == {*map(str, now)}:
            yield "the order of the grids changed"
    elif part == "model":
        yield from _told_of_model(old, new)
    elif part == "loading" and isinstance(was, list) and isinstance(now, list) and len(was) == len(now) == 4:
        if was[0] != now[0]:
            yield OTHERWISE
        for one, other in zip(was[2:], now[2:], strict=True):
            told = old.get("model") == new.get("model")  # else the address is told with the model
            yield from _leaves("", *(each if told else _without_address(each) for each in (one, other)))
    elif part == "positions" and isinstance(was, list) and isinstance(now, list):
        yield from _told_of_positions(was, now)
    elif part in ("files", "pages"):
        yield {"files": "the file changed", "pages": PAGES}[part]
    else:
        words = {"layers": "the layers", "sites": "the sites"}
        yield from _leaves("" if part in ("grid", "generate", "need") else words.get(part, part), was, now)


def _told_of_data(part: str, old: Whole, new: Whole) -> Iterator[str]:
    if part == "prompt":
        yield "the prompt changed"
    elif part in ("source", "sample", "id", "group", "columns", "where"):
        yield from _leaves(part, old.get(part), new.get(part))
    elif part == "rows" and all(old.get(one) == new.get(one) for one in _DRAWN):
        differing = rows_that_differ(str(old.get("rows", "")), str(new["rows"]))
        if differing:
            yield f"{plural(differing, 'row')} of the data changed"
        else:
            yield "the order of the rows changed"
    elif part == "sample_seed" and old.get("sample") == new.get("sample"):
        yield f"seed {old.get(part)} -> {new.get(part)}"


def rows_that_differ(was: str, now: str) -> int:
    """How many rows of the longer of two data sets are not in the other, by the digests of their rows."""
    before, after = (
        Counter(text[start : start + ROW] for start in range(0, len(text), ROW)) for text in (was, now)
    )  # fmt: skip
    return max((before - after).total(), (after - before).total())


def _told_of_model(old: Whole, new: Whole) -> Iterator[str]:
    was, now = str(old.get("model", "")), str(new["model"])
    addresses = [_address(one) for one in (old, new)]
    if addresses[0] != addresses[1]:
        yield f"model {addresses[0]} -> {addresses[1]}"
    elif now.startswith("sha256:"):
        yield "model files changed"
    else:
        yield f"model commit {was.rpartition('@')[2][:7]} -> {now.rpartition('@')[2][:7]}"


def _address(parts: Whole) -> str:
    loading = parts.get("loading")
    dump = loading[2] if isinstance(loading, list) and len(loading) > 2 else None
    return str(dump.get("address", "")) if isinstance(dump, Mapping) else ""


def _without_address(dump: Any) -> Any:
    return {name: one for name, one in dump.items() if name != "address"} if isinstance(dump, Mapping) else dump


def _told_of_positions(was: Sequence[Any], now: Sequence[Any]) -> Iterator[str]:
    def names(many: Sequence[Any]) -> list[str]:
        return [str(one.get("name", one)) if isinstance(one, Mapping) else str(one) for one in many]

    old, new = names(was), names(now)
    more, less = [n for n in new if n not in old], [n for n in old if n not in new]
    said = [f"{sign}{n}" for sign, some in (("+ ", more), ("- ", less)) for n in some]
    yield f"positions {', '.join(said)}" if said else "the positions changed"


def _leaves(name: str, was: Any, now: Any) -> Iterator[str]:
    """What differs, down to single values: "folds 5 -> 3"; of a long value only that it changed."""
    if was == now:
        return
    if isinstance(was, Mapping) and isinstance(now, Mapping):
        other = was.get("kind") != now.get("kind")  # keys of one kind alone say nothing more than its name
        lost = () if other else (one for one in was if one not in now)
        for key in [*(one for one in now if one in was or not other), *lost]:
            yield from _leaves(f"{name}.{key}".lstrip("."), was.get(key), now.get(key))
        return
    old, new = (_shown(one) for one in (was, now))
    brief = max(len(old), len(new)) <= SHORT and not {"\n"} & {*old, *new}
    yield f"{name} {old} -> {new}" if brief and not name.startswith("the ") else f"{name} changed"


def _shown(value: Any) -> str:
    if value is None or value in ("", [], {}):
        return "none"
    if isinstance(value, list):
        return f"[{', '.join(_shown(one) for one in value)}]"
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)
