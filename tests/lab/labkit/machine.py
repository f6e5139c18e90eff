# SPDX-License-Identifier: Apache-2.0
"""The host VM (QEMU, emulated CPU) and through it the guest VM: start, watch, stop.

One object per attempt. All it starts is one QEMU process, known by pid; the guest VM lives inside.
"""

import ctypes
import os
import re
import signal
import socket
import subprocess
import threading
import time

from . import initramfs, layout
from .channel import Channel
from .errors import EmulatorFailure, LabError
from .qmp import qmp

HERE = os.path.dirname(os.path.abspath(__file__))
VM_DIR = os.path.join(os.path.dirname(HERE), "vm")

HOST_UP_S = 60
GUEST_UP_S = 300  # emulation inside emulation: 18 s on an idle machine, minutes beside compilers
PING_EVERY_S = 5
LOOK_S = 30
SILENCE_MAX_S = 40  # an emulated CPU hangs for good or not at all; busy machines are late by less
BROKEN = re.compile(r"Kernel panic|BUG: |Oops|general protection fault|soft lockup"
                    r"|detected stalls|internal error|emulation failure|triple fault",
                    re.IGNORECASE)


_LIBC = ctypes.CDLL(None)  # loaded before the fork below: little may be done after it


def _die_with_parent():
    _LIBC.prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG: also if this program is killed hard


class Machine:
    """Both VMs of one attempt. run_dir is new and empty; smp counts the host VM's CPUs.

    platform: one of platform.py, prepared. bare: a program; the guest then has a root of its own
    that holds only this and busybox.
    """

    def __init__(self, platform, kernel, guest_kernel, run_dir, smp, log, bare=None):
        self.kernel = kernel
        self.guest_kernel = guest_kernel
        self.run_dir = run_dir
        self.share = os.path.join(run_dir, "share")
        self.host = None
        self.guest = None
        # Until agents run, a broken guest is the emulation's fault; afterwards it may be ours.
        self.guest_is_innocent = True
        self._platform = platform
        self.vsock = False  # the guest has a vsock device, CID 3
        self.plain_nic = False  # the guest has a third NIC, eth2 on tap2, with event_idx=off
        self.ovs = None  # folder of Open vSwitch's packages: it serves the guest's measured NICs
        self._smp = smp
        self._bare = bare
        self._log = log
        self._process = None
        self._sockets = []
        self._dead = None
        self._stopping = threading.Event()

    def start(self):
        """Boot both VMs; they answer commands when this returns."""
        os.makedirs(self.share)
        began = time.monotonic()
        self._launch()
        threading.Thread(target=self._watch, name="watch", daemon=True).start()
        if not self.host.wait_up(HOST_UP_S):
            raise EmulatorFailure(f"host VM not up within {HOST_UP_S} s")
        self._log(f"host VM up after {time.monotonic() - began:.1f} s: {self.host.greeting}")
        if not self.guest.wait_up(GUEST_UP_S):
            self._look_at_guest()
            raise EmulatorFailure(f"guest VM not up within {GUEST_UP_S} s")
        self._log(f"guest VM up after {time.monotonic() - began:.1f} s: {self.guest.greeting}")
        if self._smp > 1:
            self._spread_vcpus()

    def _spread_vcpus(self):
        """A CPU for each vCPU, for good: emulated, those that moved were seen to stop for ever."""
        for cpu, vcpu in enumerate(qmp(self, "query-cpus-fast")[0]):
            self.host.run(f"taskset -cp {cpu} {vcpu['thread-id']} > /dev/null")

    def _launch(self):
        busybox = os.path.join(self._platform.root, "bin/busybox")
        for role, kernel, modules in (("host", self.kernel, initramfs.MODULES_HOST),
                                      ("guest", self.guest_kernel, initramfs.MODULES_GUEST)):
            init, programs = "init.sh", [busybox]
            if role == "guest" and self._bare:
                init, programs = "bare.sh", [busybox, self._bare]
            paths = {"LAB_VM_DIR": VM_DIR, "LAB_MODULES": kernel.modules,
                     "LAB_KERNEL": self.guest_kernel.image,
                     "LAB_GUEST_INITRD": os.path.join(self.run_dir, "guest.cpio")}
            words = {"LAB_GUEST_APPEND": self.guest_kernel.append_nested(),
                     "LAB_VSOCK": "yes" if self.vsock else "",
                     "LAB_PLAIN_NIC": "yes" if self.plain_nic else "",
                     "LAB_OVS": self.ovs or ""}
            initramfs.build(kernel, os.path.join(self.run_dir, f"{role}.cpio"), modules,
                            os.path.join(VM_DIR, init), layout.config(role, {**paths, **words}),
                            programs)
            for path in (paths["LAB_VM_DIR"], kernel.modules, paths["LAB_KERNEL"]):
                self._platform.place(path)
        self._platform.place(os.path.join(self.run_dir, "guest.cpio"))
        ports = []
        for role in ("host", "guest"):
            ours, theirs = socket.socketpair()
            self._sockets += [ours, theirs]
            ports.append(theirs)
            setattr(self, role, Channel(role, ours, self.check_alive, self._log,
                                        self._platform.patience))
        with open(os.path.join(self.run_dir, "host-qemu.log"), "wb") as out:
            self._process = subprocess.Popen(  # own session: Ctrl-C is for us, we stop QEMU
                self._qemu_argv(*(p.fileno() for p in ports)), cwd=self.run_dir,
                stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True,
                preexec_fn=_die_with_parent, pass_fds=[p.fileno() for p in ports])
        for port in ports:
            port.close()

    def _qemu_argv(self, host_fd, guest_fd):
        return [
            *self._platform.qemu, "-smp", str(self._smp), "-m", "5G" if self.ovs else "4G",
            "-display", "none", "-nodefaults", "-no-reboot", "-serial", "file:host.console",
            "-kernel", self.kernel.image, "-initrd", "host.cpio",
            "-append", self._platform.append,
            "-fsdev", f"local,id=root,path={self._platform.root},security_model=none,readonly=on,"
                      "multidevs=remap",
            "-device", "virtio-9p-pci,fsdev=root,mount_tag=root",
            "-fsdev", "local,id=share,path=share,security_model=none",
            "-device", "virtio-9p-pci,fsdev=share,mount_tag=share",
            "-device", "virtio-serial-pci",
            "-chardev", f"socket,id=host,fd={host_fd}",
            "-device", "virtserialport,chardev=host,name=ringside.lab",
            "-chardev", f"socket,id=guest,fd={guest_fd}",
            "-device", "virtserialport,chardev=guest,name=ringside.guest",
        ]

    def _complaints(self, name):
        try:
            with open(os.path.join(self.run_dir, name), encoding="utf-8", errors="replace") as f:
                return [line.strip() for line in f if BROKEN.search(line)]
        except OSError:
            return []

    def _diagnose(self):
        """The exception that describes the VMs' state, or None while nothing is wrong."""
        complaints = self._complaints("host.console")
        if complaints:
            return EmulatorFailure(f"host VM: {complaints[0]}")
        if self._process.poll() is not None:
            code = self._process.returncode
            return LabError(f"host VM's QEMU ended with {code}, see host-qemu.log")
        kind = EmulatorFailure if self.guest_is_innocent else LabError
        complaints = self._complaints("share/guest.console")
        complaints += self._complaints("share/guest-qemu.log")
        if complaints:
            return kind(f"guest VM: {complaints[0]}")
        silent = [c.name for c in (self.host, self.guest)
                  if c.heard and time.monotonic() - c.heard > SILENCE_MAX_S]
        if "host" in silent:
            return EmulatorFailure(f"host VM has not answered for {SILENCE_MAX_S} s (CPU stuck)")
        if "guest" in silent:
            return kind(f"guest VM has not answered for {SILENCE_MAX_S} s, the host VM does")
        return None

    def _watch(self):
        while not self._stopping.wait(PING_EVERY_S):
            wrong = None if self._dead else self._diagnose()
            if wrong and self.host.heard:
                wrong = self._look_at_guest() or wrong
            self._dead = self._dead or wrong
            for channel in (self.host, self.guest):
                if channel.heard:
                    try:
                        channel.ping()
                    except LabError:
                        pass  # _diagnose finds out why

    def _look_at_guest(self):
        """Leave what the host VM sees of the guest VM in run_dir, for whoever asks why.

        The emulator's mark if a CPU of the guest has shut down and nothing is on its console: no
        kernel gets there (a third fault while it handles the second) without a word before.
        """
        try:
            seen = self.host.run_raw(os.path.join(VM_DIR, "look_at_guest.py"), LOOK_S).output
        except LabError as error:
            seen = str(error)
        with open(os.path.join(self.run_dir, "guest-seen.txt"), "w", encoding="utf-8") as f:
            f.write(seen + "\n")
        with open(os.path.join(self.share, "guest.console"), encoding="utf-8",
                  errors="replace") as f:
            silent = not f.read().strip()
        if silent and "paused (shutdown)" in seen:
            return EmulatorFailure("guest VM: a CPU shut down without a word (triple fault)")
        return None

    def check_alive(self):
        if self._dead is None and self._process and self._process.poll() is not None:
            self._dead = self._diagnose()
        if self._dead:
            raise self._dead

    def stop(self):
        """Power off. The guest VM is a process inside the host VM and ends with it."""
        self._stopping.set()
        if self._process and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        for sock in self._sockets:
            sock.close()
