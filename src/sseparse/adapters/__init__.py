"""Adapters: each finds the bytes of one library's responses. Import them by name."""
