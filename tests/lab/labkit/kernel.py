# SPDX-License-Identifier: Apache-2.0
"""Kernels for the lab: found, downloaded and unpacked, never installed.

Which version belongs to a series ("6.1", "6.12") is asked of the machine's own
apt configuration, so nothing here ages. Everything is kept under
<work directory>/kernels/<package>_<version>/, complete once `.complete` exists.
"""

import gzip
import io
import lzma
import os
import re
import shutil
import struct
import subprocess

from .apt import Apt, other_suite, own_suite, run
from .errors import LabError

SERIES = ("5.10", "6.1", "6.12")
ARCH = "amd64"  # this machine's
# Series that are in another suite than this machine's.
OTHER_SUITES = {"5.10": "bullseye"}


class Kernel:
    """One unpacked kernel package: paths that the VMs and the initramfs need."""

    def __init__(self, root):
        self.root = root
        self.release = os.listdir(os.path.join(root, "lib/modules"))[0]
        self.modules = os.path.join(root, "lib/modules", self.release)
        elf = os.path.join(root, "vmlinux")  # unpacked, on x86
        packed = os.path.join(root, "boot", f"vmlinuz-{self.release}")
        self.image = elf if os.path.exists(elf) else packed  # what QEMU boots

    def append_nested(self):
        """Words for the kernel's command line where it runs inside two emulations."""
        # 5.10 dies there of an xsave instruction. (arm64 does not know the word.)
        return "noxsave" if self.release.startswith("5.10.") else ""


def _newer(left, right):
    argv = ["dpkg", "--compare-versions", left, "gt", right]
    return subprocess.run(argv, check=False).returncode == 0


def find_package(apt, series, arch):
    """(package, version) of the newest plain kernel of a series that apt offers."""
    plain = re.compile(rf"linux-image-{re.escape(series)}\.[0-9][^ ]*-{arch}")
    names = set()
    for meta in (f"linux-image-{arch}", f"linux-image-{series}-{arch}"):
        depends = (apt.fields(meta) or {}).get("Depends", "")
        names.update(plain.findall(depends))
    if not names:  # this suite has no metapackage for the series: take what it lists
        listed = apt.names(f"linux-image-{series}.")
        odd = re.compile(rf".*-(cloud|rt)-{arch}")
        names = {n for n in listed if plain.fullmatch(n) and not odd.fullmatch(n)}
    best = None
    for name in names:
        version = (apt.fields(name) or {}).get("Version")
        if version and (best is None or _newer(version, best[1])):
            best = (name, version)
    return best


def _decompress(payload):
    """The ELF inside a bzImage payload; its compression is told by its first bytes."""
    if payload.startswith(b"\xfd7zXZ\x00"):
        return lzma.LZMADecompressor().decompress(payload)
    if payload.startswith(b"\x1f\x8b"):
        return gzip.GzipFile(fileobj=io.BytesIO(payload)).read()
    if payload.startswith(b"\x28\xb5\x2f\xfd"):
        # The payload ends in 4 bytes of size, which are no zstd.
        return subprocess.run(["zstd", "-dcq"], input=payload[:-4], capture_output=True,
                              check=True).stdout
    raise LabError(f"unknown kernel compression {payload[:6].hex()}")


def extract_vmlinux(bzimage, out):
    """Unpack the ELF kernel here: under emulation the kernel's own unpacking takes many seconds.

    Offsets are those of the x86 boot protocol (setup_sects, payload_offset, payload_length).
    """
    with open(bzimage, "rb") as f:
        image = f.read()
    start = (image[0x1F1] + 1) * 512
    offset, length = struct.unpack_from("<II", image, 0x248)
    elf = _decompress(image[start + offset:start + offset + length])
    if elf[:4] != b"\x7fELF":
        raise LabError(f"{bzimage}: payload is not an ELF file")
    with open(out, "wb") as f:
        f.write(elf)


def _unpack(apt, package, version, arch, root):
    shutil.rmtree(root, ignore_errors=True)
    os.makedirs(root)
    deb = apt.download(package, version, root)
    run(["dpkg", "-x", deb, root])
    os.unlink(deb)
    if not os.path.isdir(os.path.join(root, "lib/modules")):
        os.symlink("usr/lib", os.path.join(root, "lib"))
    kernel = Kernel(root)
    run(["depmod", "-b", root, kernel.release])
    if arch == "amd64":
        extract_vmlinux(kernel.image, os.path.join(root, "vmlinux"))
    with open(os.path.join(root, ".complete"), "w", encoding="ascii"):
        pass


def _cached(base, series, arch):
    pattern = re.compile(rf"linux-image-{re.escape(series)}\.[^_]*-{arch}_(.*)")
    best = None
    for name in os.listdir(base) if os.path.isdir(base) else []:
        match = pattern.fullmatch(name)
        if match and os.path.exists(os.path.join(base, name, ".complete")):
            if best is None or _newer(match[1], best[1]):
                best = (name, match[1])
    return best and Kernel(os.path.join(base, best[0]))


def _offered(work_dir, series, arch):
    """(apt, package, version) of a series, or None if nothing offers it."""
    try:
        apt = Apt()
        if series in OTHER_SUITES or arch != ARCH:
            # Lists of an older suite's updates name files of arm64 that the mirrors lack.
            updates = series not in OTHER_SUITES or arch == ARCH
            apt = other_suite(work_dir, OTHER_SUITES.get(series) or own_suite(), arch, updates)
        found = find_package(apt, series, arch)
    except LabError:
        return None  # no network: what is there already will do
    return found and (apt, *found)


def prepare(work_dir, series, arch, log):
    """The kernel of a series, from the cache or freshly unpacked. arch: Debian's name."""
    base = os.path.join(work_dir, "kernels")
    found = _offered(work_dir, series, arch)
    if found:
        apt, package, version = found
        root = os.path.join(base, f"{package}_{version.replace(':', '%')}")
        if os.path.exists(os.path.join(root, ".complete")):
            return Kernel(root)
        log(f"downloading {package} {version}")
        try:
            _unpack(apt, package, version, arch, root)
            return Kernel(root)
        except LabError as error:
            shutil.rmtree(root, ignore_errors=True)
            log(f"download failed: {error}")
    kernel = _cached(base, series, arch)
    if kernel is None:
        raise LabError(f"no {series} kernel: apt offers none that can be downloaded here "
                       "(is `apt-get update` recent?)")
    log(f"using {kernel.release} from the cache")
    return kernel
