# SPDX-License-Identifier: Apache-2.0
"""What a scenario wants of its VMs, unless it says otherwise."""


class Scenario:
    """Base of all; Machine has the same names."""

    vsock = False  # the guest has a vsock device
    plain_nic = False  # the guest has a third NIC, without EVENT_IDX
    smp = 1  # CPUs of the host VM; with two, guests were seen to stop for good
    guest_kernel = None  # series; the host's
