"""The texts of an answer that a gate checks, and the items that are released between them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

from attrs import define, field

from ..payloads._gated import Dropped, GatedItem, GatedText, Outlet, Part, Rest, TextEnd, TextKey
from ..payloads._model import Kind
from ._options import GateOptions
from ._windows import Release, Text, TextChain, Window, key_of

if TYPE_CHECKING:
    from ._verdicts import Flagged

# Of the items that follow one window. Each takes about 1 KiB.
MOST_RESTS: Final = 1000
# Of fields that are withheld, and of characters of each name.
MOST_NAMES: Final = 100
# Of events with a complete text that isn't what was received of it: a response repeats it 4 times.
_MOST_CONTRADICTIONS: Final = 8

Output = Window | Rest | Release
"""A window to check, an item that follows the windows before it, or text released at once."""


@define(eq=False)
class Lane:
    """
    The texts of a choice, or of an item of it. One of them is open at a time.

    Attributes:
        texts: The texts that weren't ended for good.
        open: The text that the last piece continued.
        rests: Items that follow text that is in no window yet.
    """

    choice: int
    texts: dict[TextKey, Text] = field(factory=dict[TextKey, Text])
    open: Text | None = None
    rests: list[Rest] = field(factory=list[Rest])


class GatedAnswer:
    """
    An answer split into windows and items, in the order of their release.

    Attributes:
        texts: The texts that are checked, by their keys. Several keys can have the same one.
        chains: The texts that are checked together, by the key that they share.
        flags: The errors that stopped single choices, by their index.
        unchecked: The kinds of text that pass without a check.
        withheld: Kinds of text and names of fields that were received and are never released.
    """

    def __init__(self, options: GateOptions) -> None:
        self._options = options
        self._releases_first = options.releases_first
        self._kinds = frozenset(options.kinds)
        self.unchecked = frozenset(options.unchecked) - self._kinds
        self._lanes: dict[tuple[int, int | None], Lane] = {}
        # Those with something since their last end: there can be thousands of lanes.
        self._live: dict[Lane, None] = {}
        self._last_lane: Lane | None = None
        self.texts: dict[TextKey, Text] = {}
        self.chains: dict[TextKey, TextChain] = {}
        self.flags: dict[int, Flagged] = {}
        self.withheld: dict[str, None] = {}
        self._outlet: Outlet | None = None

    def add(self, parts: Iterable[Part]) -> list[Output]:
        """Add the parts of an item, and return the windows and items that they complete."""
        output: list[Output] = []
        is_repeated = False
        for part in parts:
            if isinstance(part, GatedText):
                is_repeated |= not self._add_text(part, output)
            elif isinstance(part, Rest):
                if not is_repeated or part.choice is None:  # the end of the answer
                    self._add_rest(part, output)
            elif isinstance(part, TextEnd):
                self._end(part, output)
            else:
                self._drop(part)
        return output

    def _add_text(self, part: GatedText, output: list[Output]) -> bool:
        """Add text. Return False if it contradicts what was received of the text once too often."""
        key, new, template, is_complete = part
        text = self.texts.get(key)
        if text is None:
            if key.kind not in self._kinds:
                self.withheld[key.kind] = None
                return True
            text = self.texts[key] = self._find_text(part, output)
        if key.choice in self.flags:
            return True
        chain, lane = text.chain, text.lane
        self._open(text, output)
        self._last_lane = lane
        self._live[lane] = None
        rest: str | None = new
        if is_complete:
            rest = "" if text.is_part(key.part, new) else chain.rest_of(text, new)
        is_contradiction = rest is None
        if rest is None:
            # Part of it was in no delta, as in a stream that was resumed: what is new isn't known.
            self.withheld[key.kind] = None
            text.contradictions += 1
            rest = ""
        if rest:
            text.brought.setdefault(key.part, []).append(rest)
        windows = chain.feed(text, rest, template)
        if windows or self._releases_first:
            self._put(text, windows, output)
        # The complete texts of an event are replaced by what was released. The server sent as much,
        # or each of a few bytes would be answered with all of the text.
        return not is_contradiction or text.contradictions <= _MOST_CONTRADICTIONS

    def _drop(self, part: Dropped) -> None:
        if part.item is not None:
            self._outlet_of(part.item).withhold(part.item)
        if len(self.withheld) < MOST_NAMES:  # the names of unknown fields are the server's
            self.withheld[part.name[:MOST_NAMES]] = None

    def _find_text(self, part: GatedText, output: list[Output]) -> Text:
        """Return the text that a key continues: usually a new one."""
        key = part.key
        # What a reader reads as one: all texts of a kind, but not the arguments of several calls.
        shared = key if key.kind == "arguments" else TextKey(key.kind, key.choice)
        chain = self.chains.get(shared)
        if chain is None:
            chain = self.chains[shared] = TextChain(self._options)
        latest = chain.current
        if latest is not None and latest.key.item == key.item and _is_counted_on(latest, part):
            return latest
        text = Text(key, chain, self._lane_of(key.choice, key.item, output))
        chain.texts.append(text)
        return text

    def _open(self, text: Text, output: list[Output]) -> None:
        """Complete the windows of the texts before a text."""
        current, lane = text.chain.current, text.lane
        if current is not None and current is not text and current.lane.open is current:
            self._leave(current.lane, output)
        if lane.open is not text:
            self._leave(lane, output)
            lane.open = lane.texts[text.key] = text

    def _put(self, text: Text, windows: list[Window], output: list[Output]) -> None:
        """Add windows, and after the first one the items that followed its text."""
        lane = text.lane
        if lane.choice in self.flags:
            return
        if self._releases_first:
            output += text.chain.release_arrived(text)
        output += windows[:1]
        if windows and lane.rests:
            output += lane.rests
            lane.rests = []
        output += windows[1:]

    def _leave(self, lane: Lane, output: list[Output]) -> None:
        """Release the open text, so that what comes next follows it; more of it can follow."""
        if lane.open is not None:
            self._put(lane.open, lane.open.chain.close(lane.open), output)
            lane.open = None
        output += lane.rests
        lane.rests = []

    def _lane_of(self, choice: int, item: int | None, output: list[Output]) -> Lane:
        """Return the lane of an item. A new one follows the texts before it, which may not end."""
        known = self._lanes.get((choice, item))
        if known is not None:
            return known
        for lane in [lane for lane in self._live if lane.choice == choice]:
            self._leave(lane, output)
            del self._live[lane]
        lane = self._lanes[choice, item] = Lane(choice)
        return lane

    def _add_rest(self, rest: Rest, output: list[Output]) -> None:
        if rest.kind is not None and rest.kind not in self._kinds | self.unchecked:
            self.withheld[rest.kind] = None
            self._outlet_of(rest.rest).withhold(rest.rest)
            return
        lane = self._last_lane
        if rest.choice is not None:
            lane = self._lane_of(rest.choice, rest.item, output)
        if lane is None or lane.open is None or self._releases_first or lane.choice in self.flags:
            output.append(rest)
        elif rest.kind not in (None, lane.open.key.kind):
            self._leave(lane, output)
            output.append(rest)
        elif lane.open.chain.is_open or self._options.hold:
            lane.rests.append(rest)
            self._live[lane] = None
            if len(lane.rests) >= MOST_RESTS:
                self._leave(lane, output)
        else:
            output.append(rest)

    def _end(self, end: TextEnd, output: list[Output]) -> None:
        if end.item is not None:
            lanes = [self._lanes.get((end.choice, end.item))]
        else:
            lanes = [lane for lane in self._live if lane.choice == end.choice]
        for lane in lanes:
            if lane is not None:
                self._end_lane(lane, end, output)
                self._live.pop(lane, None)

    def _end_lane(self, lane: Lane, end: TextEnd, output: list[Output]) -> None:
        if end.is_final:
            self._close_texts(lane, end.kind, output)
        elif lane.open is not None:
            self._put(lane.open, lane.open.chain.flush(lane.open), output)
        if lane.open is None:
            output += lane.rests
            lane.rests = []

    def _close_texts(self, lane: Lane, kind: Kind | None, output: list[Output]) -> None:
        rests, lane.rests = lane.rests, []  # they follow all texts, or one that isn't ended
        for key in [key for key in lane.texts if kind is None or key.kind == kind]:
            text = lane.texts.pop(key)
            if lane.open is text:
                self._put(text, text.chain.close(text), output)
                lane.open = None
            text.last = None
        lane.rests = rests

    def close(self) -> list[Output]:
        """Return the last window of each text, and the items that waited for it."""
        output: list[Output] = []
        last: list[Rest] = []
        for lane in self._lanes.values():
            self._close_texts(lane, None, output)
            for rest in lane.rests:
                (last if rest.choice is None else output).append(rest)
            lane.rests = []
        return output + last

    def _approver(self) -> Callable[[TextKey], str | None]:
        """Return what returns the released text of a key, once if several keys have the same."""
        seen: set[Text] = set()

        def approved(key: TextKey) -> str | None:
            if key.kind in self.unchecked:
                return None
            text = self.texts.get(key)
            if text is None or (text in seen and not text.has_parts):
                return ""
            seen.add(text)
            return text.released_part(key.part)

        return approved

    def text_items(self, release: Release) -> Sequence[Any]:
        """Return the items that leave for a release."""
        item = self.texts[key_of(release)].template.with_text(release.text)
        return self._outlet_of(item).add(item)

    def rest_items(self, rest: Rest) -> Sequence[Any]:
        """Return the items that leave for an item that is released."""
        if rest.choice in self.flags:
            return []
        if rest.signs is not None and not self._is_as_received(rest.signs):
            self.withheld["signature"] = None
            return []
        return self._outlet_of(rest.rest).add(rest.rest.with_approved(self._approver()))

    def _is_as_received(self, key: TextKey) -> bool:
        """Return whether all of a text was released, and none of it was changed."""
        text = self.texts.get(key)
        return text is None or not (text.is_changed or text.sent < text.received)

    def stop_items(self, window: Window) -> Sequence[Any]:
        """Return the items that end the choice of a window, if items were added."""
        template = self.texts[key_of(window)].newest
        return [] if template is None else self._outlet_of(template).stop(window.choice, template)

    def last_items(self) -> Sequence[Any]:
        """Return the items that leave after all others."""
        return [] if self._outlet is None else self._outlet.close()

    def _outlet_of(self, item: GatedItem) -> Outlet:
        outlet = self._outlet
        if outlet is None:
            outlet = self._outlet = item.make_outlet(self._kinds | self.unchecked)
        return outlet


def _is_counted_on(latest: Text, part: GatedText) -> bool:
    """
    Return whether a part continues a text under another number.

    vLLM counts the deltas of a text, and goes on counting in the next item (vllm#35184, #45742).
    """
    number, first = part.key.part, latest.key.part
    if number > first:
        return latest.key in latest.lane.texts  # isn't ended
    return number >= 0 and part.is_complete and latest.chain.rest_of(latest, part.text) == ""
