"""``python -m pytio`` is the ``pytio`` command."""

import sys

from pytio.cli import main

__all__ = ()

if __name__ == "__main__":
    sys.exit(main())
