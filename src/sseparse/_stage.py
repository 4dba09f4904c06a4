"""The protocol of a stage, and what all stages share."""

from __future__ import annotations

from collections.abc import Callable
from functools import update_wrapper
from typing import Concatenate, NoReturn, ParamSpec, Protocol, TypeVar

from ._end import End
from ._errors import BrokenStage, SSEError

P = ParamSpec("P")
BreakableT = TypeVar("BreakableT", bound="Breakable")
ResultT = TypeVar("ResultT")
InT_contra = TypeVar("InT_contra", contravariant=True)
OutT = TypeVar("OutT")


class Stage(Protocol[InT_contra, OutT]):
    """
    Describe a step that turns input into output without I/O, clocks or waiting.

    A feed that meets a fault returns what came before it and sets `error`; every later call
    raises that error. However the input is cut, the same items come out, and the same error.

    An unexpected exception, such as a MemoryError, a KeyboardInterrupt or one of a callback,
    leaves the call as it is. From then on `error` is a `BrokenStage`, since items may be missing.
    Misuse raises TypeError, ValueError or RuntimeError and changes nothing. No stage can be
    copied or pickled.
    """

    @property
    def error(self) -> SSEError | None:
        """The fault that stopped the stage, or None."""

    @property
    def end(self) -> End | None:
        """How the input ended, or None while it goes on."""

    def feed(self, data: InT_contra, /) -> list[OutT]:
        """Take a piece of input; return all the items that it completes."""
        ...

    def close(self) -> list[OutT]:
        """Take the end of the input; return the items that it completes."""
        ...


def raise_stored(error: SSEError | None) -> None:
    """Raise the error that a stage keeps, if any, without what an earlier call left in it."""
    if error is None:
        return
    try:
        raise error.with_traceback(None)
    finally:
        # Else a call in an exception handler would make the stage keep that exception alive.
        error.__context__ = None


class Uncopyable:
    """Base class of objects that follow one stream: a copy would share its state."""

    __slots__ = ()

    def __reduce__(self) -> NoReturn:
        # copy.copy(), copy.deepcopy() and pickle all end up here.
        raise TypeError(
            f"{type(self).__name__} can't be copied or pickled, because the copy would share its "
            "state: make a new one, or copy what it returned"
        )


class Breakable(Uncopyable):
    """
    Base class of stages that an unexpected exception stops for good.

    An exception that leaves a call half done may leave a state that looks healthy and lacks
    items. The call only sets `stopped`, which allocates nothing, since memory may be short. The
    error is made when it is first needed.

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
            self._error = BrokenStage()
        return self._error

    def _break_off(self, error: BaseException) -> None:
        """Stop because an exception leaves a call."""
        self.stopped = True
        if isinstance(error, SSEError):
            self._error = error

    def _stop(self, error: SSEError) -> None:
        self._error = error
        self.stopped = True

    def _raise_error(self) -> None:
        """Raise the error that stopped the stage, if one did."""
        raise_stored(self.error)


def breaking(
    method: Callable[Concatenate[BreakableT, P], ResultT],
) -> Callable[Concatenate[BreakableT, P], ResultT]:
    """
    Make any exception that leaves a method stop its stage.

    An `SSEError` becomes the error of the stage. Fast paths do the same without another call.
    """

    def guarded(self: BreakableT, /, *args: P.args, **kwargs: P.kwargs) -> ResultT:
        try:
            return method(self, *args, **kwargs)
        except BaseException as error:
            self._break_off(error)  # pyright: ignore[reportPrivateUsage] # a method of the class
            raise

    update_wrapper(guarded, method)
    return guarded


T = TypeVar("T")

SLICE = 65536
"""
How many bytes are worked on at once.

What a feed holds beyond that is taken slice by slice, so that no limit is passed by more than a
slice, and the work stays in the processor's cache.
"""

# A tuple: to make a union allocates, and a check must not fail where memory is short.
_BYTES = (bytes, bytearray, memoryview)


def check_piece(data: object) -> None:
    """Raise TypeError unless the data is bytes, a bytearray or a memoryview."""
    if not isinstance(data, _BYTES):
        hint = "; encode it, or read the response's bytes" if isinstance(data, str) else ""
        raise TypeError(
            f"feed() takes bytes, bytearray or memoryview, not {type(data).__name__}{hint}"
        )
    if isinstance(data, memoryview):
        # Of a released view this raises ValueError.
        _ = data.nbytes


def feed_slices(stage: Stage[bytes, T], data: bytes) -> list[T]:
    """Feed a large piece to a stage, slice by slice, up to the one that holds a fault."""
    items: list[T] = []
    for at in range(0, len(data), SLICE):
        items += stage.feed(data[at : at + SLICE])
        if stage.error is not None:
            break
    return items
