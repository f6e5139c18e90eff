# SPDX-License-Identifier: Apache-2.0
"""Two kinds of failure: ours, and the emulator's known ones."""


class LabError(Exception):
    """The lab or the scenario failed."""


class EmulatorFailure(LabError):
    """A recognised failure of the emulation (see README.md): worth one retry with fresh VMs."""
