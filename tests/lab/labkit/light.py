# SPDX-License-Identifier: Apache-2.0
"""Scenario light: every stage moves, briefly, and a busy poller runs beside the interrupt's CPU.

For comparing kernels and rungs: a row of the matrix (matrix.py) is one such run.
"""

import re
import shlex

from . import layout
from .errors import LabError
from .first_light import READY, READY_S, RUN, UDP_PORT, FirstLight

BUSY_POLL_US = 2_000  # longer than the gap between two datagrams, or the poller never meets one
BUSY_GAP_US = 1_000
BUSY_PACKETS = 1_500
TCP_BYTES = 3_000_000


class Light(FirstLight):
    """One run in a booted Machine."""

    entries_min = 1_500  # per queue

    def _all_traffic(self):
        self._phase("ping", self._ping)
        self._phase("udp-to-guest", lambda: self._udp_to_guest(6_000, 2_000, 32))
        self._phase("udp-to-host", lambda: self._udp_to_host(2_000, 2_000, 32))
        self._phase("busy-poll", self._busy_poll)
        self._phase("tcp-to-host",
                    lambda: self._tcp("guest", "host", layout.HOST_IP, TCP_BYTES))
        self._phase("tcp-to-guest",
                    lambda: self._tcp("host", "guest", layout.GUEST_IP, TCP_BYTES))
        self._expect_moved()

    def _busy_poll(self):
        """One flow, so one queue, polled by a thread of the CPU that its interrupt does not use."""
        self._receive("guest", "udp", "udp-recv", UDP_PORT, 120, "--idle", 1000, "--cpu", 1,
                      "--busy-poll", BUSY_POLL_US)
        send = self._tool("udp-send", layout.GUEST_IP, UDP_PORT, BUSY_PACKETS, 64, BUSY_GAP_US, 1)
        line = self._machine.host.run(send, 90)
        return [self._result("host", line), self._received("guest", "udp")]

    def _before_programs(self):
        """An interrupt moves when it next comes; the kernel may miss one then, but not later."""
        text = self._machine.guest.run("cat /proc/interrupts")
        numbers = re.findall(r"^ *(\d+):.* virtio0-input\.\d+$", text, re.MULTILINE)
        self._machine.guest.run("\n".join(
            f"echo 0 > /proc/irq/{number}/smp_affinity_list" for number in numbers))
        self._move_interrupts(64)

    def _move_interrupts(self, flows):
        """Packets on both receive queues, a few of each, outside of what is measured."""
        self._receive("guest", "udp", "udp-recv", UDP_PORT, 120, "--idle", 500)
        self._machine.host.run(
            self._tool("udp-send", layout.GUEST_IP, UDP_PORT, 2 * flows, 64, 1_000, flows), 90)
        self._received("guest", "udp")

    def _stop_programs(self):
        super()._stop_programs()
        self._timed("kill", self._kill_one)

    def _kill_one(self):
        """An agent that is killed leaves no probe behind, of whichever kind this kernel wants."""
        record = shlex.join([self._binaries["ringside"], "record", "--role", "host", "-q", "--rung",
                             "kprobe", "-o", f"{RUN}/killed.rsi"])
        left = self._machine.host.run(f"""
            > {RUN}/killed.log  # there before it is looked at
            {record} >> {RUN}/killed.log 2>&1 &
            pid=$!
            says_ready() {{ [[ $(< {RUN}/killed.log) == *{READY}* ]]; }}
            wait_for {READY_S} says_ready || {{ echo "not ready: $(< {RUN}/killed.log)"; exit 0; }}
            cp /sys/kernel/tracing/kprobe_events /share/killed.before
            {{ kill -9 $pid; wait $pid; }} 2> /dev/null
            none_left() {{ [[ $(< /sys/kernel/tracing/kprobe_events) != *ringside* ]]; }}
            wait_for 20 none_left
            cat /sys/kernel/tracing/kprobe_events
            ls {RUN}/killed.rsi > /dev/null
            rm -f {RUN}/killed.*""", READY_S * 3)
        if left:
            raise LabError(f"left behind by a killed agent: {left}")

    def _expect_moved(self):
        self._log("packets: " + " ".join(f"{q}={n}" for q, n in self._moved().items()))
        if min(self._moved().values()) < self.entries_min:
            raise LabError(f"queues moved too little: {self._moved()}")
