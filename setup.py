"""Build the compiled twins of `pytio._accel`'s pure modules; everything else about the package is in pyproject.toml.

Each extension is optional: without a C compiler, without Python's headers, or without the headers of a library that it
needs, the build goes on without it and pytio runs on its pure twin. What uses another extension stands behind it.
"""

from Cython.Build import cythonize
from setuptools import Extension, setup


def extension(name: str, libraries: tuple[str, ...] = ()) -> Extension:
    """Describe one extension.

    Most of the generated C is Cython's own buffer handling: -O3 takes twice as long to compile it, and gains nothing.
    """
    source = f"src/pytio/_accel/{name}.pyx"
    return Extension(f"pytio._accel.{name}", [source], libraries=[*libraries], extra_compile_args=["-O2", "-g0"])


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
        extension("ipsec_mb", ("IPSec_MB",)),  # Intel's multi-buffer library, on x86-64
    ],
    build_dir="build/cython",  # generated C stays out of the source tree
    compiler_directives={"language_level": 3},
)
for built in extensions:
    built.optional = True  # said here, since cythonize does not hand the argument on

setup(ext_modules=extensions)
