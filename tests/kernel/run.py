"""Boot a real kernel and run `guest/` inside: install, download, build, pack, boot, count.

Needs root, Debian 12, and nothing else; takes a minute or two. ``python -m tests.kernel.run --help``.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import attrs

from tests.kernel.initramfs import Initramfs

__all__ = ("main",)

HERE: Final = Path(__file__).parent
ROOT: Final = HERE.parents[1]
KERNEL: Final = "linux-image-6.12-amd64"
TOOLS: Final = {
    "qemu-system-x86": "qemu-system-x86_64",
    "busybox-static": "busybox",
    "gcc-12": "gcc-12",
    "make": "make",
    "xz-utils": "xz",
}
PACKAGES: Final = (
    *("_pytest", "pytest", "py.py", "pluggy", "iniconfig", "packaging", "pygments", "attr", "attrs", "construct"),
    *("cryptography", "cffi", "pycparser", "typing_extensions.py"),
)
"""What the guest's Python gets beside pytio and its own library."""
UNUSED: Final = ("./lib/modules/*/kernel/drivers", "./lib/modules/*/kernel/net", "./lib/modules/*/kernel/sound")
MODULES: Final = ("kernel/fs/fuse/cuse.ko.xz",)
GUEST_SECONDS: Final = 300
SUMMARY: Final = re.compile(r"^GUEST-SUMMARY (\d+) passed, (\d+) other$", re.MULTILINE)
CXL: Final = (
    *("-M", "q35,cxl=on,cxl-fmw.0.targets.0=cxl.1,cxl-fmw.0.size=4G"),
    *("-object", "memory-backend-ram,id=memory,share=on,size=256M"),
    *("-object", "memory-backend-ram,id=labels,share=on,size=1M"),
    *("-device", "pxb-cxl,bus_nr=12,bus=pcie.0,id=cxl.1"),
    *("-device", "cxl-rp,port=0,bus=cxl.1,id=above,chassis=0,slot=2"),
)
CXL_DEVICE: Final = ("-device", "cxl-type3,bus=above,memdev=memory,lsa=labels,id=device")
_STARTED: Final = time.monotonic()


@attrs.frozen
class Guest:
    """One boot: its name, its machine, and the tests that it runs in this order."""

    name: str
    machine: tuple[str, ...]
    tests: tuple[str, ...]


def say(text: str) -> None:
    """Print what happens, and when."""
    print(f"[kernel {time.monotonic() - _STARTED:5.1f} s] {text}", flush=True)


def run(*command: str | Path, cwd: Path | None = None) -> str:
    """Run a command; return what it says, and show all of it if it fails."""
    done = subprocess.run(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stdout}\nended with {done.returncode}")
    return done.stdout


def install_tools() -> None:
    """Install what is missing."""
    missing = [package for package, tool in TOOLS.items() if shutil.which(tool) is None]
    if missing:
        run("apt-get", "update", "-qq")
        run("apt-get", "install", "-qq", "-y", "--no-install-recommends", *missing)
    say(f"tools: installed {', '.join(missing) or 'nothing'}")


def download_kernel(work: Path) -> str:
    """Download and unpack the kernel and its headers; return its version."""
    depends = run("apt-cache", "depends", KERNEL)
    found = re.search(r"Depends: linux-image-(\S+)", depends)
    if found is None:
        run("apt-get", "update", "-qq")
        found = re.search(r"Depends: linux-image-(\S+)", run("apt-cache", "depends", KERNEL))
    if found is None:
        sys.exit(f"there is no {KERNEL} in this machine's lists")
    version = found[1]
    base = version.removesuffix("-amd64")
    packages = (
        f"linux-image-{version}",
        f"linux-headers-{version}",
        f"linux-headers-{base}-common",
        f"linux-kbuild-{base}",
    )
    debs, tree = work / "debs", work / "tree"
    debs.mkdir(exist_ok=True)
    tree.mkdir(exist_ok=True)
    if len(list(debs.iterdir())) < len(packages):
        run("apt-get", "download", "-qq", *packages, cwd=debs)
    exclude = " ".join(f"--exclude='{pattern}'" for pattern in UNUSED)
    with ThreadPoolExecutor() as pool:
        unpack = [f"dpkg-deb --fsys-tarfile '{deb}' | tar -x -C '{tree}' {exclude}" for deb in debs.iterdir()]
        list(pool.map(lambda command: run("sh", "-c", command), unpack))
    say(f"kernel {version} unpacked")
    return version


def build_module(work: Path, version: str) -> Path:
    """Build the module against the unpacked headers; return it."""
    headers = work / "tree/usr/src" / f"linux-headers-{version}"
    common = headers.with_name(f"linux-headers-{version.removesuffix('-amd64')}-common")
    (headers / "vmlinux").unlink(missing_ok=True)  # the module needs no type information
    module = work / "module"
    shutil.copytree(HERE / "module", module, dirs_exist_ok=True)
    run("make", "-s", "-C", headers, "-f", common / "Makefile", f"KBUILD_OUTPUT={headers}", f"M={module}", "modules")
    say("module built")
    return module / "teeio_bus.ko"


def pack(work: Path, guest: Guest, version: str, module: Path | None) -> Path:
    """Make the guest's initramfs."""
    image = Initramfs()
    image.add_busybox()
    image.add_python()
    site = Path(attrs.__file__).parents[1]
    for package in PACKAGES:
        image.add(site / package, f"site/{package}")
    for metadata in site.glob("pluggy-*.dist-info"):
        image.add(metadata, f"site/{metadata.name}")
    for library in site.glob("_cffi_backend*.so"):
        image.add(library, f"site/{library.name}")
    image.add(ROOT / "src/pytio", "site/pytio")
    image.add(ROOT / "tests/__init__.py", "tests/tests/__init__.py")
    image.add(ROOT / "tests/fakes", "tests/tests/fakes")
    image.add(HERE / "guest", "tests/tests/kernel/guest")
    image.put("tests/tests/kernel/__init__.py", b"")
    for name in MODULES:
        image.add_module(work / "tree/lib/modules" / version / name)
    if module is not None:
        image.add(module, "modules/teeio_bus.ko")
    image.put("tests/order", "\n".join(guest.tests).encode())
    image.add(HERE / "guest/init", "init")
    path = work / f"{guest.name}.cpio"
    path.write_bytes(image.build())
    return path


def boot(work: Path, guest: Guest, version: str, image: Path) -> tuple[int, bool]:
    """Boot the guest; return how many tests passed, and whether all is well."""
    command = (
        *("timeout", "-k", "5", str(GUEST_SECONDS), "qemu-system-x86_64", "-accel", "tcg", "-cpu", "max", "-smp", "1"),
        *("-m", "1G,maxmem=8G,slots=8", "-nodefaults", "-no-user-config", "-display", "none", "-serial", "stdio"),
        *("-monitor", "none", "-no-reboot", "-net", "none", "-kernel", str(work / f"tree/boot/vmlinuz-{version}")),
        *("-initrd", str(image), "-append", "console=ttyS0 panic=-1 quiet no_timer_check", *guest.machine),
    )
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    log = done.stdout.decode(errors="replace").replace("\r", "")
    (work / f"{guest.name}.log").write_text(log)
    found = SUMMARY.search(log)
    passed, other = (int(found[1]), int(found[2])) if found else (0, 1)
    is_well = passed > 0 and other == 0
    say(f"guest {guest.name}: {passed} tests passed inside" + ("" if is_well else ", RED"))
    if not is_well:
        print(log[-6000:])
    return passed, is_well


def main() -> int:
    """Do it all; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", metavar="DIR", type=Path, help="keep everything here, and use what is there")
    parser.add_argument("--without", choices=("module", "device"), help="take it away: the run has to end red")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        work = (options.work or Path(temporary)).resolve()
        work.mkdir(parents=True, exist_ok=True)
        install_tools()
        version = download_kernel(work)
        module = build_module(work, version)
        device = () if options.without == "device" else CXL_DEVICE
        guests = (
            Guest("cxl", CXL + device, ("test_every_function.py", "test_cxl.py", "test_zz_lockdown.py")),
            Guest(
                "teeio",
                ("-M", "q35"),
                ("test_every_function.py", "test_teeio.py", "test_sev_device.py", "test_zz_lockdown.py"),
            ),
        )
        kept = None if options.without == "module" else module
        images = [pack(work, guest, version, kept if guest.name == "teeio" else None) for guest in guests]
        say("initramfs packed")
        with ThreadPoolExecutor() as pool:
            results = list(
                pool.map(lambda pair: boot(work, pair[0], version, pair[1]), zip(guests, images, strict=True))
            )
    say(f"{sum(passed for passed, _ in results)} tests ran inside the kernel")
    return 0 if all(is_well for _, is_well in results) else 1


if __name__ == "__main__":
    sys.exit(main())
