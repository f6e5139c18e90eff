# SPDX-License-Identifier: Apache-2.0
"""Scenario recorder: a stalled queue empties both sides' flight recorders.

Agents keep the details of all queues and send none. The guest stops polling rx0 while the host
fills it (the dead queue of scenario faults); the collector finds it and has both sides send what
led up to it. Then a command does the same for a healthy queue.
"""

import json
import os
import subprocess
import time

from . import layout
from .errors import LabError
from .faults import WATCH, Faults
from .first_light import COLLECTOR_PORT, PROGRAMS, UDP_PORT

COLLECTOR = ("collector", "host", "ringside-collector", [*PROGRAMS[0][3], "--recorder", "all"])
LAST_S = 1  # before the trigger: events of both sides must be there


class Recorder(Faults):
    """One run in a booted Machine."""

    programs = [COLLECTOR, *PROGRAMS[1:], WATCH]

    def _before_programs(self):
        self._poll_in_threads()

    def _measure(self):
        try:
            self._timed("healthy", self._healthy)
            self._timed("dead queue", self._dead_queue)
            self._timed("command", self._command)
        finally:
            with open(os.path.join(self._out, "recorder.json"), "w", encoding="utf-8") as f:
                json.dump({"schema": 1, "seconds": self._seconds, "events": self._findings()}, f,
                          indent=1)

    def _healthy(self):
        end = time.monotonic() + 8
        while time.monotonic() < end:
            self._ping()
            self._udp_to_guest(500, 2_000, 1)

    def _dead_queue(self):
        self._background("host", "fill", "udp-send", layout.GUEST_IP, UDP_PORT, 100_000, 64, 2_000,
                         64)
        time.sleep(2)
        self._background("guest", "hog", "hog", 60, "--cpu", 1)
        self._wait_seen("dead-queue", "/eth0/rx0")
        time.sleep(4)  # what follows, and its way to the store
        self._stop("guest", "hog")
        self._stop("host", "fill")

    def _command(self):
        self._healthy()
        self._machine.host.run(f"{self._binaries['ringside']} trigger 127.0.0.1:{COLLECTOR_PORT}"
                               " --queue vm1/eth0/rx1 --before 3s --after 1s --reason looking")
        time.sleep(4)


TRIGGERS = """
    SELECT n.name AS node, f.mono_ns AS at, f.value AS text FROM facts f
    JOIN streams s ON s.id = f.stream JOIN nodes n ON n.id = s.node
    WHERE f.name = 'recorder.trigger' ORDER BY f.id"""
EVENTS = """
    SELECT count(*) AS n, min(mono_ns) AS first, max(mono_ns) AS last FROM events
    WHERE node = '{node}' AND mono_ns >= {begin} AND mono_ns < {end}"""


def judge_recorder(binaries, out_dir):
    """The last second before each trigger is there, from host and guest; details were not sent."""
    store = os.path.join(out_dir, "store")

    def rows(statement):
        text = subprocess.run([binaries["ringside"], "sql", store, "--json", statement], check=True,
                              stdout=subprocess.PIPE, encoding="utf-8").stdout
        return json.loads(text)["rows"]

    triggers = rows(TRIGGERS)
    for source, word in (("finding", "dead-queue"), ("command", "looking")):
        for node in ("host1", "vm1"):
            found = [t for t in triggers if t["node"] == node and
                     t["text"].startswith(source + " ") and word in t["text"]]
            if not found:
                raise LabError(f"no trigger of {source} {word} on {node}: {triggers}")
            at = found[0]["at"]
            events = rows(EVENTS.format(node=node, begin=at - LAST_S * 10**9, end=at))[0]
            after = rows(EVENTS.format(node=node, begin=at, end=at + LAST_S * 10**9))[0]
            print(f"{node}, {source}: {events['n']} events in the second before, {after['n']} in"
                  f" the second after\n    {found[0]['text']}")
            if events["n"] == 0:
                raise LabError(f"{node}: no event in the second before {found[0]['text']}")
    subprocess.run([binaries["ringside"], "report", store], check=True)
