# SPDX-License-Identifier: Apache-2.0
"""Scenario storm-one: busy polling makes most receive interrupts find nothing.

The guest's 5.10 kernel leaves a queue's interrupt armed while a busy poller empties it, so an
interrupt comes for nearly every packet. The poller runs on one vCPU, the interrupts on the other.
Beside it, the same traffic on eth2, whose device has no EVENT_IDX: no storm there. Then the same
traffic on eth0 without busy polling: the remedy.

Afterwards `slow.rsi` and `after.rsi` are cut out of the collector's store, as a user would.
"""

import json
import os
import re
import time

from . import layout, oracles
from .errors import LabError
from .faults import Faults
from .first_light import STORE, UDP_PORT
from .light import BUSY_POLL_US, Light
from .windows import Told, Windows, cut, expect, read_windows

GAP_US = 1_000
PACKETS = 6_000
DATAGRAM = 64
# A queue without the defect takes about a twelfth (kernel facts, 14); a storm about one for one.
STORM_LEAST = 0.8
PLAIN_MOST = 0.35

# One write at a time: each finds the one before taken (kernel facts, 14).
WRITE_GAP_US = 100
# More than STORM_MOST_S has room for: at times five of six are merged.
WRITES_MOST = 6_000_000
STORM_MOST_S = 600
FILLED_WITHIN_S = 60
CHAIN = ("external-injector", "irq-storm-risk", "irq-disabled", "dead-queue", "tun-ring-full",
         "suppressed-stall", "vector-masked", "interrupt-merging")


class StormOne(Windows, Light):
    """One run in a booted Machine."""

    plain_nic = True
    smp = 2  # poller and interrupt want a CPU each
    guest_kernel = "5.10"

    def _all_traffic(self):
        self._window("slow", lambda: self._flow(layout.GUEST_IP, BUSY_POLL_US))
        self._window("plain", lambda: self._flow(layout.GUEST_PLAIN_IP, BUSY_POLL_US))
        self._window("after", lambda: self._flow(layout.GUEST_IP, 0))

    def _flow(self, address, busy_poll_us):
        """One flow, so one queue; its receiver runs on the CPU that its interrupt does not use."""
        busy = ["--busy-poll", busy_poll_us] if busy_poll_us else []
        self._receive("guest", "udp", "udp-recv", UDP_PORT, 120, "--idle", 1000, "--cpu", 1, *busy)
        send = self._tool("udp-send", address, UDP_PORT, PACKETS, DATAGRAM, GAP_US, 1)
        line = self._machine.host.run(send, 120)
        return [self._result("host", line), self._received("guest", "udp")]

    def _noted(self, name):
        return {"interrupts": self._grown("interrupts"), "packets": self._grown("packets")}

    def _grown(self, what):
        before, after = self._snapshots[-2:]
        return oracles.delta(before["guest"][what], after["guest"][what])

    def _noted_once(self):
        return {"eth2": self._machine.guest.run("""
            device=$(readlink /sys/class/net/eth2/device); echo ${device##*/}""")}


def judge_storm_one(binaries, out_dir):
    """The storm is told with its poller; the plain queue and the remedy are quiet."""
    run = read_windows(out_dir)
    slow, plain, after = (cut(binaries, out_dir, n, run["windows"][n])
                          for n in ("slow", "plain", "after"))
    queue = max(("rx0", "rx1"), key=lambda q: run["windows"]["slow"]["packets"].get(q, 0))
    came = run["windows"]["slow"]["interrupts"].get(f"virtio0-input.{queue[2:]}", 0)
    packets = run["windows"]["slow"]["packets"][queue]
    beside = run["windows"]["plain"]["interrupts"].get(f"{run['eth2']}-input.0", 0)
    print(f"{queue}: {came} interrupts for {packets} packets; eth2, without EVENT_IDX: {beside}; "
          f"without busy polling: {run['windows']['after']['interrupts']}")
    expect(came >= STORM_LEAST * packets, "no storm came about", run["windows"]["slow"])
    expect(beside <= PLAIN_MOST * PACKETS, "a storm without EVENT_IDX", run["windows"]["plain"])
    text = slow.explain()
    print(text)
    finding = slow.finding("busy-poll-spurious", f"/eth0/{queue}")
    said = json.dumps(finding)
    expect(finding["certainty"] == "high", "not certain", text)
    expect(re.search(r"by ringside-lab-tr", said), "the poller is not named", text)
    expect("cannot be reached" in said, "nothing said of the kernel's limit", text)
    expect("busy_read=0" in said, "no remedy", text)
    slow.expect_only("busy-poll-spurious", "interrupt-merging")
    plain.expect_only("interrupt-merging")
    after.expect_only("interrupt-merging")
    for told in (slow, plain, after):
        told.expect_nothing_violated()
    print(after.text("explain", "after.rsi", "--against", "slow.rsi"))
    print(slow.text("report", "slow.rsi", "--wide"))


class StormTwo(Faults):
    """Scenario storm-two: a program of the host drives a queue's interrupt until the guest's kernel
    switches it off, and the queue dies from the guest back to the tap.

    The program takes rx0's eventfd out of QEMU and writes to it without an entry behind it. The
    kernel gives up after more than 99,900 such interrupts of 100,000, unless a gap of 100 ms lies
    between two: so nobody talks to the guest meanwhile, and the program goes before everything
    else. With one CPU in the host VM each interrupt is taken before the next is written. Then
    datagrams fill what nobody empties: the queue's ring, the tap's ring, and all else is
    dropped. At the end the queue is brought back by the command that `ringside explain` prints.
    """

    def _before_programs(self):
        self._fd = self._find_eventfd()
        self._interrupts_to(0)

    def _measure(self):
        try:
            self._timed("healthy", self._few_pings)
            self._expect_only()
            self._timed("storm", self._storm)
            self._timed("fill", self._fill)
            self._timed("recovery", self._recover)
            self._expect_only(*CHAIN)
        finally:
            with open(os.path.join(self._out, "storm.json"), "w", encoding="utf-8") as f:
                json.dump({"schema": 1, "seconds": self._seconds, "events": self._findings()}, f,
                          indent=1)

    def _few_pings(self):
        """Under 100 interrupts that find work: else the kernel's first 100,000 are in vain."""
        self._machine.host.run(f"ping -q -n -c 10 -i 0.1 {layout.GUEST_IP}")
        time.sleep(10)  # a round of the collector's judging

    def _healthy(self):
        self._ping()
        self._udp_to_guest(500, 2_000, 1)

    def _seen(self, cause):
        return lambda events: any(e["id"] == cause and e["queue"].endswith("/eth0/rx0")
                                  for e in events)

    def _storm(self):
        pid = self._machine.host.run("cat /run/guest.pid")
        self._background("host", "injector", "write-eventfd", pid, self._fd, WRITES_MOST,
                         WRITE_GAP_US)
        self._machine.host.run("renice -n -20 -p $(cat /run/injector.pid)")
        seconds = self._wait_for("irq-disabled of rx0", STORM_MOST_S, self._seen("irq-disabled"))
        self._log(f"  irq-disabled: shown by watch {seconds:.1f} s after the first write")
        self._stop("host", "injector")
        self._log("  " + self._machine.host.run("cat /run/injector.out"))

    def _fill(self):
        self._background("host", "fill", "udp-send", layout.GUEST_IP, UDP_PORT, 100_000, 64, 1_000,
                         64)
        for cause in ("dead-queue", "tun-ring-full"):
            self._wait_for(f"{cause} of rx0", FILLED_WITHIN_S, self._seen(cause))
        self._stop("host", "fill")

    def _recover(self):
        """What explain prints, on the guest's console; then its addresses, as explain warns."""
        told = self._machine.host.run(
            f"{self._binaries['ringside']} explain {STORE} --json 2> /dev/null", 120)
        steps = [n for f in json.loads(told)["findings"] if f["id"] == "irq-disabled"
                 for n in f["next"] if "unbind" in (n["command"] or "")]
        expect(steps, "no recovery is printed", told)
        self._log(f"  in {steps[0]['where']}: {steps[0]['command']}")
        self._machine.guest.run(f"""
            . /lab.conf
            eval "$(sed -n '/^quiet_link()/,/^}}/p' $LAB_VM_DIR/main.sh)"
            {steps[0]['command']}
            wait_for 20 "[ -e /sys/class/net/eth0 ]"
            quiet_link eth0 "$LAB_ETH0_MAC" "$LAB_GUEST_IP" "$LAB_TAP0_MAC" "$LAB_HOST_IP" """)
        before = self._interrupts("virtio0-input.0")
        self._healthy()
        self._log(f"  {self._interrupts('virtio0-input.0') - before} interrupts of rx0 since")
        if self._interrupts("virtio0-input.0") == before:
            raise LabError("rx0 does not live again")


def _chain(told, prefix):
    """Who caused whom in an incident, for one queue: id -> ids."""
    return {f["id"]: [c.split(" ")[0] for c in f["caused_by"]] for f in told.findings()
            if f["queue"].endswith(prefix)}


def judge_storm_two(binaries, out_dir):
    """The chain with its own root, from both sides and from the host's file alone."""
    both = Told(binaries, os.path.join(out_dir, "store"))
    text = both.text("explain", "store")
    print(text)
    roots = {f["id"] for f in both.findings() if f["root"] and f["queue"].endswith("/eth0/rx0")}
    expect(roots == {"external-injector"}, f"roots {roots}", text)
    chain = _chain(both, "/eth0/rx0")
    expect({"irq-disabled", "dead-queue", "tun-ring-full"} <= set(chain), f"chain {chain}", text)
    host = Told(binaries, os.path.join(out_dir, "host1.rsi"))
    text = host.explain()
    print(text)
    finding = host.finding("external-injector", "/tap0/rx0")
    expect("ringside-lab-tr" in json.dumps(finding), "the writer is not named", text)
    for cause in ("dead-queue", "tun-ring-full"):
        host.finding(cause, "/tap0/rx0")
    for told in (both, host):
        told.expect_only(*CHAIN)
