"""Adapters: the bytes of a response, whatever library it is from."""

from ._registry import (
    AiohttpResponse,
    AsyncReadable,
    AsyncSource,
    HTTPXResponse,
    SDKResponse,
    SDKStream,
    SyncReadable,
    SyncSource,
    source,
)

__all__ = (
    "AiohttpResponse",
    "AsyncReadable",
    "AsyncSource",
    "HTTPXResponse",
    "SDKResponse",
    "SDKStream",
    "SyncReadable",
    "SyncSource",
    "source",
)
