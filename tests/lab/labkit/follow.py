# SPDX-License-Identifier: Apache-2.0
"""Scenario follow: everything changes under agents that were started first, none is restarted.

The host's agent starts while vhost, tun and KVM are not loaded and no VM is there. Then, one after
the other: modules and taps come, the VM boots, its agent starts, traffic; the guest goes from two
queue pairs to one and back; its interrupts move to other CPUs; the VM is stopped and another one
starts in its place, with the same memory layout and on the same taps.

Nothing of it is a fault: no finding beyond what an emulation causes itself, no identity violated,
no queue bound to another's. At the end nothing of ours is left in either kernel.
"""

import json
import os
import subprocess
import time

from . import layout
from .errors import EmulatorFailure, LabError
from .faults import TOLERATED
from .first_light import COLLECTOR_PORT, STORE, FirstLight, recorder
from .machine import GUEST_UP_S

DOWN_S = 20
SETTLE_S = 3  # a round of the agents' looking around takes one second
LEFT = """
for kind in prog map link; do
  bpftool $kind show | sed -n "s/^[0-9]*: \\([^ ]*\\).*name \\([^ ]*\\).*/$kind \\1 \\2/p"
done"""


class Follow(FirstLight):
    """One run in a booted Machine."""

    programs = [
        ("collector", "host", "ringside-collector",
         ["--listen", f"0.0.0.0:{COLLECTOR_PORT}", "--insecure", "--name", "host1",
          "--store", STORE]),
        ("agent-host1", "host", "ringside",
         [*recorder("host1", "127.0.0.1"), "--role", "host"]),
    ]
    guest_programs = [("agent-vm1", "guest", "ringside", recorder("vm1", layout.HOST_CONTROL_IP))]

    def _before_programs(self):
        """Back to a host on which nothing is loaded yet."""
        self._left = {"host": self._kernel_objects("host")}
        self._stop_guest()
        self._machine.host.run("""
            ip link del tap0; ip link del tap1
            rmmod vhost_net vhost_iotlb vhost 2> /dev/null
            rmmod vhost_net vhost vhost_iotlb tun tap kvm_amd kvm 2> /dev/null
            [ ! -e /sys/module/vhost_net ] && [ ! -e /sys/module/tun ]""")

    def _kernel_objects(self, side):
        return set(self._sides[side].run(LEFT).splitlines())

    def _stop_guest(self):
        self._machine.guest.expect_boot()
        self._machine.host.run(f"""
            pid=$(cat /run/guest.pid)
            kill -TERM $pid && wait_for {DOWN_S} "! kill -0 $pid 2> /dev/null" """)

    def _start_guest(self):
        self._machine.host.run("bash $LAB_VM_DIR/start-guest.sh < /dev/null > /dev/null 2>&1")
        if not self._machine.guest.wait_up(GUEST_UP_S):
            raise EmulatorFailure(f"guest VM not up again within {GUEST_UP_S} s")
        self._left["guest"] = self._kernel_objects("guest")

    def _measure(self):
        time.sleep(SETTLE_S)
        self._timed("modules", self._load_modules)
        self._timed("boot", self._start_guest)
        self._timed("guest agent", lambda: self._start_programs(self.guest_programs))
        self._timed("traffic", self._some_traffic)
        self._timed("one pair", lambda: self._pairs(1))
        self._timed("two pairs", lambda: self._pairs(2))
        self._timed("affinity", self._move_interrupts)
        self._timed("another VM", self._another_vm)

    def _load_modules(self):
        self._machine.host.run("""
            . /lab.conf
            modprobe kvm_amd && modprobe vhost_net && modprobe tun
            eval "$(sed -n '/^quiet_link()/,/^}/p' $LAB_VM_DIR/main.sh)"
            ip tuntap add dev tap0 mode tap multi_queue
            quiet_link tap0 "$LAB_TAP0_MAC" "$LAB_HOST_IP" "$LAB_ETH0_MAC" "$LAB_GUEST_IP"
            ip tuntap add dev tap1 mode tap
            quiet_link tap1 "$LAB_TAP1_MAC" "$LAB_HOST_CONTROL_IP" "$LAB_ETH1_MAC" \\
              "$LAB_GUEST_CONTROL_IP" """)
        time.sleep(SETTLE_S)

    def _some_traffic(self):
        self._ping()
        self._udp_to_guest(3_000, 2_000, 8)
        self._udp_to_host(1_500, 2_000, 8)

    def _pairs(self, count):
        self._machine.guest.run(f"ethtool -L eth0 combined {count}")
        time.sleep(SETTLE_S)
        self._some_traffic()

    def _move_interrupts(self):
        """Every queue of eth0 to the other CPU and back, with traffic under way."""
        for cpu in (1, 0):
            self._interrupts_to(cpu)
            self._some_traffic()

    def _stop_guest_agent(self):
        super()._stop_programs(self.guest_programs)
        self._expect_nothing_left("guest")

    def _expect_nothing_left(self, side):
        deadline = time.monotonic() + DOWN_S
        while left := self._kernel_objects(side) - self._left[side]:
            if time.monotonic() > deadline:
                raise LabError(f"left behind in the {side}'s kernel: {sorted(left)}")
            time.sleep(1)
        self._log(f"  nothing left behind in the {side}")

    def _another_vm(self):
        self._stop_guest_agent()
        self._stop_guest()
        time.sleep(SETTLE_S)
        self._start_guest()
        self._start_programs(self.guest_programs)
        self._some_traffic()

    def _stop_programs(self, programs=None):
        self._stop_guest_agent()
        super()._stop_programs(programs)
        self._expect_nothing_left("host")


def judge_follow(binaries, out_dir):
    """Nothing was wrong, so nothing may be said to be; and all that came was followed."""
    def ask(*words):
        return json.loads(subprocess.run([binaries["ringside"], *words], check=True,
                                         stdout=subprocess.PIPE).stdout)

    store = os.path.join(out_dir, "store")
    queues = ask("ledger", store, "--json")["queues"]
    violated = [f"{q['queue']}: {i['id']}: {i['why']}" for q in queues for i in q["identities"]
                if i["verdict"] == "violated"]
    bound = [(q["queue"], q["host_queue"]) for q in queues if q["binding"]["bound"]]
    wrong = [pair for pair in bound
             if pair[0].split("/")[1:] != pair[1].replace("/tap", "/eth").split("/")[1:]]
    findings = ask("sql", store, "--json", "select id, queue, title from findings")["rows"]
    # What was not watched before it could be is said; slow emulated CPUs let interrupts merge.
    strange = [f for f in findings
               if f["id"] not in TOLERATED.union({"data-loss", "interrupt-merging"})]
    subprocess.run([binaries["ringside"], "report", store, "--wide"], check=True,
                   env=dict(os.environ, COLUMNS="170"))
    hooks = ask("sql", store, "--json", "select * from hook_states where state = 'silent'")["rows"]
    print("silent hooks:", [(h["node"], h["rung"], h["target"]) for h in hooks])
    for vm in ("vm1", "vm1~2"):
        missing = {f"{vm}/eth0/{q}" for q in ("rx0", "tx0")} - {queue for queue, _ in bound}
        if missing:
            raise LabError(f"not bound: {sorted(missing)}; bound are {bound}")
    gaps = ask("sql", store, "--json", "select what from gaps where what like '%vhost.batches%'")
    if not gaps["rows"]:
        raise LabError("vhost came later, and nothing says that it was not watched before")
    if violated or wrong or strange:
        raise LabError(f"violated {violated}; bound wrongly {wrong}; findings {strange}")
