# SPDX-License-Identifier: Apache-2.0
"""Scenario host-only: no agent in the guest, and no collector. The host's file alone must name what
it sees, say that the root is not observable from there, and what to type next; with the text that
the witness script took in the guest the story must grow.

* dead-queue: as in faults.py, the poll thread of rx0 does not get to run.
* vector-masked: a program of the guest sets the mask bit of rx1's entry in the MSI-X table.

Last, the guest records itself into a file, without any network to anybody: merged afterwards.
"""

import json
import os
import subprocess
import time

from . import layout
from .errors import LabError
from .faults import Faults
from .first_light import RUN, UDP_PORT

HEALTHY_S = 8
WITNESS_S = 5  # between its two readings
FAULT_S = 12
ETH0_SLOT = 4
RX1_ENTRY = 3  # 0 is for configuration, then rx0, tx0, rx1, tx1
CLOCK_BOUND = "2s"  # both VMs start from this machine's clock; the guest reads it in whole seconds
HERE = os.path.dirname(os.path.realpath(__file__))
WITNESS_IN_GUEST = "/run/witness.sh"
WITNESS_RUN = f"taskset -c 0 busybox sh {WITNESS_IN_GUEST}"
HOG_S = 200  # it is stopped long before
WITNESS = os.path.join(HERE, "..", "..", "..", "deploy", "witness", "witness.sh")


class HostOnly(Faults):
    """One run in a booted Machine."""

    programs = [("agent-host1", "host", "ringside",
                 ["record", "--role", "host", "--name", "host1", "--interval", "500ms", "-o",
                  f"{RUN}/host1.rsi"])]
    ready_words = {}

    def _before_programs(self):
        self._poll_in_threads()
        # Once before: what the script needs is then in memory. Files come over 9p, whose answers
        # may wait for the CPU that will not be given to anybody.
        script = os.path.realpath(WITNESS)
        self._machine.guest.run(f"cp {script} {WITNESS_IN_GUEST}; {WITNESS_RUN} 0 > /dev/null", 120)

    def _measure(self):
        self._timed("healthy", self._healthy)
        self._timed("dead queue", self._dead_queue)
        self._timed("recovery", self._healthy)
        self._timed("masked vector", self._masked)
        self._timed("recovery 2", self._healthy)
        self._timed("guest alone", self._guest_alone)

    def _healthy(self):
        end = time.monotonic() + HEALTHY_S
        while time.monotonic() < end:
            self._ping()
            self._udp_to_guest(500, 2_000, 1)

    def _witness(self):
        """The script as people run it, by busybox' shell, on the CPU that still works."""
        self._machine.guest.run(f"{WITNESS_RUN} {WITNESS_S} > /run/witness.txt", 150)

    def _fill(self):
        self._background("host", "fill", "udp-send", layout.GUEST_IP, UDP_PORT, 100_000, 64, 2_000,
                         64)

    def _dead_queue(self):
        self._fill()
        time.sleep(2)
        self._background("guest", "hog", "hog", HOG_S, "--cpu", 1)
        time.sleep(3)
        self._witness()
        self._stop("guest", "hog")
        self._machine.guest.run("mkdir -p /share/guest && cp /run/witness.txt /share/guest/")
        self._stop("host", "fill")

    def _masked(self):
        self._fill()
        self._mask(1)
        time.sleep(FAULT_S)
        self._mask(0)
        self._stop("host", "fill")

    def _guest_alone(self):
        """A recording in the guest that no network has to do with."""
        own = ("agent-vm1", "guest", "ringside",
               ["record", "--role", "guest", "--name", layout.VM_NAME, "--interval", "500ms", "-o",
                f"{RUN}/vm1.rsi"])
        self._start(*own)
        self._wait_ready("agent-vm1", "guest")
        self.programs = [*self.programs, own]  # stopped with the others
        self._healthy()

    def _mask(self, on):
        said = self._machine.guest.run(self._tool("mask-vector", ETH0_SLOT, RX1_ENTRY, on))
        if f"masked={on}" not in said:
            raise LabError(f"mask-vector: {said}")


def _ringside(binaries, *words):
    run = subprocess.run([binaries["ringside"], *words], stdout=subprocess.PIPE, check=False,
                         env=dict(os.environ, COLUMNS="100"), encoding="utf-8")
    if run.returncode != 0:
        raise LabError(f"ringside {' '.join(words)}: exit {run.returncode}")
    return run.stdout


def _expect(condition, what, shown):
    if not condition:
        raise LabError(f"{what}:\n{shown}")


def _finding(findings, cause, queue):
    found = [f for f in findings if f["id"] == cause and f["queue"].endswith(queue)]
    _expect(found, f"no {cause} of {queue}", json.dumps(findings, indent=1))
    return found[0]


def judge_host_only(binaries, out_dir):
    """The host's file alone, then with the witness' text."""
    host = os.path.join(out_dir, "host1.rsi")
    both = os.path.join(out_dir, "both.rsi")
    text = _ringside(binaries, "explain", host)
    findings = json.loads(_ringside(binaries, "explain", host, "--json"))["findings"]
    for cause, queue in (("dead-queue", "/tap0/rx0"), ("vector-masked", "/tap0/rx1")):
        finding = _finding(findings, cause, queue)
        _expect(not finding["root"], f"{cause} is called a root", text)
        _expect(any("not observable from here" in m for m in finding["missing"]),
                f"{cause} does not say that its root cannot be seen", text)
        _expect(any("witness.sh" in (n["command"] or "") for n in finding["next"]),
                f"{cause} does not say what to run in the guest", text)
    _expect("root not observable from here" in text, "text does not say it", text)
    strange = {f["id"] for f in findings} - {"dead-queue", "vector-masked", "tun-ring-full",
                                             "late-vcpu", "suppressed-stall"}
    _expect(not strange and not any(f["root"] for f in findings if f["id"] != "late-vcpu"),
            f"findings or roots nobody caused: {strange}", text)
    rows = json.loads(_ringside(binaries, "report", host, "--json"))["rows"]
    guest = [name for row in rows for name in row["counts"] if name.startswith("guest.")]
    _expect(not guest, "guest counts without a guest", json.dumps(rows, indent=1))
    _expect(not any(row["verdict"] == "violated" for row in rows), "violated", str(rows))
    print(text)
    _ringside(binaries, "import", os.path.join(out_dir, "witness.txt"), "--node", layout.VM_NAME,
              "--tap", "eth0=tap0", "--clock-bound", CLOCK_BOUND, "--merge", host, "-o", both)
    text = _ringside(binaries, "explain", both)
    print(_ringside(binaries, "report", both, "--wide"), text)
    findings = json.loads(_ringside(binaries, "explain", both, "--json"))["findings"]
    dead = _finding(findings, "dead-queue", "/eth0/rx0")
    said = " ".join(f["text"] for f in dead["for"])
    _expect("napi/eth0-" in said, "the witness' poll thread is not in the evidence", text)
    merged = os.path.join(out_dir, "merged.rsi")
    _ringside(binaries, "merge", host, os.path.join(out_dir, "vm1.rsi"), "-o", merged)
    queues = json.loads(_ringside(binaries, "ledger", merged, "--json"))["queues"]
    rx0 = [q for q in queues if q["queue"] == f"{layout.VM_NAME}/eth0/rx0"]
    _expect(rx0 and rx0[0]["host_queue"] and {"guest.irq", "kvm.injected"} <= set(rx0[0]["counts"]),
            "files recorded without any link are not one story", json.dumps(queues, indent=1))
