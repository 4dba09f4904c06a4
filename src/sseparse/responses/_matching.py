"""The output of a terminal event, and what it lacks of the items that were streamed."""

from __future__ import annotations

from collections import defaultdict, deque
from operator import itemgetter
from typing import Final

from ._items import ItemState, keep_streamed
from ._results import OutputItem

Match = tuple[ItemState | None, OutputItem]
"""An item of the result, and the state of the same item as it was streamed."""

_place: Final = itemgetter(0)


def match_output(states: list[ItemState], output: list[OutputItem]) -> list[Match]:
    """
    Return the items of a result: those of the terminal output, and the streamed ones it lacks.

    An item is the streamed one with its id or call id, else the next one of its type. Some servers
    leave out the text or the calls that they streamed (sgl-project/sglang#12652,
    maximhq/bifrost#2120).

    Args:
        states: The items that were streamed, in order.
        output: The output of the terminal event.
    """
    found = _find_states(states, output)
    matches = [
        (state, item if state is None else keep_streamed(item, state.result()))
        for state, item in zip(found, output, strict=True)
    ]
    lost = _find_lost(states, {*found}, output)
    # Each lost item follows those that were streamed before it.
    placed = [(place - number, match) for number, (place, match) in enumerate(lost)]
    return [match for _, match in sorted([*placed, *enumerate(matches)], key=_place)]


def _find_states(states: list[ItemState], output: list[OutputItem]) -> list[ItemState | None]:
    """Return for each item of the output the one that was streamed, or None."""
    by_id: dict[tuple[str, str], ItemState | None] = {}  # None if several have the id
    for each in states:
        for name in _ids_of(each.item):
            by_id[name] = None if name in by_id else each
    found: list[ItemState | None] = []
    taken: set[ItemState | None] = set()  # by an item that can be repeated in the output
    for item in output:
        known = map(by_id.get, _ids_of(item))
        free = (each for each in known if each is not None and each not in taken)
        state = next((each for each in free if each.item.type == item.type), None)
        found.append(state)
        taken.add(state)
    rest: defaultdict[str, deque[ItemState]] = defaultdict(deque)
    for each in states:
        if each not in taken:
            rest[each.item.type].append(each)
    for at, item in enumerate(output):
        if found[at] is None and rest[item.type]:
            found[at] = rest[item.type].popleft()
    return found


def _ids_of(item: OutputItem) -> list[tuple[str, str]]:
    """Return what identifies an item, each with the name of its field."""
    ids = (("id", item.id), ("call_id", item.call_id))
    return [(name, value) for name, value in ids if value]


def _find_lost(
    states: list[ItemState], found: set[ItemState | None], output: list[OutputItem]
) -> list[tuple[int, Match]]:
    """Return the streamed items that an output lacks, with their place."""
    types = {item.type for item in output}
    lost: list[tuple[int, Match]] = []
    for place, state in enumerate(states):
        if state in found:
            continue
        # Other items of a type that the output has can be streamed twice, under different ids.
        if state.item.type not in types or (state.is_announced and state.item.call_id):
            item = state.result()
            texts = item.text, item.refusal, item.reasoning_text
            if item.tool_call() is not None or any(texts):
                lost.append((place, (state, item)))
    return lost
