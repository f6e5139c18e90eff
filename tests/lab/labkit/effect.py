# SPDX-License-Identifier: Apache-2.0
"""Scenario effect: the same traffic with and without a tool that measures it.

In turn, in one boot: nothing; `ringside record` in host and guest, with a snapshot each 10 s (as
agents at rest send them) and at its usual rhythm; bpftrace in host and guest, with a count on each
hook point that ringside uses. Each time a flow to a busy poller and pings; counted by the guest's
own /proc/interrupts and by a histogram of its function tracer, which is there all the time. Then
one more round of each tool with the kernel's statistics of BPF programs on: how often each ran, and
for how long. Leaves effect.json.
"""

import json
import os
import re
import time

from . import layout
from .errors import LabError
from .first_light import NO_CEILING, READY, RUN, UDP_PORT
from .light import BUSY_POLL_US, Light

ROUNDS = 10
PACKETS = 1_000
GAP_US = 1_000
PINGS = 200
BPFTRACE_READY_S = 120
BPFTRACE = {
    "guest": "tracepoint:irq:irq_handler_entry { @e[args->irq] = count(); }"
             " tracepoint:irq:irq_handler_exit { @x[args->irq, args->ret] = count(); }"
             " tracepoint:napi:napi_poll { @p[args->budget] = count(); }",
    "host": "kprobe:tun_net_xmit { @t = count(); } kretprobe:tun_net_xmit { @d[retval] = count(); }"
            " kprobe:vhost_add_used_and_signal_n { @b[arg1] = count(); }"
            " kretprobe:vhost_add_used_and_signal_n { @l = count(); }"
            " kprobe:eventfd_signal_mask { @s[arg0] = count(); }"
            " kprobe:irqfd_wakeup { @w[arg0] = count(); }"
            " kprobe:kvm_arch_set_irq_inatomic { @i = count(); }"
            " kretprobe:kvm_arch_set_irq_inatomic { @r[retval] = count(); }"
            " kprobe:__apic_accept_irq { @a[arg2] = count(); }"
            " tracepoint:kvm:kvm_inj_virq { @v[args->vector] = count(); }"}
TOOLS = ("nothing", "resting", "recording", "bpftrace")
# Two-sided 95% of Student's t with ROUNDS - 1 degrees of freedom.
STUDENT = 2.26
# The host's time is all that its CPUs ran, the guest's vCPUs and what is hooked there included.
METRICS = (("cpu_us", "CPU time of host and guest per ping, us"),
           ("interrupts", "RX interrupts per 1,000 packets"), ("none", "% of them without work"),
           ("rtt_us", "median round trip, us"))


class Effect(Light):
    """One run in a booted Machine; starts what it needs itself."""

    programs = []

    def _before_programs(self):
        super()._before_programs()
        self._rounds = {tool: [] for tool in TOOLS}
        self._machine.guest.run("""
            cd /sys/kernel/tracing/events/irq/irq_handler_exit
            echo 'hist:keys=irq,ret' > trigger""")

    def _measure(self):
        self._round()  # everything once in memory
        for number in range(ROUNDS):
            first = number % len(TOOLS)
            for tool in TOOLS[first:] + TOOLS[:first]:
                getattr(self, "_start_" + tool)()
                time.sleep(1)
                self._rounds[tool].append(self._round())
                getattr(self, "_stop_" + tool)()
            self._log(f"  round {number + 1}: "
                      + "; ".join(f"{t} {self._rounds[t][-1]}" for t in TOOLS))
        programs = {tool: self._cost(tool) for tool in TOOLS[1:]}
        with open(os.path.join(self._out, "effect.json"), "w", encoding="utf-8") as f:
            json.dump({"schema": 1, "release": self._machine.kernel.release,
                       "rounds": self._rounds, "programs": programs}, f, indent=1)

    def _cost(self, tool):
        """Of one round: {side: {program: [runs, ns]}}"""
        found = {}
        getattr(self, "_start_" + tool)()
        self._each_side("echo 1 > /proc/sys/kernel/bpf_stats_enabled")
        self._round()
        for side, said in self._each_side("bpftool -j prog show").items():
            programs = found[side] = {}
            for program in json.loads(said):
                if program.get("run_cnt"):
                    sums = programs.setdefault(program.get("name", "unnamed"), [0, 0])
                    sums[0] += program["run_cnt"]
                    sums[1] += program["run_time_ns"]
        self._each_side("echo 0 > /proc/sys/kernel/bpf_stats_enabled")
        getattr(self, "_stop_" + tool)()
        return found

    def _each_side(self, command):
        return {side: self._sides[side].run(command) for side in ("host", "guest")}

    def _handlers(self):
        """Of rx0 and rx1: (all interrupts, those whose handler found nothing)"""
        text = self._machine.guest.run("""
            cat /proc/interrupts /sys/kernel/tracing/events/irq/irq_handler_exit/hist""")
        irqs = re.findall(r"^ *(\d+):((?: +\d+)+) .* virtio0-input\.\d+$", text, re.MULTILINE)
        ends = re.findall(r"irq: +(\d+), ret: +(\d+) +\} hitcount: +(\d+)", text)
        return (sum(sum(map(int, counts.split())) for _, counts in irqs),
                sum(int(hits) for irq, ret, hits in ends
                    if ret == "0" and irq in {number for number, _ in irqs}))

    def _round(self):
        before = self._handlers()
        self._receive("guest", "udp", "udp-recv", UDP_PORT, 120, "--idle", 500, "--cpu", 1,
                      "--busy-poll", BUSY_POLL_US)
        self._machine.host.run(
            self._tool("udp-send", layout.GUEST_IP, UDP_PORT, PACKETS, 64, GAP_US, 1), 90)
        self._received("guest", "udp")
        after = self._handlers()
        ping = self._machine.host.run(f"""
            ran() {{
              awk '/^cpu/ {{ ns += $8 }} END {{ printf "ran %.0f\\n", ns }}' /proc/schedstat
            }}
            ran; ping -n -c {PINGS} -i 0.005 {layout.GUEST_IP}; ran""", 90)
        first, last = map(int, re.findall(r"^ran (\d+)$", ping, re.MULTILINE))
        times = sorted(float(ms) for ms in re.findall(r"time=([\d.]+) ms", ping))
        interrupts = after[0] - before[0]
        return {"interrupts": round(1000 * interrupts / PACKETS, 1),
                "none": round(100 * (after[1] - before[1]) / max(1, interrupts), 2),
                "cpu_us": round((last - first) / 1000 / PINGS, 1),
                "rtt_us": round(1000 * times[len(times) // 2], 1)}

    def _start_nothing(self):
        pass

    _stop_nothing = _start_nothing

    def _start_recording(self, *more):
        for side, name in (("host", "host1"), ("guest", "vm1")):
            words = " ".join((*NO_CEILING, *more))
            self._launch(side, f"{self._binaries['ringside']} record --role {side} --name {name} -q"
                               f" {words} -o {RUN}/effect.rsi", READY, 90)

    def _start_resting(self):
        self._start_recording("--interval", "10s")

    def _start_bpftrace(self):
        for side, programs in BPFTRACE.items():
            self._launch(side, f"bpftrace -e '{programs}'", "Attaching", BPFTRACE_READY_S)

    def _stop_recording(self):
        for side in ("guest", "host"):
            self._end(side)

    _stop_resting = _stop_recording

    def _stop_bpftrace(self):
        for side in ("guest", "host"):  # its own end takes a minute now and then
            self._sides[side].run(f"kill -KILL $(cat {RUN}/effect.pid)")
        time.sleep(1)

    def _launch(self, side, command, ready, within_s):
        said = self._sides[side].run(f"""
            mkdir -p {RUN}; rm -f {RUN}/effect.*; > {RUN}/effect.log
            {command} > {RUN}/effect.log 2>&1 < /dev/null &
            echo $! > {RUN}/effect.pid
            says_ready() {{ [[ $(< {RUN}/effect.log) == *{ready}* ]]; }}
            wait_for {within_s} says_ready || cat {RUN}/effect.log""", within_s * 2)
        if said:
            raise LabError(f"{command} did not start:\n{said}")

    def _end(self, side):
        self._sides[side].run(f"""
            pid=$(cat {RUN}/effect.pid)
            kill -INT $pid && wait_for 60 "! kill -0 $pid 2> /dev/null" """, 120)

    def _stop_programs(self):
        pass


def _difference(rounds, tool, metric, other="nothing"):
    """Mean of the rounds' differences to the other, and the ends of its 95% interval."""
    found = [with_it[metric] - without[metric]
             for with_it, without in zip(rounds[tool], rounds[other])]
    mean = sum(found) / len(found)
    spread = (sum((d - mean) ** 2 for d in found) / (len(found) - 1)) ** 0.5
    half = STUDENT * spread / len(found) ** 0.5
    return mean, mean - half, mean + half


def judge_effect(_binaries, out_dir):
    """Prints what each tool changes, and ringside against bpftrace.

    Agents at rest must not lie above it, round by round. Recording reads everything each 100 ms,
    while bpftrace says nothing until its end: it must not lie above beyond both intervals.
    """
    with open(os.path.join(out_dir, "effect.json"), encoding="utf-8") as f:
        result = json.load(f)
    rounds = result["rounds"]
    above = []
    for metric, words in METRICS:
        base = sum(r[metric] for r in rounds["nothing"]) / ROUNDS
        print(f"{words}: {base:.1f} with nothing")
        theirs = max(map(abs, _difference(rounds, "bpftrace", metric)))
        for tool in TOOLS[1:]:
            mean, lo, hi = _difference(rounds, tool, metric)
            if tool != "bpftrace" and abs(mean) - (hi - mean) > theirs:
                above.append(f"{tool} changes {words} more than bpftrace, beyond both intervals")
            line = f"  {tool:<10}{mean:+9.1f} [{lo:+.1f}, {hi:+.1f}]"
            if tool != "bpftrace":
                mean, lo, hi = _difference(rounds, tool, metric, "bpftrace")
                line += f"   than bpftrace {mean:+.1f} [{lo:+.1f}, {hi:+.1f}]"
                if lo > 0 and tool == "resting":
                    above.append(f"at rest ringside changes {words} more than bpftrace does")
            print(line)
    for tool, sides in result["programs"].items():
        runs, ns = (sum(p[i] for side in sides.values() for p in side.values()) for i in (0, 1))
        print(f"{tool}: programs ran {runs} times, {ns / 1e6:.1f} ms, in one round")
    if above:
        raise LabError("\n".join(above))
