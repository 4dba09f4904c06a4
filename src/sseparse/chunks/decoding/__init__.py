"""Chunks out of bytes and events."""
