"""HMAC and HKDF-Expand, on OpenSSL's EVP_MAC."""

class Hkdf:
    """Expands secrets with one digest; not for two threads at a time.

    Attributes:
        digest_size: bytes of the digest.
    """

    @property
    def digest_size(self) -> int: ...
    def __init__(self, digest: str) -> None:
        """Take the digest that OpenSSL calls ``digest``. Raises NotImplementedError where this OpenSSL has none."""

    def hmac(self, key: bytes, data: bytes) -> bytes:
        """Return HMAC(key, data), ``digest_size`` bytes."""

    def expand(self, secret: bytes, info: bytes, size: int) -> bytes:
        """Return HKDF-Expand(secret, info, size). Raises ValueError if ``size`` is more than 255 digests."""
