"""AES-256-GCM of Intel's multi-buffer library, for `pytio._accel.units` and what else works on units.

Importing it raises ImportError where the library is not there, or cannot be used.
"""

VERSION: str
"""The library's own version."""
CIPHER: object
"""A capsule with the C interface of `cipher.pxd`."""
