"""State of the function or custom tool of a call while its pieces arrive."""

from __future__ import annotations

import re
from typing import Any, TypeVar

from .._json import JSON_BLANKS
from ..payloads._growing import Budget, GrowingText, copy_grown, grow_fields, unknown_fields
from ._models import CustomToolDelta, FunctionDelta
from ._results import CustomTool, Function, NoteKind

Callee = FunctionDelta | CustomToolDelta
CalleeT = TypeVar("CalleeT", Function, CustomTool)

# An escape, whose character can be in the next piece, a quote or a bracket.
_MARK = re.compile(r'\\.?|["{}\[\]]', re.DOTALL)
# An escape or a string, or blanks, which are outside strings.
_BLANKS = re.compile(r'(\\.|"(?:[^"\\]++|\\.)*+")|[ \t\r\n]++', re.DOTALL)


class ObjectScanner:
    """Incremental check whether a text is a JSON object, by its brackets and quotes alone."""

    __slots__ = ("_depth", "_in_escape", "_in_string", "_is_other", "complete")

    def __init__(self) -> None:
        self.complete = False  # whether the text is an object and, at most, blanks around it
        self._depth = 0
        self._in_string = False
        self._in_escape = False
        self._is_other = False

    def feed(self, text: str) -> None:
        if self._is_other:
            return
        if not self._depth:
            text = text.lstrip(JSON_BLANKS)
            if not text:
                return
            if self.complete or text[0] != "{":
                self._end(is_object=False)
                return
        start, self._in_escape = int(self._in_escape), False
        for match in _MARK.finditer(text, start):
            mark = match.group()
            if mark[0] == "\\":
                self._in_escape = len(mark) == 1
            elif mark == '"':
                self._in_string = not self._in_string
            elif not self._in_string:
                self._depth += 1 if mark in "{[" else -1
                if not self._depth:
                    self._end(is_object=not text[match.end() :].strip(JSON_BLANKS))
                    return

    def _end(self, *, is_object: bool) -> None:
        self.complete, self._is_other = is_object, not is_object


def is_object_text(text: str) -> bool:
    scanner = ObjectScanner()
    scanner.feed(text)
    return scanner.complete


def _remove_blanks(text: str) -> str:
    """Return the text of an object without the blanks that don't matter."""
    return _BLANKS.sub(r"\1", text)


class FunctionState:
    """Name and arguments of a function call, or name and input of a custom tool call."""

    def __init__(self, budget: Budget) -> None:
        self.notes: set[NoteKind] = set()
        self.arguments = GrowingText(budget)  # or the input of a custom tool
        self.is_name_complete = False  # arguments followed the name
        # Whether the name was repeated, without arguments, after the first arguments. Another call
        # has begun if these are complete and more arguments follow.
        self.is_named_again = False
        self.is_custom = False  # whether any piece was one of a custom tool
        self.has_placeholder = False  # the arguments are `{}`, which text can still replace
        self._is_withheld = False  # whether the placeholder wasn't returned yet
        self._compact: str | None = None  # the complete arguments without blanks, if needed so far
        self._length = 0  # of the arguments
        self._scanner: ObjectScanner | None = None  # of the arguments, if needed so far
        self._budget = budget
        self._name = GrowingText(budget)
        self._name_length = 0
        self._extra: dict[str, Any] = {}

    @property
    def name(self) -> str:
        return self._name.value or ""

    def is_named(self, name: str) -> bool:
        # The lengths are compared first: joining a name at each of its pieces is quadratic.
        return len(name) == self._name_length and name == self.name

    @property
    def has_object(self) -> bool:
        """Whether the arguments are a JSON object, so that no more text belongs to them."""
        if self.is_custom:
            return False
        if self._scanner is None:
            self._scanner = ObjectScanner()
            self._scanner.feed(self.arguments.value or "")
        return self._scanner.complete

    @property
    def is_done(self) -> bool:
        """Whether the arguments are complete: an object that nothing replaces."""
        return self.has_object and not self.has_placeholder

    def repeats(self, text: str) -> bool:
        """Return whether a text is the complete arguments once more, with any blanks."""
        # The lengths are compared first, so that the work is that of the text's own length.
        if len(text) == self._length and text == self.arguments.value:
            return self.has_object
        # Most pieces aren't an object, and nearly all of those don't begin like one.
        if not self._length or text.lstrip(JSON_BLANKS)[:1] != "{" or not is_object_text(text):
            return False
        return self.has_object and _remove_blanks(text) == self._compact_arguments()

    def _compact_arguments(self) -> str:
        # Made once: only blanks can follow while the arguments are an object.
        if self._compact is None:
            self._compact = _remove_blanks(self.arguments.value or "")
            self._budget.charge(self._compact)
        return self._compact

    def ends_before(self, text: str) -> bool:
        """Return whether the arguments are complete, so that a text isn't part of them."""
        return self.is_done and bool(text.strip())

    def excludes(self, text: str) -> bool:
        """Return whether a text is neither part of the arguments nor their repetition."""
        return self.ends_before(text) and not self.repeats(text)

    def add(self, delta: Callee, *, is_finished: bool) -> str:
        """
        Add a delta and return the text that it adds to the arguments.

        A placeholder isn't returned as long as its text can be replaced.

        Args:
            delta: The next piece.
            is_finished: Whether the choice finished before: a placeholder then stays as it is.
        """
        text = delta.text
        if delta.name and self.is_named(delta.name):  # some servers repeat the name
            self.is_named_again = self.is_name_complete and not text
        elif delta.name:
            self.add_name(delta.name)
        if delta.extra:
            grow_fields(self._extra, unknown_fields(delta), self._budget)
        if not isinstance(delta, FunctionDelta):
            self.is_custom = True
        elif isinstance(delta.arguments, dict):
            self.notes.add(NoteKind.ARGUMENTS_OBJECT)
        if not text:
            return ""
        self.is_name_complete = self._name_length > 0
        if self.is_custom:  # free text: a placeholder of a function stays as its beginning
            return self._add_after_placeholder(text)
        return self._add_arguments(text, is_finished=is_finished)

    def add_name(self, name: str) -> None:
        self._name.add(name)
        self._name_length += len(name)

    def release_placeholder(self) -> str:
        """Return the placeholder, which nothing replaced, unless it was returned before."""
        if not self._is_withheld:
            return ""
        self._is_withheld = False
        return self.arguments.value or ""

    def _add_after_placeholder(self, text: str) -> str:
        placeholder = self.release_placeholder()
        self.has_placeholder = False
        self._append(text)
        return placeholder + text

    def _add_arguments(self, text: str, *, is_finished: bool) -> str:
        if self.repeats(text):  # some servers send all the arguments again at the end
            self.notes.add(NoteKind.ARGUMENTS_REPEATED)
            return ""
        if is_finished:
            return self._add_after_placeholder(text)
        if self.has_placeholder and text.strip():
            self._remove_placeholder()
        elif self._length == 0:
            # Servers that translate another API send its empty input first.
            self.has_placeholder = self._is_withheld = "".join(text.split()) == "{}"
        self._append(text)
        return "" if self.has_placeholder else text

    def _append(self, text: str) -> None:
        self.arguments.add(text)
        self._length += len(text)
        if self._scanner is not None:
            self._scanner.feed(text)

    def _remove_placeholder(self) -> None:
        self.notes.add(NoteKind.ARGUMENTS_REPLACED)
        self._budget.left += len(self.arguments.value or "")
        self.arguments = GrowingText(self._budget)
        self._length = 0
        self._scanner = self._compact = None
        self.has_placeholder = self._is_withheld = False

    def result(self, kind: type[CalleeT]) -> CalleeT:
        name_field, text_field = kind.wire_fields()
        texts: dict[str, Any] = {name_field: self.name, text_field: self.arguments.value or ""}
        # A call that arrived both as a function and as a custom tool can have fields of the other.
        fields = copy_grown(self._extra)
        extra = {name: value for name, value in fields.items() if name not in texts}
        return kind(**texts, extra=extra)
