# SPDX-License-Identifier: Apache-2.0
"""Scenario faults: two things go wrong, one after the other, and `ringside watch` must say so.

Nothing runs but collector, agents and watch. Healthy traffic first and last: no finding.

* external-injector: a program of the host takes the eventfd of a receive queue out of QEMU and
  writes to it, 50 times a second.
* dead-queue: the guest polls its queues in threads (`threaded`), each an ordinary task. The thread
  of rx0 may only run on CPU 1, where a real-time task then spins. Both vCPUs run, interrupts are
  taken, the other queues are served, and nobody polls rx0 while the host fills it.
"""

import json
import os
import re
import time

from . import layout
from .errors import LabError
from .first_light import COLLECTOR_PORT, PROGRAMS, RUN, UDP_PORT, FirstLight

WATCH = ("watch", "host", "ringside",
         ["watch", f"127.0.0.1:{COLLECTOR_PORT}", "--insecure", "--json"])
SEEN_WITHIN_S = 15  # from the injection to the line of watch
ENDED_WITHIN_S = 120  # a finding has ended when a whole minute's rounds no longer said it
HEALTHY_S = 20
POLL_S = 0.5
FIND_TRIES = 3
# The emulation has no CPU for each vCPU, and takes it away in the middle of a softirq, whose time
# is then over: both are so, and not our doing.
TOLERATED = {"late-vcpu", "softirq-squeeze"}


class Faults(FirstLight):
    """One run in a booted Machine."""

    programs = [*PROGRAMS, WATCH]
    ready_words = {"watch": '"present"'}

    _seen_interrupts = 0

    def _before_programs(self):
        self._fd = self._find_eventfd()
        self._poll_in_threads()

    def _poll_in_threads(self):
        # Poll threads, each where a task can be kept from running. Their names end in the NAPI id,
        # and rx0 has the lowest that is not 0.
        self._machine.guest.run("""
            echo 1 > /sys/class/net/eth0/threaded
            echo -1 > /proc/sys/kernel/sched_rt_runtime_us""")
        threads = self._machine.guest.run("ps -eo pid,comm")
        found = re.findall(r"(\d+) napi/eth0-(\d+)", threads)
        if len(found) != 4:
            raise LabError(f"poll threads of eth0: {found} in\n{threads}")
        rx0 = min((int(napi), pid) for pid, napi in found if napi != "0")[1]
        pins = "\n".join(f"taskset -pc {1 if pid == rx0 else 0} {pid}" for pid, _ in found)
        self._machine.guest.run(pins)

    def _find_eventfd(self):
        """QEMU's descriptor of the eventfd behind rx0: the one whose numbered writes arrive.

        Two writes may become one interrupt on a busy machine: what was found is tried.
        """
        pid = self._machine.host.run("cat /run/guest.pid")
        self._rise()
        for _ in range(FIND_TRIES):
            lines = self._machine.host.run(self._tool("number-eventfds", pid, 10_000), 90)
            rise = self._rise()
            found = re.findall(rf"fd=(\d+) writes={rise}$", lines, re.MULTILINE)
            if rise == 0 or len(found) != 1:
                continue
            self._machine.host.run(self._tool("write-eventfd", pid, found[0], 5, 50_000))
            if self._rise() == 5:
                self._log(f"rx0's eventfd is QEMU's descriptor {found[0]}")
                return int(found[0])
        raise LabError(f"rx0 got {rise} interrupts from numbered writes:\n{lines}")

    def _rise(self):
        """Interrupts of rx0 since this was last asked, or since boot."""
        before, self._seen_interrupts = self._seen_interrupts, self._interrupts("virtio0-input.0")
        return self._seen_interrupts - before

    def _interrupts(self, name):
        text = self._machine.guest.run("cat /proc/interrupts")
        line = next(line.split() for line in text.splitlines() if line.endswith(name))
        return sum(int(word) for word in line[1:3])

    # What watch has said

    def _findings(self):
        """Finding events so far, oldest first."""
        text = self._machine.host.run(f"cat {RUN}/watch.log")
        events = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
        return [e for e in events if e["event"] == "finding"]

    def _expect_only(self, *ids):
        strange = [e for e in self._findings() if e["id"] not in TOLERATED.union(ids)]
        if strange:
            raise LabError(f"findings nobody caused: {json.dumps(strange, indent=1)}")

    def _wait_for(self, what, within_s, condition):
        start = time.monotonic()
        while not condition(self._findings()):
            if time.monotonic() - start > within_s:
                raise LabError(f"{what}: not within {within_s} s; watch said\n"
                               f"{json.dumps(self._findings(), indent=1)}")
            self._machine.check_alive()
            time.sleep(POLL_S)
        return time.monotonic() - start

    def _wait_seen(self, cause, queue):
        seconds = self._wait_for(
            f"{cause} of {queue}", SEEN_WITHIN_S,
            lambda events: any(e["id"] == cause and e["queue"].endswith(queue)
                               and e["step"] in ("open", "appeared") for e in events))
        self._log(f"  {cause}: shown by watch {seconds:.1f} s after the injection")
        self._seconds[cause] = round(seconds, 1)

    def _all_ended(self, events):
        last = {(e["id"], e["queue"]): e["step"] for e in events if e["id"] not in TOLERATED}
        return all(step == "ended" for step in last.values())

    # The course of it

    def _measure(self):
        try:
            self._timed("healthy", self._healthy)
            self._expect_only()
            self._timed("injector", self._injector)
            self._expect_only("external-injector")
            self._timed("dead queue", self._dead_queue)
            self._timed("recovery", self._recovery)
            self._expect_only("external-injector", "dead-queue", "tun-ring-full")
        finally:
            with open(os.path.join(self._out, "faults.json"), "w", encoding="utf-8") as f:
                json.dump({"schema": 1, "seconds": self._seconds, "events": self._findings()}, f,
                          indent=1)

    def _healthy(self):
        end = time.monotonic() + HEALTHY_S
        while time.monotonic() < end:
            self._ping()
            self._udp_to_guest(500, 2_000, 1)
        self._tcp("host", "guest", layout.GUEST_IP, 1_000_000)

    def _injector(self):
        pid = self._machine.host.run("cat /run/guest.pid")
        self._background("host", "injector", "write-eventfd", pid, self._fd, 2_000, 20_000)
        self._wait_seen("external-injector", "/eth0/rx0")
        self._stop("host", "injector")

    def _dead_queue(self):
        # 64 flows over both receive queues; nobody has to take what arrives.
        self._background("host", "fill", "udp-send", layout.GUEST_IP, UDP_PORT, 100_000, 64, 2_000,
                         64)
        time.sleep(2)
        self._background("guest", "hog", "hog", 60, "--cpu", 1)
        self._wait_seen("dead-queue", "/eth0/rx0")
        self._stop("guest", "hog")
        self._stop("host", "fill")

    def _recovery(self):
        self._healthy()
        self._wait_for("an end of all findings", ENDED_WITHIN_S, self._all_ended)
