"""The protocol of a stage, and the code that all stages share."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from functools import wraps
from typing import Concatenate, Generic, NoReturn, ParamSpec, Protocol, TypeVar

from ._end import End
from ._errors import BrokenStage, SSEError

P = ParamSpec("P")
T = TypeVar("T")
InT = TypeVar("InT")
BreakableT = TypeVar("BreakableT", bound="Breakable")
InT_contra = TypeVar("InT_contra", contravariant=True)


class Stage(Protocol[InT_contra, T]):
    """
    A step that turns input into output without I/O, clocks or waiting.

    A feed that meets malformed input returns the items before it and sets `error`. Every later call
    raises that error. The items and the error don't depend on how the input is split.

    An unexpected exception, such as a MemoryError, a KeyboardInterrupt or one raised by a callback,
    is raised unchanged. After it, `error` is a `BrokenStage`, because items can be missing. Misuse
    raises TypeError, ValueError or RuntimeError and changes nothing. A stage can't be copied or
    pickled.
    """

    @property
    def error(self) -> SSEError | None:
        """The error that stopped the stage, or None."""

    @property
    def end(self) -> End | None:
        """How the input ended, or None before its end."""

    def feed(self, data: InT_contra, /) -> list[T]:
        """Feed a piece of input and return the items it completes."""
        ...

    def close(self) -> list[T]:
        """Process the end of the input and return the items it completes."""
        ...


def raise_stored(error: SSEError | None) -> None:
    """Raise the stored error, if any, without the traceback and context of an earlier call."""
    if error is None:
        return
    try:
        raise error.with_traceback(None)
    finally:
        # Raised in an exception handler, the stored error would keep that exception alive.
        error.__context__ = None


class Uncopyable:
    """Base class of objects that follow one stream, so that a copy would share its state."""

    __slots__ = ()

    def __reduce__(self) -> NoReturn:
        # copy.copy(), copy.deepcopy() and pickle all call this method.
        raise TypeError(
            f"{type(self).__name__} can't be copied or pickled, because the copy would share its "
            "state: make a new one, or copy what it returned"
        )


class Breakable(Uncopyable):
    """
    Base class of stages that stop for good at an unexpected exception.

    An exception in the middle of a call can leave a state that looks valid but lacks items. To
    report this, check the arguments and call `_raise_error()` in the public method, and change the
    state only in methods that `breaking` decorates. On a hot path, where one more call costs too
    much, catch BaseException, set `stopped` and raise it again. For malformed input, call `_stop()`
    and return the items before it, or raise the `SSEError` in a decorated method.

    Attributes:
        stopped: Whether an error or an unexpected exception stopped the stage.
    """

    __slots__ = ("_error", "stopped")

    def __init__(self) -> None:
        self._error: SSEError | None = None
        self.stopped: bool = False

    @property
    def error(self) -> SSEError | None:
        """The error that stopped the stage, or None."""
        if self.stopped and self._error is None:
            # Created here and not at the exception, where memory may be short.
            self._error = BrokenStage()
        return self._error

    def _break_off(self, error: BaseException) -> None:
        self.stopped = True
        if isinstance(error, SSEError):
            self._error = error

    def _stop(self, error: SSEError) -> None:
        self._error = error
        self.stopped = True

    def _raise_error(self) -> None:
        raise_stored(self.error)


def breaking(
    method: Callable[Concatenate[BreakableT, P], T],
) -> Callable[Concatenate[BreakableT, P], T]:
    """Let any exception that leaves a method stop its stage. Misuse must raise outside it."""

    @wraps(method)
    def guarded(self: BreakableT, /, *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return method(self, *args, **kwargs)
        except BaseException as error:
            self._break_off(error)  # pyright: ignore[reportPrivateUsage] # a method of the class
            raise

    return guarded


class IterableStage:
    """Base class of stages whose output can be iterated over."""

    __slots__ = ()

    def iter(self: Stage[InT, T], pieces: Iterable[InT], /) -> Iterator[T]:
        """
        Iterate over the output for an iterable of input, and close the stage at its end.

        A piece of input is read after all items before it were returned. If you stop early, the
        stage stays open, and the iterator continues where it stopped.

        Args:
            pieces: Pieces of input for `feed()`. An exception raised by this iterable is raised
                unchanged. The stage then stays open, and a new call can continue; this iterator
                can't.

        Raises:
            SSEError: The stage stopped at an error; all items before it were returned.
        """
        return _Items(self, iter(pieces))

    def aiter(self: Stage[InT, T], pieces: AsyncIterable[InT], /) -> AsyncIterator[T]:
        """Iterate over the output for an asynchronous iterable of input, as `iter()` does."""
        return _AsyncItems(self, aiter(pieces))


class _StageItems(Breakable, Generic[InT, T]):
    # Iterators, not generators: after an exception, a generator looks like one at its end, and what
    # it hadn't returned is lost.

    __slots__ = ("_closed", "_ready", "_stage")

    def __init__(self, stage: Stage[InT, T]) -> None:
        super().__init__()
        self._stage = stage
        self._ready: list[T] = []  # in reverse
        self._closed = False

    def _has_next(self) -> bool:
        """Return whether an item is ready; if not, and there is an error, raise it."""
        if not self._ready:
            self._raise_error()
            raise_stored(self._stage.error)
        return bool(self._ready)

    def _pop(self) -> T:
        # No call: a signal could raise after one, and the item would be lost.
        item = self._ready[-1]
        del self._ready[-1]
        return item

    def _feed(self, piece: InT) -> None:
        self._ready = self._stage.feed(piece)[::-1]

    def _close(self) -> None:
        self._ready = self._stage.close()[::-1]
        self._closed = True


class _Items(_StageItems[InT, T], Iterator[T]):
    __slots__ = ("_pieces",)

    def __init__(self, stage: Stage[InT, T], pieces: Iterator[InT]) -> None:
        super().__init__(stage)
        self._pieces = pieces

    def __next__(self) -> T:
        while not self._has_next():
            if self._closed:
                raise StopIteration
            self._read()
        return self._pop()

    @breaking
    def _read(self) -> None:
        try:
            piece = next(self._pieces)
        except StopIteration:
            self._close()
        else:
            self._feed(piece)


class _AsyncItems(_StageItems[InT, T], AsyncIterator[T]):
    __slots__ = ("_pieces",)

    def __init__(self, stage: Stage[InT, T], pieces: AsyncIterator[InT]) -> None:
        super().__init__(stage)
        self._pieces = pieces

    async def __anext__(self) -> T:
        while not self._has_next():
            if self._closed:
                raise StopAsyncIteration
            try:
                await self._read()
            except BaseException as error:
                self._break_off(error)
                raise
        return self._pop()

    async def _read(self) -> None:
        try:
            piece = await anext(self._pieces)
        except StopAsyncIteration:
            self._close()
        else:
            self._feed(piece)


# A larger feed is processed in slices of this many bytes: a limit is exceeded by less than a
# slice, and the data stays in the processor's cache.
SLICE = 65536

# A tuple: creating a union allocates, and this check must not fail where memory is short.
_BYTES_TYPES = (bytes, bytearray, memoryview)


def check_piece(data: object) -> None:
    """Raise TypeError unless the data is bytes, a bytearray or a memoryview."""
    if not isinstance(data, _BYTES_TYPES):
        # Also for the pieces of a stream's source, whose user called no feed().
        is_text = isinstance(data, str)
        hint = "; encode the text, or open the file in mode 'rb'" if is_text else ""
        raise TypeError(f"expected bytes, bytearray or memoryview, not {type(data).__name__}{hint}")
    if isinstance(data, memoryview):
        _ = data.nbytes  # raises ValueError if the view was released


def feed_slices(stage: Stage[bytes, T], data: bytes) -> list[T]:
    """Feed a large piece to a stage, slice by slice, until the stage has an error."""
    items: list[T] = []
    for at in range(0, len(data), SLICE):
        items += stage.feed(data[at : at + SLICE])
        if stage.error is not None:
            break
    return items
