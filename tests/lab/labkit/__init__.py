# SPDX-License-Identifier: Apache-2.0
"""The lab: real host and guest kernels in QEMU. See README.md one folder up."""
