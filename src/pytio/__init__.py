"""pytio: wire-format codecs, protocol engines and mocks for PCIe TEE-IO."""
