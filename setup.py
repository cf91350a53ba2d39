"""Build the compiled twins of `pytio._accel`'s pure modules; everything else about the package is in pyproject.toml.

Each extension is optional: without a C compiler, without Python's headers, or without the headers of a library that it
needs, the build goes on without it and pytio runs on its pure twin. What uses another extension stands behind it.

PYTIO_IPSEC_MB_STATIC=PATH in the environment links Intel's multi-buffer library from an archive instead of against the
shared one: for a wheel that others install. Such a wheel has to carry the library's notice (BSD-3-Clause).
"""

import os
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup


def extension(name: str, libraries: tuple[str, ...] = ()) -> Extension:
    """Describe one extension.

    Most of the generated C is Cython's own buffer handling: -O3 takes twice as long to compile it, and gains nothing.
    """
    source = f"src/pytio/_accel/{name}.pyx"
    return Extension(f"pytio._accel.{name}", [source], libraries=[*libraries], extra_compile_args=["-O2", "-g0"])


def ipsec_mb() -> Extension:
    """Describe what needs Intel's multi-buffer library (x86-64); its names stay inside if linked statically."""
    archive = os.environ.get("PYTIO_IPSEC_MB_STATIC", "")
    if not archive:
        return extension("ipsec_mb", ("IPSec_MB",))
    if not Path(archive).is_file():
        raise SystemExit(f"PYTIO_IPSEC_MB_STATIC: there is no file {archive}")
    static = extension("ipsec_mb")
    static.extra_objects = [archive]
    static.extra_link_args = ["-Wl,--exclude-libs,ALL"]
    return static


extensions = cythonize(
    [
        extension("rows"),
        extension("scan"),
        extension("openers", ("crypto",)),  # OpenSSL's libcrypto
        extension("records"),
        extension("hkdf", ("crypto",)),
        extension("units"),
        extension("sealing"),
        extension("opening"),
        extension("libcrypto", ("crypto",)),
        ipsec_mb(),
    ],
    build_dir="build/cython",  # generated C stays out of the source tree
    compiler_directives={"language_level": 3},
)
for built in extensions:
    built.optional = True  # said here, since cythonize does not hand the argument on

setup(ext_modules=extensions)
