# SPDX-License-Identifier: Apache-2.0
"""Scenario hardened: the guest's kernel hides or forbids, step by step; the guest records itself.

* as it is
* kernel.kptr_restrict=2: no address of any symbol
* lockdown=integrity: no PCI resource (the table of MSI-X messages) may be read
* lockdown=confidentiality: no kernel memory; what tracepoints pass as numbers remains

What is counted must be what /proc/interrupts says; what is not must be absent, with the kernel's
reason beside the hook; nothing may fail.
"""

import json
import os
import subprocess

from . import layout
from .errors import LabError
from .first_light import RUN, UDP_PORT, FirstLight

PACKETS = 400
GAP_US = 2_000
QUIET_S = 1
LOCKDOWN = "/sys/kernel/security/lockdown"
# Name, what is set, the rung that remains, a word that every reason of a refusal must have.
STEPS = [
    ("as it is", ":", "tp_btf", ""),
    ("kptr_restrict", "sysctl -q -w kernel.kptr_restrict=2", "tracepoint", "kptr_restrict"),
    ("integrity", f"sysctl -q -w kernel.kptr_restrict=0; echo integrity > {LOCKDOWN}", "tp_btf",
     ""),
    ("confidentiality", f"echo confidentiality > {LOCKDOWN}", "tracepoint", "lockdown"),
]
COUNTS = ("guest.irq", "guest.handled", "guest.none", "guest.proc_irq")
SQL = {"counts": "select queue, stage, outcome, lo, hi, hook from counts",
       "hooks": "select stage, target, rung, state, hits, reason from hook_states"}


class Hardened(FirstLight):
    """One run in a booted Machine. Nothing runs on the host."""

    programs = []

    def _before_programs(self):
        self._machine.guest.run(f"""
            [ -e {LOCKDOWN} ] || mount -t securityfs none /sys/kernel/security
            [[ $(< {LOCKDOWN}) == "[none] "* ]]""")

    def _measure(self):
        self._interrupts = {}
        for number, (name, command, *_) in enumerate(STEPS):
            self._machine.guest.run(command)
            self._timed(name, lambda: self._record(number))
        with open(os.path.join(self._out, "steps.json"), "w", encoding="utf-8") as f:
            json.dump(self._interrupts, f, indent=1)

    def _record(self, number):
        """One recording, from quiet to quiet."""
        name = f"step{number}"
        program = (name, "guest", "ringside",
                   ["record", "--role", "guest", "--name", "vm1", "--interval", "500ms", "-o",
                    f"{RUN}/{name}.rsi"])
        readings = [self._read()]
        self._start_programs([program])
        readings.append(self._read())
        self._receive("guest", "udp", "udp-recv", UDP_PORT, 120, "--idle", 1000)
        self._machine.host.run(self._tool("udp-send", layout.GUEST_IP, UDP_PORT, PACKETS, 64,
                                          GAP_US, 64), 90)
        self._received("guest", "udp")
        self._ping()
        self._machine.guest.run(f"sleep {QUIET_S}")
        readings.append(self._read())
        self._stop_programs([program])
        readings.append(self._read())
        outer, inner = (readings[0], readings[3]), (readings[1], readings[2])
        self._interrupts[name] = {queue: [last[queue] - first[queue] for first, last in
                                          (inner, outer)] for queue in outer[0]}

    def _read(self):
        """Interrupts of eth0's queues since boot, by name (virtio1-input.0)."""
        text = self._machine.guest.run(
            "device=$(readlink /sys/class/net/eth0/device); echo ${device##*/}\n"
            "cat /proc/interrupts")
        device = text.split(maxsplit=1)[0]
        found = {}
        for line in text.splitlines():
            words = line.split()
            if words and words[-1].startswith(device + "-") and "put." in words[-1]:
                found[words[-1]] = sum(int(word) for word in words[1:3])
        if len(found) != 4 or not all(name.startswith(device) for name in found):
            raise LabError(f"eth0's interrupts are {found}")
        return found


def _queue_of(interrupt):
    """virtio1-input.0 is eth0/rx0."""
    direction, number = interrupt.split("-")[1].split("put.")
    return f"eth0/{'rx' if direction == 'in' else 'tx'}{number}"


def _judge_step(step, interrupts, counts, hooks):
    """What is wrong with one step, as lines. interrupts: while and around it was recorded."""
    name, _, rung, word = step
    wrong = []
    used = {h["rung"] for h in hooks
            if h["stage"] == "guest.irq" and h["state"] not in ("refused", "unneeded")}
    if used != {rung}:
        wrong.append(f"guest.irq by {used}, not {rung}")
    reasons = [h["reason"] or "" for h in hooks if h["state"] == "refused"]
    if word and not any(word in reason for reason in reasons) or "" in reasons:
        wrong.append(f"refused for {reasons}")
    for interrupt, (least, most) in interrupts.items():
        queue = _queue_of(interrupt)
        mine = {f"{c['stage']}.{c['outcome']}": c for c in counts if c["queue"] == queue}
        missing = [count for count in COUNTS if count not in mine]
        if missing:
            wrong.append(f"{queue}: not observed: {missing}")
            continue
        for count in ("guest.irq", "guest.proc_irq"):
            cell = mine[count]
            if cell["lo"] > most or (cell["hi"] is not None and cell["hi"] < least):
                wrong.append(f"{queue} {count}: {cell}, the kernel counted {least} to {most}")
    return [f"{name}: {line}" for line in wrong]


def judge_hardened(binaries, out_dir):
    """Every step against what the kernel counted; the reasons are printed."""
    with open(os.path.join(out_dir, "steps.json"), encoding="utf-8") as f:
        steps = json.load(f)
    wrong = []
    for number, step in enumerate(STEPS):
        path = os.path.join(out_dir, f"step{number}.rsi")
        tables = {name: json.loads(subprocess.run(
            [binaries["ringside"], "sql", path, "--json", sql], check=True,
            stdout=subprocess.PIPE).stdout)["rows"] for name, sql in SQL.items()}
        print(f"== {step[0]}: /proc/interrupts {steps[f'step{number}']}")
        for reason in sorted({h["reason"] for h in tables["hooks"] if h["state"] == "refused"}):
            print(f"refused: {reason}")
        subprocess.run([binaries["ringside"], "report", path], check=True,
                       env=dict(os.environ, COLUMNS="130"))
        wrong += _judge_step(step, steps[f"step{number}"], tables["counts"], tables["hooks"])
    if wrong:
        raise LabError("\n".join(wrong))
