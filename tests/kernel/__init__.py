"""Tests in a real kernel: `run` boots it, `guest/` runs inside. See README.md here."""
