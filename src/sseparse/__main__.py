"""`python -m sseparse` is the `sseparse` command."""

import sys

from .cli import main

sys.exit(main())
