"""JSON that is still arriving."""
