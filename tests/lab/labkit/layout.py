# SPDX-License-Identifier: Apache-2.0
"""Names, addresses and ids of the two VMs. Fixed, so that recordings of two runs compare."""

HOST_IP = "192.168.77.1"
GUEST_IP = "192.168.77.2"
HOST_CONTROL_IP = "192.168.78.1"
GUEST_CONTROL_IP = "192.168.78.2"
HOST_PLAIN_IP = "192.168.79.1"
GUEST_PLAIN_IP = "192.168.79.2"
# Of the bridge that Open vSwitch makes for eth0, and of eth0 on it.
BR0_IP = "192.168.76.1"
GUEST_BR0_IP = "192.168.76.2"

VM_NAME = "vm1"
VM_UUID = "d88dabb9-654a-4024-af2a-081ce3aa3757"

_COMMON = {
    "LAB_HOST_IP": HOST_IP,
    "LAB_GUEST_IP": GUEST_IP,
    "LAB_HOST_CONTROL_IP": HOST_CONTROL_IP,
    "LAB_GUEST_CONTROL_IP": GUEST_CONTROL_IP,
    "LAB_TAP0_MAC": "52:54:00:77:00:01",
    "LAB_ETH0_MAC": "52:54:00:77:00:02",
    "LAB_TAP1_MAC": "52:54:00:78:00:01",
    "LAB_ETH1_MAC": "52:54:00:78:00:02",
    "LAB_HOST_PLAIN_IP": HOST_PLAIN_IP,
    "LAB_GUEST_PLAIN_IP": GUEST_PLAIN_IP,
    "LAB_TAP2_MAC": "52:54:00:79:00:01",
    "LAB_ETH2_MAC": "52:54:00:79:00:02",
    "LAB_BR0_IP": BR0_IP,
    "LAB_GUEST_BR0_IP": GUEST_BR0_IP,
    "LAB_BR0_MAC": "52:54:00:76:00:01",
    "LAB_VM_NAME": VM_NAME,
    "LAB_VM_UUID": VM_UUID,
}
_ROLES = {
    "host": {"LAB_HOSTNAME": "host1", "LAB_MACHINE_ID": "8bbd65cd31454a7080d9b82a982322ec"},
    "guest": {"LAB_HOSTNAME": "vm1", "LAB_MACHINE_ID": "f9b9df42e1634892b1cc2ec92058589b"},
}


def config(role, paths):
    """/lab.conf of a VM: shell assignments. Paths come from the runner, so they are checked."""
    values = {**_COMMON, **_ROLES[role], **paths, "LAB_ROLE": role}
    for name, value in values.items():
        if "'" in value or "\n" in value or ":" in value and "/" in value:
            raise ValueError(f"{name}: unusable path {value!r}")
    return "".join(f"{name}='{value}'\n" for name, value in values.items())
