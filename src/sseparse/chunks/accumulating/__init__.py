"""The completion out of its chunks, and what each chunk changed."""
