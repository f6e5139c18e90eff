#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds ringside's ledger of a first-light run against what both kernels and the senders counted.

    tests/lab/check_first_light.py OUT_DIR [LEDGER.json]

OUT_DIR is what `tests/lab/run ... --out` left (oracles.json), LEDGER.json what
`ringside ledger INCIDENT --json` printed for the whole recording (left out: only the oracles are
checked, among themselves). The measured net is quiet when the agents start and stop, so a count
over the whole recording must contain the oracle's difference between the first and the last quiet
moment. A ledger cut at positions leaves out the entries before its first and after its last common
mark: its counts may be smaller by as many, not more.
Prints a line per check; exit 0 if all hold, 1 if one fails, 2 on usage.
"""

import json
import os
import sys

MARKS_MIN = 50
OUTSIDE_MAX = 512  # a mark's distance at either end
QUEUES = ("rx0", "tx0", "rx1", "tx1")


class Report:
    """Collects the outcome of each check."""

    def __init__(self):
        self.failed = 0

    def expect(self, holds, name, detail):
        self.failed += not holds
        print(f"{'ok  ' if holds else 'FAIL'} {name}: {detail}")

    def contains(self, interval, value, name):
        self.near(interval, value, 0, name)

    def near(self, interval, value, below, name):
        """The interval reaches into value - below .. value."""
        wanted = {"lo": value - below, "hi": value}
        self.expect(interval is not None and overlap(interval, wanted), name,
                    f"{show(interval)} meets {show(wanted)}")


def show(interval):
    return "-" if interval is None else f"{interval['lo']}..{interval['hi']}"


def overlap(left, right):
    return all(a["hi"] is None or b["lo"] <= a["hi"] for a, b in ((left, right), (right, left)))


def add(intervals):
    """The sum of intervals; None if one was never observed, open upwards if one is."""
    if any(i is None for i in intervals):
        return None
    his = [i["hi"] for i in intervals]
    return {"lo": sum(i["lo"] for i in intervals), "hi": None if None in his else sum(his)}


def count(queue, name):
    return queue["counts"].get(name)


def measured_queues(ledger, oracles):
    """rx0 -> the ledger's entry for that queue of the measured NIC."""
    prefix = f"{oracles['nodes']['guest']}/{oracles['measured']['netdev']}/"
    mine = [q for q in ledger["queues"] if (q["queue"] or "").startswith(prefix)]
    return {q["queue"][len(prefix):]: q for q in mine}


def irq_name(oracles, name):
    kind = "input" if name.startswith("rx") else "output"
    return f"{oracles['measured']['virtio']}-{kind}.{name[2:]}"


def outside_cut(queue, packets):
    """Entries of the recording that the ledger's counts leave out.

    It counts from one mark, common to both sides, to another, in each epoch. packets: the driver's
    count, each at least one entry. guest.used is of the whole recording, vhost.used of the cut.
    """
    guest, host = count(queue, "guest.used"), count(queue, "vhost.used")
    if not guest or not host:
        return 0
    return max(packets, guest["lo"]) - host["lo"]


def check_binding(report, name, queue, oracles):
    host = f"{oracles['nodes']['host']}/{oracles['measured']['tap']}/{name}"
    report.expect(queue["host_queue"] == host, f"{name} binding",
                  f"{queue['host_queue']} is {host}")
    report.expect(queue["irq_name"] == irq_name(oracles, name), f"{name} irq name",
                  queue["irq_name"])


def check_guest(report, name, queue, oracles):
    guest = oracles["totals"]["guest"]
    interrupts = guest["interrupts"][irq_name(oracles, name)]
    packets = guest["packets"][name]
    # An entry outside the cut has at most one interrupt of its own.
    outside = outside_cut(queue, packets)
    cut = queue["binding"].get("cut", {})
    report.expect(0 <= outside <= OUTSIDE_MAX, f"{name} cut",
                  f"leaves out {outside} entries, epochs {cut.get('epochs')}")
    if cut.get("by") == "position" and cut["epochs"] == 1:
        report.contains(count(queue, "vhost.used"), cut["to"] - cut["from"],
                        f"{name} vhost.used = the cut's positions")
    if name.startswith("rx"):
        report.contains(count(queue, "guest.packets"), packets,
                        f"{name} guest.packets = the driver's count")
        used = count(queue, "vhost.used")
        # A large packet takes several entries, so packets are only a lower limit here.
        least = packets - outside
        enough = used is not None and (used["hi"] is None or used["hi"] >= least)
        report.expect(enough, f"{name} vhost.used", f"{show(used)} at least {least} packets")
    else:
        report.near(count(queue, "vhost.used"), packets, outside,
                    f"{name} vhost.used = packets the driver sent")


def check_both_sides(report, name, queue):
    host, guest = count(queue, "vhost.used"), count(queue, "guest.used")
    # The guest's is of the whole recording, the host's of the cut.
    report.expect(bool(host and guest and guest["lo"] - host["lo"] <= OUTSIDE_MAX),
                  f"{name} used entries of both sides", f"{show(host)} and {show(guest)}")
    violated = [i["id"] for i in queue["identities"] if i["verdict"] == "violated"]
    report.expect(not violated, f"{name} no identity violated", ", ".join(violated) or "none")
    held = [i["id"] for i in queue["identities"] if i["verdict"] == "holds"]
    report.expect(bool(held), f"{name} some identity holds", ", ".join(held) or "none")
    marks = queue["binding"].get("cut", {}).get("marks", 0)
    report.expect(marks >= MARKS_MIN, f"{name} common marks", f"{marks} of {MARKS_MIN}")


def check_tap(report, queues, oracles):
    """The tap's totals: what its driver was offered is what vhost took plus what overflowed."""
    tap = oracles["totals"]["host"]["tap0"]
    receive = [queues[n] for n in QUEUES if n.startswith("rx") and n in queues]
    offered = tap["tx_packets"] + tap["tx_dropped"]
    for name, value in (("tun.offered", offered), ("tun.dropped", tap["tx_dropped"]),
                        ("tun.enqueued", tap["tx_packets"])):
        report.contains(add([count(q, name) for q in receive]), value,
                        f"{name} of all rx queues = tap0")


def held_back(oracles, phase):
    """Packets of a phase that the guest's queueing disciplines dropped, or still have."""
    before, after = (oracles["snapshots"][phase[k]]["guest"].get("qdisc", {})
                     for k in ("from", "to"))
    return sum(after[leaf][n] - before[leaf][n] for leaf in after for n in ("dropped", "waiting"))


def check_oracles(report, oracles):
    """The oracles among themselves: where these fail, the lab is wrong, not ringside."""
    for phase in oracles["phases"]:
        before, after = (oracles["snapshots"][phase[k]]["host"]["tap0"] for k in ("from", "to"))
        tap = {name: after[name] - before[name] for name in after}
        sent = sum(t["counts"].get("sent", 0) for t in phase["traffic"])
        name = phase["name"]
        if name.startswith("udp-to-guest"):
            report.expect(sent == tap["tx_packets"] + tap["tx_dropped"], f"oracles {name}",
                          f"sent {sent} = passed {tap['tx_packets']} + dropped {tap['tx_dropped']}")
        elif name.startswith("udp-to-host"):
            held = held_back(oracles, phase)
            report.expect(sent == tap["rx_packets"] + held, f"oracles {name}",
                          f"sent {sent} = passed {tap['rx_packets']} + held back {held}")
    least = min(oracles["totals"]["guest"]["packets"].values())
    report.expect(least >= 20_000, "oracles packets per queue", f"at least {least}")


def check_whole(report, counts, oracles):
    """Over the whole recording, exactly: interrupts, and what the sender gave to the tap."""
    whole = {}
    for row in counts["rows"]:
        key = (row["node"], row["queue"], f"{row['stage']}.{row['outcome']}")
        whole[key] = add([whole.get(key, {"lo": 0, "hi": 0}), row])
    guest, netdev = oracles["nodes"]["guest"], oracles["measured"]["netdev"]
    for name in QUEUES:
        interrupts = oracles["totals"]["guest"]["interrupts"][irq_name(oracles, name)]
        queue = f"{netdev}/{name}"
        report.contains(whole.get((guest, queue, "guest.irq")), interrupts,
                        f"{name} guest.irq = /proc/interrupts")
        report.contains(whole.get((guest, queue, "guest.proc_irq")), interrupts,
                        f"{name} guest.proc_irq = /proc/interrupts")
        report.contains(add([whole.get((guest, queue, f"guest.{n}")) for n in ("handled", "none")]),
                        interrupts, f"{name} guest.handled + guest.none = /proc/interrupts")


def check_merged(report, name, queue, merged):
    """Two files recorded side by side say what the collector says, at the same positions."""
    report.expect(merged is not None, f"{name} merged", "there" if merged else "missing")
    if merged is None:
        return
    cuts = [q["binding"]["cut"] for q in (queue, merged)]
    report.expect(all(c["by"] == "position" for c in cuts), f"{name} merged cut", "by position")
    edges = [(c.get("from"), c.get("to"), c.get("epochs")) for c in cuts]
    report.expect(edges[0] == edges[1], f"{name} merged cut", f"{edges[0]} is {edges[1]}")
    verdicts = [{i["id"]: i["verdict"] for i in q["identities"]} for q in (queue, merged)]
    report.expect(verdicts[0] == verdicts[1], f"{name} merged verdicts", str(len(verdicts[0])))
    at_cut = ["vhost.batches", "vhost.signalled", "vhost.suppressed", "vhost.used", "irqfd.woken",
              "kvm.injected", "guest.irq", "guest.handled", "guest.none"]
    different = [n for n in at_cut if count(queue, n) != count(merged, n)]
    report.expect(not different, f"{name} merged counts", ", ".join(different) or "equal")


def read(out_dir, name):
    with open(os.path.join(out_dir, name), encoding="utf-8") as f:
        return json.load(f)


def main():
    if len(sys.argv) not in (2, 3) or sys.argv[2:] not in ([], ["--with-ringside"]):
        print(__doc__, file=sys.stderr)
        return 2
    oracles = read(sys.argv[1], "oracles.json")
    report = Report()
    check_oracles(report, oracles)
    if len(sys.argv) == 3:
        queues = measured_queues(read(sys.argv[1], "ledger.json"), oracles)
        merged = measured_queues(read(sys.argv[1], "merged.json"), oracles)
        check_whole(report, read(sys.argv[1], "counts.json"), oracles)
        for name in QUEUES:
            report.expect(name in queues, f"{name} in the ledger",
                          "there" if name in queues else "missing")
            if name in queues:
                check_binding(report, name, queues[name], oracles)
                check_guest(report, name, queues[name], oracles)
                check_both_sides(report, name, queues[name])
                check_merged(report, name, queues[name], merged.get(name))
        check_tap(report, queues, oracles)
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
