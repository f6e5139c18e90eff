# SPDX-License-Identifier: Apache-2.0
"""Scenario busybox: the self-contained program in a guest that has nothing but busybox.

It records its own virtqueues while the host pings it; its counts of interrupts are the kernel's.
"""

import os
import re
import time

from . import layout
from .errors import LabError
from .scenario import Scenario

PROGRAM = "ringside"
FILES = ["/bin/busybox", f"/bin/{PROGRAM}", "/init", "/lab.conf", "/modules.order"]
PINGS = 200
QUIET_S = 2
READY_S = 60
STOP_S = 30


class Bare(Scenario):
    """One run in a booted Machine whose guest is bare."""

    def __init__(self, machine, binaries, out_dir, log, rungs=None):
        self._machine = machine
        self._out = out_dir
        self._log = log

    def run(self):
        guest = self._machine.guest
        self._machine.guest_is_innocent = False
        files = guest.run("find / -xdev -type f | grep -v ^/modules/ | sort").split()
        if files != FILES:
            raise LabError(f"the guest's root holds {files}")
        time.sleep(QUIET_S)
        before = self._interrupts()
        guest.run(f"{PROGRAM} record --ceiling 0 -o /vm1.rsi > /record.log 2>&1 &\n"
                  "echo $! > /record.pid")
        self._wait("grep -q ready /record.log", READY_S)
        self._machine.host.run(f"ping -q -c {PINGS} -i 0.02 {layout.GUEST_IP}")
        time.sleep(QUIET_S)
        after = self._interrupts()
        guest.run("kill -TERM $(cat /record.pid)")
        self._wait("! kill -0 $(cat /record.pid) 2> /dev/null", STOP_S)
        self._log(guest.run(f"{PROGRAM} report /vm1.rsi"))
        self._compare({name: after[name] - before[name] for name in after})

    def _wait(self, condition, seconds):
        end = time.monotonic() + seconds
        while self._machine.guest.run_raw(condition).code != 0:
            if time.monotonic() > end:
                said = self._machine.guest.run("cat /record.log")
                raise LabError(f"not within {seconds} s: {condition}\n{said}")
            time.sleep(0.5)

    def _interrupts(self):
        """rx0 and tx0 ... of the measured NIC -> interrupts since boot."""
        text = self._machine.guest.run("ls -l /sys/class/net/eth0/device; cat /proc/interrupts")
        virtio = re.search(r"(virtio\d+)$", text.splitlines()[0])[1]
        found = re.findall(rf"^ *\d+:((?: +\d+)+) .* {virtio}-(in|out)put\.(\d+)$", text,
                           re.MULTILINE)
        return {("rx" if kind == "in" else "tx") + number: sum(map(int, counts.split()))
                for counts, kind, number in found}

    def _compare(self, oracle):
        """The recording began and ended while the NIC was quiet: its counts are the kernel's."""
        text = self._machine.guest.run(
            f"{PROGRAM} sql /vm1.rsi --csv \"select queue, sum(lo), sum(hi) from counts"
            " where stage = 'guest' and outcome = 'irq' group by queue\"")
        counts = dict(re.findall(r"^eth0/(\w+),(\d+,\d+)\r?$", text, re.MULTILINE))
        self._log(f"recorded {counts}, /proc/interrupts {oracle}")
        with open(os.path.join(self._out, "counts.csv"), "w", encoding="utf-8") as f:
            f.write(text)
        if sum(oracle.values()) < PINGS:
            raise LabError("too few interrupts for the pings")
        for queue, interrupts in oracle.items():
            lo, hi = map(int, counts.get(queue, "0,-1").split(","))
            if not lo <= interrupts <= hi:
                raise LabError(f"{queue}: recorded {lo} to {hi}, the kernel counted {interrupts}")
