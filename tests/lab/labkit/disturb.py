# SPDX-License-Identifier: Apache-2.0
"""Scenario disturb: what happens to VMs every day, one thing after the other, each with traffic.

Collector and agents run all the time; each part is cut out of the store and judged by itself: the
findings that it must show and those that it may, and nothing else. What a part may show beyond what
it must is either its effect (drops while nobody takes packets) or true of emulated CPUs.
"""

import json
import os
import re
import time

from . import layout
from .errors import EmulatorFailure, LabError
from .first_light import UDP_PORT
from .machine import GUEST_UP_S
from .qmp import qmp
from .windows import Told, Windows, cut, expect, read_windows

STOP_S = 5
HOGS = 3
HOG_S = 6
HOGS_MORE = 10  # percent of the time that a vCPU waits for its CPU, beyond that of a healthy part

# part -> (findings it must show, findings that it may show besides)
PARTS = {
    "healthy": ((), ()),
    "stopped": (("tun-ring-full",), ("dead-queue",)),
    "small-ring": (("tun-ring-full",), ()),
    "hogs": (("late-vcpu",), ("tun-ring-full",)),
    "link-down": ((), ()),
    "affinity": ((), ()),
    "pairs": ((), ()),
    "paused": ((), ("tun-ring-full",)),
    "agent": ((), ("data-loss",)),
    "module": ((), ("data-loss",)),
    "reboot": ((), ("data-loss",)),
    "healthy again": ((), ()),
}


class Disturb(Windows):
    """One run in a booted Machine."""

    entries_min = 0

    def _all_traffic(self):
        for part in PARTS:
            self._window(part, getattr(self, "_" + part.replace("-", "_").replace(" ", "_")))

    def _flow(self, count=1_500, gap_us=1_000):
        return self._udp_to_guest(count, gap_us, 1)

    def _fill(self, seconds, gap_us=1_000, burst=4):
        """Datagrams that nobody has to take, in the background for as long as this body."""
        self._background("host", "fill", "udp-send", layout.GUEST_IP, UDP_PORT, 1_000_000, 64,
                         gap_us, 64, "--burst", burst)
        time.sleep(seconds)
        self._stop("host", "fill")

    # The parts

    def _healthy(self):
        return [*self._ping(), *self._flow()]

    _healthy_again = _healthy

    def _stopped(self):
        """QEMU stands, vhost goes on: the rings fill."""
        self._machine.host.run("kill -STOP $(cat /run/guest.pid)")
        self._machine.guest.expect_boot()
        try:
            self._fill(STOP_S)
        finally:
            self._machine.host.run("kill -CONT $(cat /run/guest.pid)")
        self._machine.guest.heard = time.monotonic()
        return self._flow()

    def _small_ring(self):
        """Real time, so that vhost, on the same CPU, does not empty the ring after each packet."""
        self._receive("guest", "udp", "udp-recv", UDP_PORT, 120, "--idle", 1000)
        line = self._machine.host.run(f"""
            ip link set tap0 txqueuelen 10
            chrt -f 1 {self._tool("udp-send", layout.GUEST_IP, UDP_PORT, 4_000, 64, 20_000, 64,
                                  "--burst", 100)}
            ip link set tap0 txqueuelen 1000""", 90)
        return [self._result("host", line), self._received("guest", "udp")]

    def _hogs(self):
        """Other work on the CPU of the vCPUs; every count stays healthy."""
        self._machine.host.run(f"""
            for i in {' '.join(map(str, range(HOGS)))}; do
              timeout {HOG_S} bash -c 'while :; do :; done' < /dev/null > /dev/null 2>&1 &
            done""")
        return self._flow(3_000)

    def _link_down(self):
        qmp(self._machine, ("set_link", {"name": "net0", "up": False}))
        self._fill(2, 2_000)
        qmp(self._machine, ("set_link", {"name": "net0", "up": True}))
        return self._flow()

    def _affinity(self):
        self._background("host", "load", "udp-send", layout.GUEST_IP, UDP_PORT, 1_000_000, 64,
                         1_000, 64)
        for cpu in (1, 0, 1, 0):
            self._interrupts_to(cpu)
            time.sleep(1)
        self._stop("host", "load")
        return []

    def _pairs(self):
        sent = []
        for count in (1, 2):
            self._machine.guest.run(f"ethtool -L eth0 combined {count}")
            sent += self._flow(500)
        return sent

    def _paused(self):
        """As a management layer pauses: QEMU stops vhost, too."""
        qmp(self._machine, "stop")
        self._machine.guest.expect_boot()
        time.sleep(STOP_S)
        qmp(self._machine, "cont")
        self._machine.guest.heard = time.monotonic()
        return self._flow()

    def _agent(self):
        """The guest's agent is killed and started again, under traffic."""
        self._machine.guest.run("kill -9 $(cat /run/ringside/agent-vm1.pid)")
        sent = self._flow(500)
        self._again()
        return [*sent, *self._flow(500)]

    def _again(self):
        agent = next(p for p in self.programs if p[0] == "agent-vm1")
        self._machine.guest.run("""
            rm -f /run/ringside/agent-vm1.code
            mkdir -p /run/killed
            mv /run/ringside/vm1.rsi* /run/killed/ 2> /dev/null; true""")
        self._start(*agent)
        self._wait_ready(agent[0], agent[1])

    def _module(self):
        """The guest's driver goes and comes back, agents stay."""
        self._machine.guest.run("""
            . /lab.conf
            eval "$(sed -n '/^quiet_link()/,/^}/p' $LAB_VM_DIR/main.sh)"
            rmmod virtio_net && modprobe virtio_net
            wait_for 20 "[ -e /sys/class/net/eth1 ]"
            . "$LAB_VM_DIR/guest.sh" """)
        time.sleep(3)
        return self._flow()

    def _reboot(self):
        self._machine.guest.expect_boot()
        qmp(self._machine, ("set-action", {"reboot": "reset"}), "system_reset")
        if not self._machine.guest.wait_up(GUEST_UP_S):
            raise EmulatorFailure(f"guest VM not up again within {GUEST_UP_S} s")
        self._again()
        return self._flow()


def _waits(told):
    """Most that one vCPU waited: the emulation alone makes vCPUs late, hogs make them later."""
    found = [re.search(r"waited for a CPU (\d+)%", f["title"]) for f in told.findings()]
    return max((int(m[1]) for m in found if m), default=0)


def judge_disturb(binaries, out_dir):
    """Each part by itself; every one is looked at before the first failure is told."""
    wrong, waits = [], {}
    for name, window in read_windows(out_dir)["windows"].items():
        must, may = PARTS[name]
        told = cut(binaries, out_dir, name.replace(" ", "-"), window)
        shown = sorted({f["id"] for f in told.findings()})
        waits[name] = _waits(told)
        print(f"{name}: {', '.join(shown) or 'nothing'}")
        try:
            told.expect_only(*must, *may)
            told.expect_nothing_violated()
            expect(set(must) <= set(shown), f"{name}: not shown: {set(must) - set(shown)}", shown)
        except LabError as error:
            wrong.append(str(error))
    print(f"a vCPU waits for its CPU, percent of the time: {waits}")
    if waits["hogs"] < HOGS_MORE + max(waits["healthy"], waits["healthy again"]):
        wrong.append(f"hogs are not told from the emulation: {waits}")
    if wrong:
        raise LabError("\n".join(wrong))
    whole = Told(binaries, os.path.join(out_dir, "store"))
    print(json.dumps({q["queue"]: q["binding"].get("bound") for q in whole.queues()}))
