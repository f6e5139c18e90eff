# SPDX-License-Identifier: Apache-2.0
"""What both kernels themselves say about the measured NIC, read at quiet moments.

All counts are cumulative since boot, as the kernel gives them; differences are the reader's.
"""

import concurrent.futures
import re

# One script per side: every process costs tens of milliseconds in the guest, so few of them.
HOST_SCRIPT = """
echo realtime $(date +%s%N)
for f in /sys/class/net/tap0/statistics/*; do read v < $f; echo "tap0 ${f##*/} $v"; done
tc -s qdisc show dev tap0
"""
GUEST_SCRIPT = """
echo realtime $(date +%s%N)
for f in /sys/class/net/eth0/statistics/*; do read v < $f; echo "eth0 ${f##*/} $v"; done
tc -s qdisc show dev eth0
ethtool -S eth0 | sed 's/^ */ethtool /'
echo "queues $({traffic} queue-packets eth0)"
cat /proc/interrupts /proc/net/softnet_stat
device=$(readlink /sys/class/net/eth0/device); echo "virtio ${device##*/}"
"""


def _named(prefix, text):
    found = re.findall(rf"^{prefix} (\S+?):? (\d+)$", text, re.MULTILINE)
    return {name: int(value) for name, value in found}


def _qdiscs(text):
    """Leaf queueing disciplines in the order tc prints them: packets passed, dropped, waiting."""
    pattern = (r"qdisc \S+ \S+ (?:dev \S+ )?parent (\S+).*\n"
               r" Sent (\d+) bytes (\d+) pkt \(dropped (\d+),.*\n"
               r" backlog \S+ (\d+)p ")
    names = ("bytes", "packets", "dropped", "waiting")
    return {parent: dict(zip(names, map(int, numbers)))
            for parent, *numbers in re.findall(pattern, text)}


def _interrupts(text):
    """/proc/interrupts of virtio devices by name, summed over CPUs."""
    lines = re.findall(r"^ *\d+:((?: +\d+)+) .* (virtio\d+-\S+)$", text, re.MULTILINE)
    return {name: sum(map(int, counts.split())) for counts, name in lines}


def _per_queue(ethtool, text):
    """Packets by queue ("rx0": n). Newer drivers moved them from `ethtool -S` to netlink."""
    line = re.search(r"^queues (.*)$", text, re.MULTILINE)[1]
    found = re.findall(r"([rt]x)(\d+)_packets=(\d+)", line)
    older = "\n".join(f"{name} {value}" for name, value in ethtool.items())
    found += re.findall(r"([rt]x)_queue_(\d+)_packets (\d+)", older)
    return {kind + index: int(value) for kind, index, value in found}


def parse_host(text):
    return {"realtime_ns": int(re.search(r"realtime (\d+)", text)[1]),
            "tap0": _named("tap0", text), "qdisc": _qdiscs(text)}


def parse_guest(text):
    ethtool = _named("ethtool", text)
    return {"realtime_ns": int(re.search(r"realtime (\d+)", text)[1]),
            "eth0": _named("eth0", text), "qdisc": _qdiscs(text), "interrupts": _interrupts(text),
            "packets": _per_queue(ethtool, text), "ethtool": ethtool,
            "virtio": re.search(r"^virtio (\S+)$", text, re.MULTILINE)[1]}


def snapshot(machine, traffic, name):
    """Both sides at about the same moment. Exact only while nothing moves on the measured net.

    traffic: path of ringside-lab-traffic.
    """
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        host = pool.submit(machine.host.run, HOST_SCRIPT)
        guest = pool.submit(machine.guest.run, GUEST_SCRIPT.replace("{traffic}", traffic))
        return {"name": name, "host": parse_host(host.result()),
                "guest": parse_guest(guest.result())}


def delta(before, after):
    """Differences of two (nested) dictionaries of counts; what is no count is left out."""
    out = {}
    for key, value in after.items():
        if isinstance(value, dict):
            out[key] = delta(before.get(key, {}), value)
        elif isinstance(value, int):
            out[key] = value - before.get(key, 0)
    return out
