# SPDX-License-Identifier: Apache-2.0
"""Scenario clocks: one clock for host and guest, and where packets spend their time.

Details of both sides are recorded. In one part nothing happens; in one QEMU is stopped for a moment
again and again while vhost goes on; in one other work takes the CPU that the vCPUs run on. What the
stops were is measured where they are made. The quiet part must show neither.
"""

import json
import os

from . import layout
from .disturb import HOGS, HOG_S
from .first_light import PROGRAMS, recorder
from .windows import Told, Windows, cut, expect, read_windows

STOPS = 12
STOP_S = 0.02
WISHES = {"host1": ["tap0/rx*", "*/vcpu*"], "vm1": ["*0/rx?"]}
# Of a stop, so much at least is seen by a packet that meets it at a random time.
SEEN_SHARE = 0.5
STOPPED = "vcpu-woken"


def _recorder(name, collector):
    wishes = [word for wish in WISHES[name] for word in ("--detail", wish)]
    return [*recorder(name, collector), *wishes]


class Clocks(Windows):
    """One run in a booted Machine."""

    entries_min = 0
    programs = [PROGRAMS[0],
                ("agent-host1", "host", "ringside", _recorder("host1", "127.0.0.1")),
                ("agent-vm1", "guest", "ringside", _recorder("vm1", layout.HOST_CONTROL_IP))]

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self._stops_s = []

    def _all_traffic(self):
        for part in ("healthy", "stopped", "hogs"):
            self._window(part, getattr(self, "_" + part))

    def _noted_once(self):
        return {"stops_s": self._stops_s}

    def _flow(self, count=1_500, gap_us=2_000):
        return self._udp_to_guest(count, gap_us, 1)

    def _healthy(self):
        return [*self._ping(), *self._flow()]

    def _stopped(self):
        """Stops one after the other under a flow, each measured between its two signals."""
        self._machine.host.run(f"""
            qemu=$(cat /run/guest.pid)
            {{ nap 1
               for i in {' '.join(map(str, range(STOPS)))}; do
                 kill -STOP $qemu; from=${{EPOCHREALTIME/./}}; nap {STOP_S}
                 to=${{EPOCHREALTIME/./}}; kill -CONT $qemu
                 echo $((to - from)); nap 0.2
               done; echo end; }} > /run/stops.out 2>&1 < /dev/null &""")
        sent = self._flow(4_000)
        text = self._machine.host.run("""
            over() { [[ $(< /run/stops.out) == *end* ]]; }
            wait_for 30 over
            echo "$(< /run/stops.out)" """, 60)
        self._stops_s = [int(line) / 1e6 for line in text.split() if line.isdigit()]
        return sent

    def _hogs(self):
        """Other work on the CPU of the vCPUs; every count stays healthy."""
        self._machine.host.run(f"""
            for i in {' '.join(map(str, range(HOGS)))}; do
              timeout {HOG_S} bash -c 'while :; do :; done' < /dev/null > /dev/null 2>&1 &
            done""")
        return self._flow(2_500)


def _latency(told, *more):
    return json.loads(told.text("latency", told.path, "--json", *more))["rows"]


def _rx(rows):
    found = [row for row in rows if "/eth0/rx" in row["queue"] and row["journeys"]]
    expect(found, "no journey to the guest", rows)
    return found


def _check_page(binaries, out_dir):
    """What each source says of guest and host, on one page: they meet wherever they speak."""
    told = Told(binaries, os.path.join(out_dir, "store"))
    rows = json.loads(told.text("clocks", told.path, "--json"))["rows"]
    row = next((r for r in rows if r["node"] == "vm1" and r["against"] == "host1"), None)
    expect(row, "vm1's clock is held against nothing of host1", rows)
    spoke, apart = {}, []
    for moment in row["moments"]:
        ways = moment["ways"]
        for name in ways:
            spoke[name] = spoke.get(name, 0) + 1
        lo = max(ways, key=lambda n: ways[n]["lo_ns"], default=None)
        hi = min(ways, key=lambda n: ways[n]["hi_ns"], default=None)
        if lo and ways[lo]["lo_ns"] > ways[hi]["hi_ns"]:
            apart.append((moment["t"], lo, ways[lo], hi, ways[hi]))
    print(f"clocks of vm1 and host1: {row['trust']}, bound +-{row['bound_ns']} ns, sources at"
          f" {len(row['moments'])} moments: {spoke}; notes {row['notes']}")
    expect(not apart, "sources do not meet", apart[:3])
    expect(row["trust"] == "good" and row["disagreeing"] == 0, "clocks disagree", row["events"])
    for name in ("queues", "exchange"):
        expect(spoke.get(name, 0) >= 20, f"too little of {name}", spoke)
    expect(spoke.get("TSC offset", 0) + spoke.get("ptp_kvm", 0) >= 20, "nothing of KVM", spoke)


def _check_sums(name, rows):
    for row in rows:
        share = row["journeys"] / max(1, row["unfollowed"]["entries"])
        print(f"{name} {row['queue']}: {row['journeys']} journeys ({share:.0%}), bound"
              f" +-{row['bound_ns']} ns, sums {row['sums']}")
        expect(row["sums"]["checked"] > 0 and row["sums"]["wrong"] == 0, "sums do not agree", row)
    journeys = sum(row["journeys"] for row in rows)
    entries = sum(row["unfollowed"]["entries"] for row in rows)
    expect(journeys > 0.8 * entries, f"{name}: {journeys} of {entries} entries followed", rows)


def _stages(rows, to):
    """Lengths of one stage in single journeys, in seconds, by when they began."""
    return [(journey["t"], (stage["lo_ns"] + stage["hi_ns"]) / 2e9)
            for row in rows for journey in row["over"] for stage in journey["stages"]
            if stage["to"] == to]


def _check_stops(quiet, stopped, stops_s):
    """Each stop of 20 ms is the vCPU's, in journeys that it hit, and no longer than it was."""
    over = f"{int(STOP_S * SEEN_SHARE * 1e3)}ms"
    long = {name: [s for _, s in _stages(_rx(_latency(told, "--over", over)), STOPPED)
                   if s >= STOP_S * SEEN_SHARE]
            for name, told in (("quiet", quiet), ("stopped", stopped))}
    print(f"stops {[round(s * 1e3, 1) for s in stops_s]} ms; vCPU stages of journeys"
          f" {[round(s * 1e3, 1) for s in sorted(long['stopped'])]} ms")
    expect(len(stops_s) == STOPS, "stops were not measured", stops_s)
    expect(not long["quiet"], "a stopped vCPU where nobody stopped it", long)
    # A packet each 2 ms: nearly every stop is met early.
    expect(len(long["stopped"]) >= STOPS / 2, "stops are not seen as a stage of the vCPU", long)
    most = max(stops_s)
    expect(any(s >= STOP_S * 0.8 for s in long["stopped"]), "no stage as long as a stop", long)
    expect(all(s <= most + 0.01 for s in long["stopped"]), "a stage longer than any stop", long)


def _run_delay(rows):
    """How long a packet's vCPU had no CPU (p90), and the share of that in the slow tail."""
    waits = [row["vcpu_wait"] for row in rows]
    p90s = [(w["p90"]["lo_ns"] + w["p90"]["hi_ns"]) / 2 for w in waits]
    return max(p90s) / 1e9, max(w["tail_share"] for w in waits)


def _check_hogs(quiet, hogs):
    before, after = _run_delay(_rx(_latency(quiet))), _run_delay(_rx(_latency(hogs)))
    print(f"vCPU waits for a CPU (p90, share of slow tail): quiet {before}, with hogs {after}")
    hogs.expect_nothing_violated()
    expect(after[0] > 3 * before[0] and after[1] > 0.5, "other work does not show as run delay",
           (before, after))


def judge_clocks(binaries, out_dir):
    noted = read_windows(out_dir)
    told = {name: cut(binaries, out_dir, name, window)
            for name, window in noted["windows"].items()}
    _check_page(binaries, out_dir)
    for name in told:
        _check_sums(name, _rx(_latency(told[name])))
    _check_stops(told["healthy"], told["stopped"], noted["stops_s"])
    _check_hogs(told["healthy"], told["hogs"])
    print(told["stopped"].text("latency", told["stopped"].path))
