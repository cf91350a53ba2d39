"""Build the compiled twins of `pytio._accel.pure`; everything else about the package is in pyproject.toml.

Each extension is optional: without a C compiler, or without Python's headers, the build goes on without it and pytio
runs on the pure twins.
"""

from Cython.Build import cythonize
from setuptools import Extension, setup

extensions = cythonize(
    [
        Extension(
            "pytio._accel.scan",
            ["src/pytio/_accel/scan.pyx"],
            # Most of the generated C is Cython's own buffer handling: -O3 takes twice as long to compile it, and gains
            # nothing.
            extra_compile_args=["-O2", "-g0"],
        )
    ],
    build_dir="build/cython",  # generated C stays out of the source tree
    compiler_directives={"language_level": 3},
)
for extension in extensions:
    extension.optional = True  # said here, since cythonize does not hand the argument on

setup(ext_modules=extensions)
