# SPDX-License-Identifier: Apache-2.0
"""Scenario first-light: every queue of the measured NIC moves, and oracles count along.

The ringside command lines are all here, at the top.
"""

import json
import os
import re
import shlex
import shutil
import time

from . import layout, oracles
from .errors import EmulatorFailure, LabError
from .scenario import Scenario

COLLECTOR_PORT = 7700
RUN = "/run/ringside"
STORE = f"{RUN}/store"


def recorder(name, collector):
    """An agent that sends to the collector and writes a file of its own, for the merge."""
    return ["record", "--name", name, "--collector", f"{collector}:{COLLECTOR_PORT}", "--insecure",
            "--interval", "500ms", "-o", f"{RUN}/{name}.rsi"]


# name, side, binary, arguments: started in this order, stopped in the reverse one.
PROGRAMS = [
    ("collector", "host", "ringside-collector",
     ["--listen", f"0.0.0.0:{COLLECTOR_PORT}", "--insecure", "--name", "host1", "--store", STORE]),
    ("agent-host1", "host", "ringside", recorder("host1", "127.0.0.1")),
    ("agent-vm1", "guest", "ringside", recorder("vm1", layout.HOST_CONTROL_IP)),
]
# Emulated CPUs are so slow that the agents would give up hooks to stay under theirs.
NO_CEILING = ["--ceiling", "0"]
READY = "ready"  # a line with this word says that a program does its work
READY_S = 180  # of the VM's own clock, which a busy machine makes run fast in 5.10
STOP_S = 30

ENTRIES_MIN = 20_000  # per queue: marks come every 256 entries and 50 common ones are needed
TOP_UP = 10_000
TOP_UPS_MAX = 6
QUEUES = ("rx0", "tx0", "rx1", "tx1")
# Enough flows that the kernel's flow hash gives either queue its share (1/2, mostly within 1/20).
FLOWS = 512
DATAGRAM = 64
UDP_PORT = 5001
TCP_PORT = 5002
QUIET_S = 2


class FirstLight(Scenario):
    """One run in a booted Machine. binaries: name -> path, without ringside's: traffic only."""

    programs = PROGRAMS
    ready_words = {}  # by program, where it is not READY

    def __init__(self, machine, binaries, out_dir, log, rungs=None):
        self._machine = machine
        self._rungs = rungs or {}
        self._sides = {"host": machine.host, "guest": machine.guest}
        self._traffic = binaries["ringside-lab-traffic"]
        self._binaries = binaries
        self._ringside = "ringside" in binaries
        self._out = out_dir
        self._log = log
        self._snapshots = []
        self._phases = []
        self._seconds = {}

    def run(self):
        """Leaves everything in out_dir, as far as it got."""
        try:
            self._before_programs()
            if self._ringside:
                self._machine.guest_is_innocent = False
                self._timed("start", self._start_programs)
            self._measure()
            if self._ringside:
                self._timed("stop", self._stop_programs)
        except EmulatorFailure:
            raise  # nothing to collect from a broken VM
        except LabError:
            self._collect()
            raise
        self._timed("collect", self._collect)

    def _before_programs(self):
        pass

    def _measure(self):
        time.sleep(QUIET_S)
        self._snapshots.append(oracles.snapshot(self._machine, self._traffic, "start"))
        try:
            self._timed("traffic", self._all_traffic)
            time.sleep(QUIET_S)
        finally:
            self._write()

    def _timed(self, name, step):
        start = time.monotonic()
        step()
        self._seconds[name] = round(time.monotonic() - start, 1)
        self._log(f"{name}: {self._seconds[name]} s")

    # Programs

    def _start(self, name, side, binary, arguments):
        rung = self._rungs.get(side, "auto")
        if arguments[0] == "record":
            arguments = [*arguments, *NO_CEILING]
        if arguments[0] == "record" and rung != "auto":
            arguments = [*arguments, "--rung", rung]
        command = shlex.join([self._binaries[binary], *arguments])
        self._sides[side].run(f"""
            mkdir -p {RUN}
            {{ {command} > {RUN}/{name}.log 2>&1 & echo $! > {RUN}/{name}.pid
               wait $!; echo $? > {RUN}/{name}.code; }} < /dev/null > /dev/null 2>&1 &
            wait_for 10 "[ -s {RUN}/{name}.pid ]" """)

    def _start_programs(self, programs=None):
        programs = programs or self.programs
        for name, side, binary, arguments in programs:
            self._start(name, side, binary, arguments)
            # The collector must listen before agents connect; the agents get ready side by side.
            if name == "collector":
                self._wait_ready(name, side)
        for name, side, *_ in programs:
            if name != "collector":
                self._wait_ready(name, side)

    def _wait_ready(self, name, side):
        word = shlex.quote(self.ready_words.get(name, READY))
        result = self._sides[side].run_raw(f"""
            says_ready() {{ [[ $(< {RUN}/{name}.log) == *{word}* ]]; }}
            wait_for {READY_S} "says_ready || [ -e {RUN}/{name}.code ]"
            says_ready || {{ tail -n 40 {RUN}/{name}.log; exit 1; }}""", READY_S * 2)
        if result.code != 0:
            raise LabError(f"{name} did not get ready:\n{result.output}")

    def _stop_programs(self, programs=None):
        for name, side, *_ in reversed(programs or self.programs):
            code = self._sides[side].run(f"""
                kill -TERM $(cat {RUN}/{name}.pid)
                wait_for {STOP_S} "[ -s {RUN}/{name}.code ]" || {{ echo none; exit 0; }}
                echo "$(< {RUN}/{name}.code)" """, STOP_S * 2)
            if code != "0":
                raise LabError(f"{name}: exit code {code} after SIGTERM, see {name}.log")

    # Traffic

    def _all_traffic(self):
        self._phase("ping", self._ping)
        # As fast as it goes: the tap's ring may overflow, which is counted. Then in bursts that
        # it can hold.
        self._phase("udp-to-guest-flood", lambda: self._udp_to_guest(12_000, 0, 1))
        self._phase("udp-to-guest", lambda: self._udp_to_guest(40_000, 2_000, 32))
        self._phase("udp-to-host-flood", lambda: self._udp_to_host(11_000, 0, 1))
        self._phase("udp-to-host", lambda: self._udp_to_host(10_000, 2_000, 32))
        self._phase("tcp-to-host", lambda: self._tcp("guest", "host", layout.HOST_IP, 20_000_000))
        self._phase("tcp-to-guest", lambda: self._tcp("host", "guest", layout.GUEST_IP, 20_000_000))
        for _ in range(TOP_UPS_MAX):
            moved = self._moved()
            if min(moved.values()) >= ENTRIES_MIN:
                break
            if min(moved["rx0"], moved["rx1"]) < ENTRIES_MIN:
                self._phase("udp-to-guest-more", lambda: self._udp_to_guest(TOP_UP, 2_000, 32))
            else:
                self._phase("udp-to-host-more", lambda: self._udp_to_host(TOP_UP // 2, 2_000, 32))
        self._log("packets: " + " ".join(f"{q}={n}" for q, n in self._moved().items()))
        if min(self._moved().values()) < ENTRIES_MIN:
            raise LabError(f"queues moved too little: {self._moved()}")

    def _moved(self):
        """Packets by queue so far: a used entry each, TCP's large ones to the guest several."""
        first, last = self._snapshots[0], self._snapshots[-1]
        moved = oracles.delta(first["guest"]["packets"], last["guest"]["packets"])
        return {queue: moved.get(queue, 0) for queue in QUEUES}

    def _phase(self, name, traffic):
        start = time.monotonic()
        sent = traffic()
        self._snapshots.append(oracles.snapshot(self._machine, self._traffic, name))
        last = len(self._snapshots) - 1
        self._phases.append({"name": name, "from": last - 1, "to": last, "traffic": sent})
        what = "; ".join(f"{t['side']} {t['line']}" for t in sent)
        self._log(f"  {name}: {time.monotonic() - start:.1f} s: {what}")

    def _tool(self, *arguments):
        return shlex.join([self._traffic, *map(str, arguments)])

    def _receive(self, side, name, *arguments):
        """Start a receiver in the background; it answers when its port is open."""
        self._sides[side].run(f"""
            > /run/{name}.err
            {self._tool(*arguments)} > /run/{name}.out 2> /run/{name}.err < /dev/null &
            wait_for 10 "[ -s /run/{name}.err ]"
            [[ $(< /run/{name}.err) == ready ]] || {{ cat /run/{name}.err; exit 1; }}""")

    def _received(self, side, name):
        return self._result(side, self._sides[side].run(f"""
            wait_for 30 "[ -s /run/{name}.out ]" || cat /run/{name}.err
            echo "$(< /run/{name}.out)" """))

    def _result(self, side, line):
        found = re.findall(r"(\w+)=([\d.]+)", line)
        counts = {key: float(value) if "." in value else int(value) for key, value in found}
        return {"side": side, "line": line, "counts": counts}

    def _background(self, side, name, *arguments):
        self._sides[side].run(f"{self._tool(*arguments)} > /run/{name}.out 2>&1 < /dev/null &\n"
                              f"echo $! > /run/{name}.pid")

    def _stop(self, side, name):
        self._sides[side].run(f"""
            pid=$(cat /run/{name}.pid)
            kill -TERM "$pid" && wait_for 20 "! kill -0 $pid 2> /dev/null" """)

    def _interrupts_to(self, cpu):
        """All of eth0's, in the guest; each moves when it next comes."""
        self._machine.guest.run(f"""
            irqs=$(sed -n 's/^ *\\([0-9]*\\):.* virtio0-[io][nu].*/\\1/p' /proc/interrupts)
            for irq in $irqs; do echo {cpu} > /proc/irq/$irq/smp_affinity_list; done""")

    def _ping(self):
        """Both ways, so that each side once answers."""
        sent = []
        for side, address in (("host", layout.GUEST_IP), ("guest", layout.HOST_IP)):
            text = self._sides[side].run(f"ping -q -n -c 50 -i 0.02 {address}")
            got = re.search(r"(\d+) packets transmitted, (\d+) received", text)
            sent.append(self._result(side, f"requests={got[1]} replies={got[2]}"))
        return sent

    def _udp_to_guest(self, count, gap_us, burst):
        self._receive("guest", "udp", "udp-recv", UDP_PORT, 120, "--idle", 1000)
        send = self._tool("udp-send", layout.GUEST_IP, UDP_PORT, count, DATAGRAM, gap_us, FLOWS,
                          "--burst", burst)
        line = self._machine.host.run(send, 90)
        return [self._result("host", line), self._received("guest", "udp")]

    def _udp_to_host(self, count, gap_us, burst):
        """One pinned sender per guest CPU: the driver gives each CPU its own transmit queue."""
        self._receive("host", "udp", "udp-recv", UDP_PORT, 120, "--idle", 1000)
        send = [self._tool("udp-send", layout.HOST_IP, UDP_PORT, count, DATAGRAM, gap_us, 1,
                           "--burst", burst, "--cpu", cpu) for cpu in (0, 1)]
        lines = self._machine.guest.run(f"{send[0]} & {send[1]}; wait", 90).splitlines()
        return [*(self._result("guest", line) for line in lines), self._received("host", "udp")]

    def _tcp(self, sender, receiver, address, size):
        self._receive(receiver, "tcp", "tcp-recv", TCP_PORT)
        line = self._sides[sender].run(self._tool("tcp-send", address, TCP_PORT, size), 90)
        return [self._result(sender, line), self._received(receiver, "tcp")]

    # Results

    def _collect(self):
        """Bring what the programs wrote out of the VMs: store/, *.rsi, *.log, kernel logs."""
        for side, channel in self._sides.items():
            channel.run(f"mkdir -p /share/{side}; dmesg > /share/{side}/{side}.dmesg\n"
                        f"if [ -d {RUN} ]; then cp -r {RUN}/. /share/{side}/; fi")
            shutil.copytree(os.path.join(self._machine.share, side), self._out, dirs_exist_ok=True,
                            ignore=shutil.ignore_patterns("*.pid", "*.code"))

    def _sum(self, side, prefix, key):
        lines = [t for p in self._phases if p["name"].startswith(prefix) for t in p["traffic"]]
        return sum(t["counts"].get(key, 0) for t in lines if t["side"] == side)

    def _write(self):
        first, last = self._snapshots[0], self._snapshots[-1]
        totals = {"host": oracles.delta(first["host"], last["host"]),
                  "guest": oracles.delta(first["guest"], last["guest"]),
                  "udp_sent": {"to_guest": self._sum("host", "udp-to-guest", "sent"),
                               "to_host": self._sum("guest", "udp-to-host", "sent")},
                  "udp_received": {"to_guest": self._sum("guest", "udp-to-guest", "received"),
                                   "to_host": self._sum("host", "udp-to-host", "received")}}
        measured = {"tap": "tap0", "netdev": "eth0", "virtio": first["guest"]["virtio"]}
        result = {"schema": 1, "scenario": "first-light", "release": self._machine.kernel.release,
                  "guest_release": self._machine.guest_kernel.release, "rungs": self._rungs,
                  "ringside": self._ringside, "nodes": {"host": "host1", "guest": "vm1"},
                  "vm": {"name": layout.VM_NAME, "uuid": layout.VM_UUID}, "measured": measured,
                  "seconds": self._seconds, "totals": totals, "phases": self._phases,
                  "snapshots": self._snapshots}
        with open(os.path.join(self._out, "oracles.json"), "w", encoding="utf-8") as f:
            json.dump(result, f, indent=1)
            f.write("\n")
