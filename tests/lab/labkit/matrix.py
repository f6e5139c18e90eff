# SPDX-License-Identifier: Apache-2.0
"""The matrix: which stage is counted on which kernel by which rung, and whether it agrees.

Each row is a run of scenario `light`, in VMs of its own. A cell says what really attached and was
hit, and holds the count of the whole recording against what the kernels and the senders counted
themselves. Where nothing could be attached it says why.
"""

import json
import os
import sqlite3

from . import layout

# Options of tests/lab/run, and a name. A new architecture or kernel is a line.
ROWS = [
    ("5.10 / 6.1", ["x86", "--kernel", "5.10", "--guest-kernel", "6.1"]),
    ("6.1 / 5.10", ["x86", "--kernel", "6.1", "--guest-kernel", "5.10"]),
    ("6.1 / 6.1", ["x86", "--kernel", "6.1"]),
    ("6.12 / 6.12", ["x86", "--kernel", "6.12"]),
    ("6.1 / 6.1 kprobe, tracepoint",
     ["x86", "--kernel", "6.1", "--host-rung", "kprobe", "--guest-rung", "tracepoint"]),
    ("6.12 / 6.12 kprobe, procfs",
     ["x86", "--kernel", "6.12", "--host-rung", "kprobe", "--guest-rung", "procfs"]),
    ("arm64 5.10 / 6.1", ["arm64", "--kernel", "5.10", "--guest-kernel", "6.1"]),
    ("arm64 6.1 / 5.10", ["arm64", "--kernel", "6.1", "--guest-kernel", "5.10"]),
    ("arm64 6.1 / 6.1", ["arm64", "--kernel", "6.1"]),
    ("arm64 6.12 / 6.12", ["arm64", "--kernel", "6.12"]),
]

# Side, stage as the hooks name it, the count shown for it.
STAGES = [
    ("host", "tun.offered", "tun.offered"),
    ("host", "tun.dropped", "tun.dropped"),
    ("host", "vhost.batches", "vhost.batches"),
    ("host", "vhost.signalled", "vhost.signalled"),
    ("host", "irqfd.woken", "irqfd.woken"),
    ("host", "kvm.injected", "kvm.injected"),
    ("host", "kvm.merged", "kvm.merged"),
    ("host", "vgic.queued", "vgic.queued"),
    ("host", "vgic.populated", "vgic.populated"),
    ("host", "kvm.taken", "kvm.taken"),
    ("host", "kvm.slowpath", "kvm.slowpath"),
    ("host", "eventfd.written", "eventfd.written"),
    ("guest", "guest.irq", "guest.irq"),
    ("guest", "guest.handled", "guest.handled"),
    ("guest", "guest.napi", "guest.packets"),
    ("guest", "guest.proc_irq", "guest.proc_irq"),
]
NODES = {"host": ("host1", "tap0/"), "guest": ("vm1", "eth0/")}


ATTACHED = (0, 3, 4, 5)  # unproven, proven, silent, lossy


def _hooks(out_dir, side):
    """stage -> [(rung, hits, attached, reason)] of that side's recording."""
    path = os.path.join(out_dir, NODES[side][0] + ".rsi")
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as base:
        rungs = dict(base.execute("SELECT id, name FROM enum_names WHERE what = 'rung'"))
        rows = base.execute("""
            SELECT h.stage, h.rung, h.state, h.reason, max(coalesce(s.hits, 0))
            FROM hooks h LEFT JOIN hook_samples s ON s.hook = h.hook GROUP BY h.hook""").fetchall()
    stages = {}
    for stage, rung, state, reason, hits in rows:
        stages.setdefault(stage, []).append((rungs[rung], hits, state in ATTACHED, reason))
    return stages


def _totals(out_dir):
    """(side, count) -> {lo, hi, rungs} over the measured queues and the whole recording."""
    with open(os.path.join(out_dir, "counts.json"), encoding="utf-8") as f:
        rows = json.load(f)["rows"]
    totals = {}
    for row in rows:
        for side, (node, prefix) in NODES.items():
            if row["node"] != node or not row["queue"].startswith(prefix):
                continue
            name = f"{row['stage']}.{row['outcome']}" if row["outcome"] else row["stage"]
            sums = totals.setdefault((side, name, row["hook"]), {"lo": 0, "hi": 0})
            sums["lo"] += row["lo"]
            sums["hi"] = None if None in (sums["hi"], row["hi"]) else sums["hi"] + row["hi"]
    return totals


def _oracles(out_dir):
    """(side, count) -> what others counted of the same, or None."""
    with open(os.path.join(out_dir, "oracles.json"), encoding="utf-8") as f:
        oracles = json.load(f)
    host, guest = oracles["totals"]["host"]["tap0"], oracles["totals"]["guest"]
    virtio = oracles["measured"]["virtio"]
    interrupts = sum(n for name, n in guest["interrupts"].items()
                     if name.startswith(f"{virtio}-") and "put." in name)
    received = sum(n for name, n in guest["packets"].items() if name.startswith("rx"))
    return {
        ("host", "tun.offered"): (host["tx_packets"] + host["tx_dropped"], "tap0's statistics"),
        ("host", "tun.dropped"): (host["tx_dropped"], "tap0's statistics"),
        ("guest", "guest.irq"): (interrupts, "/proc/interrupts"),
        ("guest", "guest.proc_irq"): (interrupts, "/proc/interrupts"),
        ("guest", "guest.packets"): (received, "the driver's statistics"),
    }, oracles


def _cell(side, stage, count, hooks, totals, oracles):
    attached = [h for h in hooks.get(stage, []) if h[2]]
    counted = [(rung, value) for (s, name, rung), value in totals.items()
               if s == side and name == count]
    cell = {"side": side, "stage": stage, "count": count}
    if not attached:
        reasons = sorted({reason for *_, reason in hooks.get(stage, []) if reason})
        cell["why"] = "; ".join(reasons) or "no such hook on this architecture"
        return cell
    # Of several hooks for one count, the reader takes the one that saw most.
    cell["rung"], cell["hits"] = max(((h[0], h[1]) for h in attached), key=lambda h: h[1])
    if not counted:
        cell["why"] = "attached, and nothing was counted by it"
        return cell
    rung, value = max(counted, key=lambda c: c[1]["lo"])
    cell.update(rung=rung, **value)
    if (side, count) in oracles:
        expected, whose = oracles[side, count]
        cell.update(oracle=expected, whose=whose)
        cell["agrees"] = value["lo"] <= expected and (value["hi"] is None or
                                                      expected <= value["hi"])
    return cell


def _verdicts(out_dir):
    """Identities of the measured queues: verdict -> how many, and those that do not hold."""
    with open(os.path.join(out_dir, "ledger.json"), encoding="utf-8") as f:
        queues = json.load(f)["queues"]
    verdicts, others = {}, []
    for queue in queues:
        names = (queue["queue"] or "", queue["host_queue"] or "")
        if not any(f"/{NODES[s][1]}" in n for s, n in zip(("guest", "host"), names)):
            continue
        for identity in queue["identities"]:
            verdict = identity["verdict"]
            verdicts[verdict] = verdicts.get(verdict, 0) + 1
            if verdict != "holds":
                others.append(f"{names[0] or names[1]}: {identity['id']}: {verdict}: "
                              f"{identity['why']}")
    return verdicts, others


def read_row(name, out_dir):
    """What one run says, as the matrix stores it."""
    oracles, raw = _oracles(out_dir)
    totals = _totals(out_dir)
    hooks = {side: _hooks(out_dir, side) for side in NODES}
    cells = [_cell(side, stage, count, hooks[side], totals, oracles)
             for side, stage, count in STAGES]
    verdicts, others = _verdicts(out_dir)
    busy = [value for (side, count, _), value in totals.items()
            if (side, count) == ("guest", "guest.napi.busy")]
    return {"name": name, "host": raw["release"], "guest": raw["guest_release"],
            "vm": layout.VM_NAME, "cells": cells, "verdicts": verdicts, "not_holding": others,
            "busy_polls": busy[0]["lo"] if busy else None}


def problems(row):
    """What is wrong with a row: cells that disagree or were never hit, identities violated."""
    found = [f"{c['stage']}: {show(c)}" for c in row["cells"] if c.get("agrees") is False]
    found += [f"{c['stage']} by {c['rung']}: attached, never hit" for c in row["cells"]
              if c.get("hits") == 0 and c["rung"] != "procfs" and c["stage"] not in QUIET_STAGES]
    found += _vgic_problems(row)
    if row["verdicts"].get("violated"):
        found += [line for line in row["not_holding"] if "violated" in line]
    return found


def _vgic_problems(row):
    """Each LPI newly on a list was injected, and was handed over before all got quiet."""
    cells = {c["count"]: c for c in row["cells"] if "lo" in c}
    if "vgic.queued" not in cells:
        return []
    queued, handed, injected = (cells[count] for count in
                                ("vgic.queued", "vgic.populated", "kvm.injected"))
    return [f"{a['count']} {show(a)}, {b['count']} {show(b)}"
            for a, b in ((queued, injected), (queued, handed))
            if b["hi"] is not None and a["lo"] > b["hi"]]


# Nothing goes this way in a healthy run.
QUIET_STAGES = ("kvm.slowpath",)


def show(cell):
    """A cell in a few words: "kprobe 12,345 = oracle"."""
    if "lo" not in cell:
        return f"- {cell.get('rung', '')}".strip()
    lo, hi = cell["lo"], cell["hi"]
    count = f"{lo:,}+" if hi is None else f"{lo:,}" if lo == hi else f"{lo:,}-{hi:,}"
    mark = {True: " ok", False: f" NOT {cell.get('oracle'):,}"}.get(cell.get("agrees"), "") \
        if "agrees" in cell else ""
    return f"{cell['rung']} {count}{mark}"


def table(rows):
    """The matrix as text: a line per stage, a column per run, then verdicts and reasons."""
    lines = [["stage", *(row["name"] for row in rows)]]
    for at, (_, stage, count) in enumerate(STAGES):
        lines.append([count if count != "guest.packets" else f"{stage} ({count})",
                      *(show(row["cells"][at]) for row in rows)])
    lines.append(["identities", *(", ".join(f"{n} {v}" for v, n in sorted(r["verdicts"].items()))
                                  for r in rows)])
    widths = [max(len(line[i]) for line in lines) for i in range(len(rows) + 1)]
    text = "\n".join("  ".join(w.ljust(n) for w, n in zip(line, widths)).rstrip()
                     for line in lines)
    notes = []
    for row in rows:
        for cell in row["cells"]:
            if "why" in cell:
                notes.append(f"{row['name']}: {cell['stage']}: {cell['why']}")
        notes += [f"{row['name']}: {line}" for line in row["not_holding"]]
    return "\n".join([text, "", "ok: what others counted lies in the interval; host / guest kernel",
                      *notes])
