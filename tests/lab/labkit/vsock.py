# SPDX-License-Identifier: Apache-2.0
"""Scenario vsock: the guest's only way out is a vsock port that the host's agent relays.

The NIC to the collector (eth1) is down in the guest all the time. In the middle of the traffic the
host's agent, the relay with it, is ended by kill -9 and started again: the guest keeps what was
not acknowledged and sends it once. The store must have every record of the guest.
"""

import json
import os
import subprocess
import time

from .errors import LabError
from .first_light import COLLECTOR_PORT, RUN, STORE, FirstLight

RELAY_PORT = 7701
TRAFFIC_S = 6


def _host_agent(number):
    return ["record", "--role", "host", "--name", "host1", "--interval", "500ms", "--collector",
            f"127.0.0.1:{COLLECTOR_PORT}", "--relay", f"vsock:{RELAY_PORT}", "-o",
            f"{RUN}/host1-{number}.rsi"]


class Vsock(FirstLight):
    """One run in a booted Machine whose guest has a vsock device (see Machine.vsock)."""

    vsock = True
    programs = [
        ("collector", "host", "ringside-collector",
         ["--listen", f"127.0.0.1:{COLLECTOR_PORT}", "--name", "host1", "--store", STORE]),
        ("agent-host1", "host", "ringside", _host_agent(1)),
        ("agent-vm1", "guest", "ringside",
         ["record", "--role", "guest", "--name", "vm1", "--interval", "500ms", "--collector",
          f"vsock:2:{RELAY_PORT}", "--insecure", "-o", f"{RUN}/vm1.rsi"]),
    ]

    def _before_programs(self):
        self._machine.guest.run("""
            modprobe vmw_vsock_virtio_transport
            ip link set eth1 down
            [ -e /dev/vsock ]""")

    def _measure(self):
        self._timed("traffic", self._some_traffic)
        self._timed("relay killed", self._kill_relay)
        self._timed("traffic again", self._some_traffic)

    def _some_traffic(self):
        end = time.monotonic() + TRAFFIC_S
        while time.monotonic() < end:
            self._ping()
            self._udp_to_guest(500, 2_000, 1)

    def _kill_relay(self):
        self._machine.host.run(f"""
            kill -KILL $(cat {RUN}/agent-host1.pid)
            wait_for 10 "[ -s {RUN}/agent-host1.code ]"
            mv {RUN}/agent-host1.log {RUN}/agent-host1-killed.log
            rm {RUN}/agent-host1.code {RUN}/agent-host1.pid""")
        self._some_traffic()
        self._start("agent-host1", "host", "ringside", _host_agent(2))
        self._wait_ready("agent-host1", "host")


def judge_vsock(binaries, out_dir):
    """Nothing of the guest is missing in what went through the relay; both sides are one story."""
    store = os.path.join(out_dir, "store")

    def ringside(*words):
        run = subprocess.run([binaries["ringside"], *words], stdout=subprocess.PIPE, check=True,
                             env=dict(os.environ, COLUMNS="150"), encoding="utf-8")
        return run.stdout

    print(ringside("report", store))
    streams = json.loads(ringside(
        "sql", store, "--json",
        "select n.name, s.last_number, s.missing_numbers from streams s join nodes n"
        " on n.id = s.node"))["rows"]
    own = json.loads(ringside(
        "sql", os.path.join(out_dir, "vm1.rsi"), "--json",
        "select s.last_number from streams s"))["rows"]
    guest = [s for s in streams if s["name"] == "vm1"]
    if len(guest) != 1 or guest[0]["missing_numbers"] != 0:
        raise LabError(f"records of the guest are missing: {streams}")
    if guest[0]["last_number"] != own[0]["last_number"]:
        raise LabError(f"the guest wrote {own} and the collector has {guest}")
    ledger = json.loads(ringside("ledger", store, "--json"))["queues"]
    rx0 = [q for q in ledger if q["queue"] == "vm1/eth0/rx0"]
    if not rx0 or not rx0[0]["host_queue"] or "guest.irq" not in rx0[0]["counts"]:
        raise LabError(f"eth0/rx0 is not on both sides: {json.dumps(rx0, indent=1)}")
    violated = [(q["host_queue"], i["id"], i["why"]) for q in ledger for i in q["identities"]
                if i["verdict"] == "violated"]
    if violated:
        raise LabError(f"violated on healthy traffic: {violated}")
