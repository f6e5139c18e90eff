# SPDX-License-Identifier: Apache-2.0
"""Scenario detail: every event of some queues, on both sides, held against the counts.

The traffic is that of scenario light. Of each count that has events: their numbers end where the
count ended, and what is missing in between is exactly what the hooks said they dropped. One
transmit queue is sampled, and only slow handlers of it are recorded.
"""

import json
import os
import subprocess

from .errors import LabError
from .first_light import COLLECTOR_PORT, PROGRAMS, recorder
from .light import Light
from . import layout

RATE = 16
WISHES = {"host1": ["tap0/rx*", "host1/tap0/tx0", f"tap0/tx1@1/{RATE}"],
          "vm1": ["*0/rx?", "vm1/eth0/tx0", f"eth0/tx1:guest.irq@1/{RATE}",
                  "eth0/tx1:guest.handled>100us"]}
WHOLE = ("tap0/rx0", "tap0/rx1", "tap0/tx0", "eth0/rx0", "eth0/rx1", "eth0/tx0")
KINDS = ("tun.enqueued tun.dropped vhost.batches vhost.signalled vhost.suppressed vhost.unwired"
         " eventfd.written irqfd.woken kvm.injected kvm.merged kvm.rejected kvm.slowpath guest.irq"
         " guest.handled guest.none guest.napi.softirq guest.napi.busy guest.napi.thread"
         " guest.napi.netpoll").split()
# What must have happened, by node, for the test to mean something.
MOVED = {"host1": ["tun.enqueued", "vhost.signalled", "irqfd.woken", "kvm.injected"],
         "vm1": ["guest.irq", "guest.handled", "guest.napi.softirq", "guest.napi.busy"]}
BYTES_PER_EVENT_MAX = 6  # small chunks: a second's worth each; large ones take 3


def _recorder(name, collector):
    wishes = [word for wish in WISHES[name] for word in ("--detail", wish)]
    return [*recorder(name, collector), *wishes]


class Detail(Light):
    """One run in a booted Machine."""

    programs = [PROGRAMS[0],
                ("agent-host1", "host", "ringside", _recorder("host1", "127.0.0.1")),
                ("agent-vm1", "guest", "ringside", _recorder("vm1", layout.HOST_CONTROL_IP))]

    def _kill_one(self):
        pass


def _rows(ringside, path, statement):
    text = subprocess.run([ringside, "sql", path, "--json", statement], check=True,
                          stdout=subprocess.PIPE, encoding="utf-8").stdout
    return json.loads(text)["rows"]


EVENTS = """
    SELECT queue, kind, CASE WHEN kind LIKE 'tun.%' THEN cpu ELSE 0 END AS stream, rate,
      count(*) AS n, min(number) AS first, max(number) AS last, min(value) AS least
    FROM events GROUP BY queue, kind, stream, rate ORDER BY kind, queue"""
# A count by its best hook, as it was said last.
COUNTS = """
    SELECT m.name AS queue, c.name AS count, max(e.last_lo) AS lo, max(e.last_hi) AS hi
    FROM series_ends e JOIN queue_names m ON m.queue = e.queue
    JOIN count_names c ON c.id = e.count GROUP BY m.name, c.name"""
DROPS = """
    SELECT coalesce(sum(n), 0) AS n
    FROM (SELECT max(dropped) AS n FROM hook_samples GROUP BY hook)"""


def _judge_node(ringside, out_dir, node):
    path = os.path.join(out_dir, node + ".rsi")
    counts = {(r["queue"], r["count"]): (r["lo"], r["hi"]) for r in _rows(ringside, path, COUNTS)}
    dropped = _rows(ringside, path, DROPS)[0]["n"]
    missing, total, ends, wrong = 0, 0, {}, []
    for row in _rows(ringside, path, EVENTS):
        key = (row["queue"], row["kind"])
        total += row["n"]
        print(f"{node}/{row['queue']:<10} {row['kind']:<18} {row['n']:>7} events, numbers"
              f" {row['first']}..{row['last']}, rate {row['rate'] or 'by value'}")
        if row["rate"] == 1:
            missing += row["last"] - row["first"] + 1 - row["n"]
            ends[key] = ends.get(key, 0) + row["last"] + 1
        elif row["rate"] is not None:
            if (row["last"] - row["first"]) // RATE + 1 != row["n"] or row["first"] % RATE:
                wrong.append(f"{key}: not each {RATE}th: {row}")
        elif row["least"] <= 100_000:
            wrong.append(f"{key}: {row['least']} ns is not above 100 us")
    for key, end in ends.items():
        if counts.get(key) != (end, end):
            wrong.append(f"{key}: events end at {end}, the count at {counts.get(key)}")
    for count in MOVED[node]:
        if not any(kind == count for _, kind in ends):
            wrong.append(f"no event of {count}")
    for (queue, count), (lo, _) in counts.items():
        if queue in WHOLE and count in KINDS and lo > 0 and (queue, count) not in ends:
            wrong.append(f"{queue}: {count} is {lo} and has no event")
    if missing != dropped:
        wrong.append(f"{missing} numbers are missing, {dropped} records were dropped")
    size = _rows(ringside, path, "SELECT sum(length(data)) AS n FROM event_chunks")[0]["n"]
    print(f"{node}: {total} events, {missing} missing, {dropped} dropped, {size / total:.2f} bytes"
          f" per event, file {os.path.getsize(path)} bytes")
    if size / total > BYTES_PER_EVENT_MAX:
        wrong.append(f"{size / total:.2f} bytes per event")
    return [f"{node}: {text}" for text in wrong]


def judge_detail(binaries, out_dir):
    wrong = [text for node in WISHES for text in _judge_node(binaries["ringside"], out_dir, node)]
    if wrong:
        raise LabError("; ".join(wrong))
