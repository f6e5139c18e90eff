# SPDX-License-Identifier: Apache-2.0
"""What differs between the architectures of labs, and the root file system that the VMs get.

An x86 lab runs in this machine's own root. An arm64 lab runs in a tree of arm64 packages in the
work directory; whatever the VMs need from outside of it is put into it under its own path.
"""

import os
import shutil
import subprocess

from .errors import LabError

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
_APPEND = ("quiet loglevel=4 panic=-1 mitigations=off nokaslr random.trust_cpu=on audit=0 "
           "selinux=0 apparmor=0 nowatchdog rcupdate.rcu_expedited=1")


class X86:
    """Host VM: QEMU's q35 with emulated SVM, the ELF kernel booted by its PVH entry."""

    name = "x86"
    deb = "amd64"
    tools = ["qemu-system-x86_64", "zstd", "ip", "tc", "ethtool", "ping", "busybox"]
    qemu = ["qemu-system-x86_64", "-M", "q35,hpet=on", "-accel", "tcg,thread=multi,tb-size=1024",
            "-cpu", "EPYC,+svm"]
    append = f"console=ttyS0 no_timer_check tsc=reliable {_APPEND}"
    compiler = "g++"
    static = "x86-64"  # deploy/static's name
    patience = 1  # commands get so many times the usual time
    root = "/"

    def __init__(self, work_dir):
        pass

    def prepare(self):
        """Makes the root."""

    def place(self, path):
        """Makes a file or folder of this machine visible in the root under the same path."""


class Arm64:
    """Host VM: QEMU's virt machine with emulated EL2, GICv3 and ITS."""

    name = "arm64"
    deb = "arm64"
    tools = ["qemu-system-aarch64", "aarch64-linux-gnu-g++"]
    qemu = ["qemu-system-aarch64", "-M", "virt,virtualization=on,gic-version=3,its=on",
            "-accel", "tcg,thread=multi,tb-size=1024", "-cpu", "neoverse-n1"]
    append = f"console=ttyAMA0 {_APPEND}"
    compiler = "aarch64-linux-gnu-g++"
    static = "arm64"
    patience = 4
    packages = ["bash", "busybox-static", "coreutils", "ethtool", "grep", "iproute2",
                "hostname", "iputils-ping", "kmod", "mount", "procps", "qemu-system-arm", "sed",
                "util-linux"]

    def __init__(self, work_dir):
        self.root = os.path.join(work_dir, "arm64", "root")

    def prepare(self):
        command = [os.path.join(ROOT, "deploy", "arm64-packages"), self.root, *self.packages]
        if subprocess.run(command, check=False).returncode != 0:
            raise LabError("no arm64 packages for the root of the VMs, see above")
        shell = os.path.join(self.root, "bin", "sh")
        if not os.path.lexists(shell):  # made by an installation script otherwise
            os.symlink("bash", shell)

    def place(self, path):
        inside = self.root + os.path.abspath(path)
        if os.path.isdir(path):
            shutil.copytree(path, inside, symlinks=True, dirs_exist_ok=True, copy_function=_newer)
        else:
            os.makedirs(os.path.dirname(inside), exist_ok=True)
            _newer(path, inside)


def _newer(source, target):
    """Copies what is not there yet, or has changed since."""
    if os.path.exists(target):
        old, new = os.stat(target), os.stat(source)
        if (old.st_size, int(old.st_mtime)) == (new.st_size, int(new.st_mtime)):
            return
    shutil.copy2(source, target)


PLATFORMS = {p.name: p for p in (X86, Arm64)}
