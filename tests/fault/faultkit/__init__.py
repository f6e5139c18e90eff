# SPDX-License-Identifier: Apache-2.0
"""What tests/fault/run is made of."""
