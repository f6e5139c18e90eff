# SPDX-License-Identifier: Apache-2.0
"""Scenario ovs: Open vSwitch with DPDK serves both measured NICs of the guest (vm/ovs.sh).

eth0 has EVENT_IDX, eth2 has not: there Open vSwitch signals while the interrupt is still pending,
and KVM merges. What Open vSwitch says itself, signals by queue, is the oracle.
"""

import json
import os
import re
import subprocess
import time

from . import apt, layout
from .errors import LabError
from .first_light import COLLECTOR_PORT, UDP_PORT, FirstLight

# Names of the drivers' packages end in the version of their interface.
PACKAGES = ["openvswitch-switch", "openvswitch-switch-dpdk"]
DRIVERS = ["librte-bus-pci", "librte-bus-vdev", "librte-mempool-ring", "librte-net-af-packet"]

# Port of Open vSwitch -> the guest's NIC behind it, this side's address of the way there, its own.
PORTS = {"vhu0": ("eth0", layout.HOST_IP, layout.GUEST_IP),
         "vhu1": ("eth2", layout.HOST_PLAIN_IP, layout.GUEST_PLAIN_IP)}
QUEUES = ("rx0", "tx0", "rx1", "tx1")
SQUEEZE_S = 8
SQUEEZE_PER_S = 2_000
REFLECTED_PORT = 9_009
STATISTICS_S = 6  # Open vSwitch brings them up to date every 5 s

WRITERS_SQL = ("select distinct label as text from parts"
               " where label like 'process=%' or label like 'thread=%'")
FACTS_SQL = "select name, value from facts where name like 'vhu%'"

HOST_SCRIPT = "".join(
    f'echo "{port} $(ovs-vsctl get Interface {port} statistics)"\n' for port in PORTS)
GUEST_SCRIPT = "cat /proc/interrupts /proc/net/softnet_stat\n" + "".join(
    f'device=$(readlink /sys/class/net/{netdev}/device); echo "{port} ${{device##*/}}"\n'
    for port, (netdev, *_) in PORTS.items())


def prepare(work_dir):
    """The folder in work_dir with Open vSwitch's packages, unpacked; nothing is installed."""
    own = apt.Apt()
    drivers = [name for stem in DRIVERS for name in own.names_like(stem + r"[0-9.]+")]
    folder = os.path.join(work_dir, "ovs")
    apt.unpack_lacking(PACKAGES + drivers, folder)
    return folder


def guest_queue(statistic):
    """rx_q1_guest_notifications, which is of what OVS receives, is of the guest's tx1."""
    found = re.fullmatch(r"([rt]x)_q(\d+)_guest_notifications", statistic)
    return found and {"rx": "tx", "tx": "rx"}[found[1]] + found[2]


def parse_host(text):
    """{port: {"statistics": all, "notifications": {queue as the guest has it: signals}}}"""
    ports = {}
    for port, words in re.findall(r"^(vhu\d) \{(.*)\}$", text, re.MULTILINE):
        statistics = {k: int(v) for k, v in re.findall(r"(\w+)=(\d+)", words)}
        notifications = {guest_queue(k): v for k, v in statistics.items() if guest_queue(k)}
        ports[port] = {"statistics": statistics, "notifications": notifications}
    return ports


def parse_guest(text):
    """{port: {"virtio": its device, "interrupts": {queue: count}}}, and softnet_stat's squeezes."""
    result = {"squeezed": sum(int(row.split()[2], 16) for row in text.splitlines()
                              if re.fullmatch(r"([0-9a-f]{8} ?)+", row))}
    for port, virtio in re.findall(r"^(vhu\d) (virtio\d+)$", text, re.MULTILINE):
        lines = re.findall(rf"^ *\d+:((?: +\d+)+) .* {virtio}-(in|out)put\.(\d+)$", text,
                           re.MULTILINE)
        counts = {("rx" if way == "in" else "tx") + n: sum(map(int, words.split()))
                  for words, way, n in lines}
        result[port] = {"virtio": virtio, "interrupts": counts}
    return result


class Ovs(FirstLight):
    """One run in a booted Machine whose `ovs` is set."""

    prepare = staticmethod(prepare)

    def _before_programs(self):
        """Bridges learn where the guest is, and interrupts come to rest.

        The kernel spreads interrupts over the CPUs, and each moves when it next comes: for a moment
        it is masked, and what is sent then is sent once more.
        """
        text = self._machine.guest.run("cat /proc/interrupts")
        numbers = re.findall(r"^ *(\d+):.* virtio\d+-input\.\d+$", text, re.MULTILINE)
        self._machine.guest.run("\n".join(
            f"echo 0 > /proc/irq/{number}/smp_affinity_list" for number in numbers))
        for _, here, there in PORTS.values():
            self._udp_to(there, 256, 2_000, 4)
            self._udp_from(here, 16)
        self._ping_to(layout.GUEST_BR0_IP)

    def _measure(self):
        self._snapshots.append(self._snapshot("start"))
        try:
            self._timed("traffic", self._all_traffic)
        finally:
            self._write()

    def _snapshot(self, name):
        time.sleep(STATISTICS_S)
        return {"name": name, "host": parse_host(self._machine.host.run(HOST_SCRIPT)),
                "guest": parse_guest(self._machine.guest.run(GUEST_SCRIPT))}

    def _all_traffic(self):
        for port, (_, here, there) in PORTS.items():
            self._phase(f"ping-{port}", lambda there=there: self._ping_to(there))
            self._phase(f"udp-to-guest-{port}",
                        lambda there=there: self._udp_to(there, 4_000, 2_000, 16))
            self._phase(f"udp-to-host-{port}", lambda here=here: self._udp_from(here, 1_500))
        self._phase("ping-br0", lambda: self._ping_to(layout.GUEST_BR0_IP))
        self._phase("squeeze", self._squeeze)
        self._phase("reconnect", self._reconnect)
        self._phase("forward", self._forward)

    def _squeeze(self):
        """Packets come while the CPU that polls for them is busy with something else (case D)."""
        self._machine.guest.run(f"""
            echo 16 > /proc/sys/net/core/netdev_budget
            taskset -c 0 nice -n -10 timeout {SQUEEZE_S * 3} bash -c 'while :; do :; done' \
                > /dev/null 2>&1 &
            echo $! > /run/hog.pid""")
        sent = self._udp_to(layout.GUEST_PLAIN_IP, SQUEEZE_S * SQUEEZE_PER_S, 16_000, 32)
        self._machine.guest.run(
            "kill $(cat /run/hog.pid); echo 300 > /proc/sys/net/core/netdev_budget")
        return sent

    def _reconnect(self):
        """The port goes and comes: Open vSwitch has other descriptors then, QEMU other eventfds."""
        self._machine.host.run("""
            ovs-vsctl -t 30 del-port br0 vhu0
            ovs-vsctl -t 30 add-port br0 vhu0 -- set Interface vhu0 type=dpdkvhostuserclient \
                options:vhost-server-path=/run/vhu0.sock other_config:tx-steering=hash
            wait_for 30 '[[ $(ovs-vsctl get Interface vhu0 link_state) == up ]]'
            wait_for 30 'ping -q -c 1 -W 1 192.168.77.2 > /dev/null'""", 120)
        return [*self._ping_to(layout.GUEST_IP), *self._udp_from(layout.HOST_IP, 200)]

    def _forward(self):
        """Packets that the same thread takes from the guest and gives back to it, with details."""
        self._machine.host.run(f"""
            {self._binaries["ringside"]} detail 127.0.0.1:{COLLECTOR_PORT} 'vhu1/*:writer'
            ovs-ofctl add-flow br1 \
                priority=100,in_port=vhu1,udp,tp_dst={REFLECTED_PORT},actions=in_port""")
        time.sleep(3)  # wishes travel, hooks come
        send = self._tool("udp-send", layout.HOST_PLAIN_IP, REFLECTED_PORT, 500, 64, 2_000, 1)
        line = self._machine.guest.run(send, 90)
        time.sleep(1)
        self._machine.host.run(f"""
            {self._binaries["ringside"]} detail 127.0.0.1:{COLLECTOR_PORT} --off
            ovs-ofctl --strict del-flows br1 \
                priority=100,in_port=vhu1,udp,tp_dst={REFLECTED_PORT}""")
        return [self._result("guest", line)]

    def _phase(self, name, traffic):
        start = time.monotonic()
        sent = traffic()
        self._snapshots.append(self._snapshot(name))
        last = len(self._snapshots) - 1
        self._phases.append({"name": name, "from": last - 1, "to": last, "traffic": sent})
        what = "; ".join(f"{t['side']} {t['line']}" for t in sent)
        self._log(f"  {name}: {time.monotonic() - start:.1f} s: {what}")

    def _ping_to(self, address):
        text = self._machine.host.run(f"ping -q -n -c 50 -i 0.02 {address}")
        got = re.search(r"(\d+) packets transmitted, (\d+) received", text)
        return [self._result("host", f"requests={got[1]} replies={got[2]}")]

    def _udp_to(self, address, count, gap_us, burst):
        self._receive("guest", "udp", "udp-recv", UDP_PORT, 120, "--idle", 1000)
        send = self._tool("udp-send", address, UDP_PORT, count, 64, gap_us, 64, "--burst", burst)
        line = self._machine.host.run(send, 90)
        return [self._result("host", line), self._received("guest", "udp")]

    def _udp_from(self, address, count):
        """One pinned sender per guest CPU: the driver gives each CPU its own transmit queue."""
        self._receive("host", "udp", "udp-recv", UDP_PORT, 120, "--idle", 1000)
        send = [self._tool("udp-send", address, UDP_PORT, count, 64, 2_000, 1, "--burst", 8,
                           "--cpu", cpu) for cpu in (0, 1)]
        lines = self._machine.guest.run(f"{send[0]} & {send[1]}; wait", 90).splitlines()
        return [*(self._result("guest", line) for line in lines), self._received("host", "udp")]

    def _collect(self):
        self._machine.host.run("mkdir -p /share/host; cp /run/openvswitch/*.log /share/host/")
        super()._collect()

    def _write(self):
        result = {"schema": 1, "scenario": "ovs", "release": self._machine.kernel.release,
                  "guest_release": self._machine.guest_kernel.release, "rungs": self._rungs,
                  "seconds": self._seconds, "phases": self._phases, "snapshots": self._snapshots}
        with open(os.path.join(self._out, "ovs.json"), "w", encoding="utf-8") as f:
            json.dump(result, f, indent=1)
            f.write("\n")


def growth(oracles, port, queue):
    """(signals by Open vSwitch, interrupts in the guest) from the first reading to the last.

    Open vSwitch counts anew for a port that came back: fewer signals than before say so.
    """
    signals = [s["host"][port]["notifications"].get(queue, 0) for s in oracles["snapshots"]]
    interrupts = [s["guest"][port]["interrupts"][queue] for s in oracles["snapshots"]]
    steps = zip(signals, signals[1:])
    return (sum(after - before if after >= before else after for before, after in steps),
            interrupts[-1] - interrupts[0])


class Judge:
    """Collects the outcome of each check; a line per queue."""

    def __init__(self):
        self.failed = []

    def expect(self, holds, text):
        if not holds:
            self.failed.append(text)
            print(f"FAIL {text}")


def counted(rows, node, queue):
    """Count -> (lo, hi) over the whole recording, of all lives of that queue."""
    whole = {}
    for row in rows:
        if (row["node"], row["queue"]) == (node, queue):
            name = f"{row['stage']}.{row['outcome']}"
            lo, hi = whole.get(name, (0, 0))
            whole[name] = (lo + row["lo"], None if None in (hi, row["hi"]) else hi + row["hi"])
    return whole


def judge_rung(judge, oracles, port, queue, rows):
    """Hooks that may lose hits (kprobes): what they say must leave room for the truth."""
    signals, interrupts = growth(oracles, port, queue)
    host = counted(rows, "host1", f"{port}/{queue}")
    print(f"{port}/{queue}: signals {signals} /proc/interrupts {interrupts} {host}")
    for name in ("eventfd.written", "irqfd.woken", "kvm.injected"):
        lo, hi = host.get(name, (None, None))
        judge.expect(lo is not None and 0 < lo <= signals and (hi is None or signals <= hi),
                     f"{port}/{queue}: {name} {lo}..{hi} has {signals} signals in it")


def judge_counts(judge, oracles, port, queue, rows):
    """One queue's counts over the whole recording; nothing moved at its ends."""
    netdev = PORTS[port][0]
    signals, interrupts = growth(oracles, port, queue)
    host = counted(rows, "host1", f"{port}/{queue}")
    guest = counted(rows, "vm1", f"{netdev}/{queue}")
    written, woken, injected, merged, masked = (
        host.get(name) for name in ("eventfd.written", "irqfd.woken", "kvm.injected", "kvm.merged",
                                    "vhost.masked"))
    irq = guest.get("guest.irq")
    print(f"{port}/{queue}: signals {signals} written {written} woken {woken} injected {injected} "
          f"merged {merged} guest.irq {irq} /proc/interrupts {interrupts}")
    name = f"{port}/{queue}"
    judge.expect(signals > 0, f"{name}: signals")
    judge.expect(written == (signals, signals), f"{name}: written {written} is {signals} signals")
    if not (woken and injected and merged and irq):
        judge.expect(False, f"{name}: woken, injected, merged or guest.irq is missing")
        return
    judge.expect(woken[0] + (masked or (0, 0))[0] == signals, f"{name}: woken is written")
    judge.expect(injected[0] == woken[0], f"{name}: injected is woken")
    # A message that comes while its interrupt is handled runs the handler once more, and the kernel
    # does not count that.
    judge.expect(interrupts <= irq[1] and irq[0] <= interrupts + merged[1],
                 f"{name}: guest.irq is /proc/interrupts")
    # The pending bit is looked at a moment before it is set: one race at most.
    judge.expect(abs(injected[0] - merged[0] - irq[0]) <= 1,
                 f"{name}: injected - merged is guest.irq")
    if port == "vhu0":
        judge.expect(signals == interrupts, f"{name}: with EVENT_IDX, no interrupt merges")


def judge_ledger(judge, ledger, port, queue):
    """Named on both sides, bound, cut at quiet moments, and every identity holds."""
    name = f"host1/{port}/{queue}"
    mine = [q for q in ledger["queues"] if q["host_queue"] == name]
    judge.expect(len(mine) == 1, f"{name}: in the ledger {len(mine)} times")
    if not mine:
        return
    entry = mine[0]
    judge.expect(entry["queue"] == f"vm1/{PORTS[port][0]}/{queue}", f"{name}: {entry['queue']}")
    judge.expect(not entry["binding"]["provisional"], f"{name}: bound: {entry['binding']}")
    judge.expect(entry["binding"]["cut"]["by"] == "quiet", f"{name}: cut at quiet moments")
    for identity in entry["identities"]:
        judge.expect(identity["verdict"] in ("holds", None), f"{name}: {identity}")
    judge.expect(len(entry["identities"]) >= 4, f"{name}: identities are judged")


def judge_squeeze(judge, oracles, findings):
    """If Open vSwitch had to drop, explain must say whose ring was full."""
    phase = next(p for p in oracles["phases"] if p["name"] == "squeeze")
    drops = [oracles["snapshots"][phase[k]]["host"]["vhu1"]["statistics"]["ovs_tx_failure_drops"]
             for k in ("from", "to")]
    said = [f["id"] for f in findings
            if (f["id"] == "dead-queue" and f["queue"].startswith("vm1/eth2/"))
            or (f["id"] == "softirq-squeeze"
                and any("host1/vhu1/" in e["text"] for e in f["for"]))]
    print(f"squeeze: Open vSwitch dropped {drops[1] - drops[0]}; explain: {said}")
    judge.expect(said or drops[0] == drops[1], "explain tells of eth2's full rings")


def judge_writers(judge, writers):
    """Details of the forwarding phase: each reflected packet's way through Open vSwitch."""
    times = {w["queue"].removeprefix("host1/vhu1/"): w for w in writers}
    forwarded = [times[q]["forwarded"] for q in ("rx0", "rx1")
                 if q in times and times[q]["forwarded"]]
    returned = [w["returned"] for w in times.values() if w["returned"]]
    print(f"writers: {writers}")
    judge.expect(sum(f["count"] for f in forwarded) >= 100, "packets forwarded to the guest")
    judge.expect(all(1_000 < f["p50_ns"] < 20_000_000 for f in forwarded), "in a sensible time")
    judge.expect(len(returned) >= 2 and all(r["p50_ns"] > 1_000 for r in returned),
                 "how long writes held the thread")
    judge.expect(not any(times[q]["forwarded"] for q in ("tx0", "tx1") if q in times),
                 "nothing is forwarded to a transmit queue")


def write_claims(oracles, path):
    """What Open vSwitch and the guest's kernel counted over the whole recording, as claims."""
    claims = []
    for port, (netdev, *_) in PORTS.items():
        for queue in QUEUES:
            signals, interrupts = growth(oracles, port, queue)
            claims.append({"source": "Open vSwitch", "node": "host1", "queue": f"{port}/{queue}",
                           "count": "eventfd.written", "label": "guest_notifications",
                           "value": signals})
            claims.append({"source": "/proc/interrupts", "node": "vm1",
                           "queue": f"{netdev}/{queue}", "count": "guest.proc_irq",
                           "value": interrupts})
    with open(path, "w", encoding="utf-8") as f:
        json.dump({"schema": 1, "claims": claims}, f, indent=1)
        f.write("\n")


def judge_ovs(binaries, out_dir):
    """What Open vSwitch signalled and the guest took, and ringside's account against both."""
    with open(os.path.join(out_dir, "ovs.json"), encoding="utf-8") as f:
        oracles = json.load(f)
    if "ringside" not in binaries:
        return
    store = os.path.join(out_dir, "store")

    def ask(*words):
        done = subprocess.run([binaries["ringside"], *words], check=True, stdout=subprocess.PIPE)
        return json.loads(done.stdout)

    ledger = ask("ledger", store, "--json")
    rows = ask("sql", store, "--json", "select * from counts")["rows"]
    judge = Judge()
    usual = oracles["rungs"].get("host", "auto") == "auto"
    for port in PORTS:
        for queue in QUEUES:
            if usual:
                judge_counts(judge, oracles, port, queue, rows)
                judge_ledger(judge, ledger, port, queue)
            else:
                judge_rung(judge, oracles, port, queue, rows)
    judge_squeeze(judge, oracles, ask("explain", store, "--json")["findings"])
    claims = os.path.join(out_dir, "claims.json")
    write_claims(oracles, claims)
    if usual:  # all confirmed, or it fails
        subprocess.run([binaries["ringside"], "verify", store, "--claims", claims], check=True)
    writers = " ".join(r["text"] for r in ask("sql", store, "--json", WRITERS_SQL)["rows"])
    for who in ("process=ovs-vswitchd", "thread=pmd-c00", "thread=ovs-vswitchd"):
        judge.expect(who in writers, f"{who} is among the writers: {writers}")
    judge_writers(judge, ask("latency", store, "--json")["writers"])
    facts = {r["name"]: r["value"] for r in ask("sql", store, "--json", FACTS_SQL)["rows"]}
    for port, bridge in (("vhu0", "br0"), ("vhu1", "br1")):
        judge.expect(facts.get(f"{port}.bridge") == bridge, f"bridge of {port}: {facts}")
    subprocess.run([binaries["ringside"], "report", store, "--wide"], check=True,
                   env=dict(os.environ, COLUMNS="170"))
    if judge.failed:
        raise LabError(f"{len(judge.failed)} checks failed, the first: {judge.failed[0]}")
