"""The protocol of a stage, and the code that all stages share."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, NoReturn, ParamSpec, Protocol, TypeVar

from ._end import End
from ._errors import BrokenStage, SSEError

P = ParamSpec("P")
T = TypeVar("T")
BreakableT = TypeVar("BreakableT", bound="Breakable")
InT_contra = TypeVar("InT_contra", contravariant=True)


class Stage(Protocol[InT_contra, T]):
    """
    A step that turns input into output without I/O, clocks or waiting.

    A feed that meets malformed input returns the items before it and sets `error`. Every later
    call raises that error. The items and the error don't depend on how the input is cut.

    An unexpected exception, such as a MemoryError, a KeyboardInterrupt or one raised by a
    callback, leaves the call unchanged. From then on `error` is a `BrokenStage`, because items
    may be missing. Misuse raises TypeError, ValueError or RuntimeError and changes nothing. A
    stage can't be copied or pickled.
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
        self.stopped = False

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


# A larger feed is processed in slices of this many bytes: a limit is exceeded by less than a
# slice, and the data stays in the processor's cache.
SLICE = 65536

# A tuple: creating a union allocates, and this check must not fail where memory is short.
_BYTES_TYPES = (bytes, bytearray, memoryview)


def check_piece(data: object) -> None:
    """Raise TypeError unless the data is bytes, a bytearray or a memoryview."""
    if not isinstance(data, _BYTES_TYPES):
        hint = "; encode it, or read the response's bytes" if isinstance(data, str) else ""
        raise TypeError(
            f"feed() takes bytes, bytearray or memoryview, not {type(data).__name__}{hint}"
        )
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
