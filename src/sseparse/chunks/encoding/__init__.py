"""The way back: chunks out of completions, and bytes out of chunks."""
