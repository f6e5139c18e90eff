// SPDX-License-Identifier: Apache-2.0
// Guest: the MSI message of an interrupt, as the device has it. It is one of the two keys that bind
// a guest's queue to the host's route (kernel facts 6, key B).
#ifndef RINGSIDE_AGENT_MSIX_H_
#define RINGSIDE_AGENT_MSIX_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "correlate/records.h"

namespace ringside {

// Where a PCI function's MSI-X table is.
struct MsixLocation {
  int bar = 0;
  uint32_t offset = 0;  // within the BAR
  uint32_t entries = 0;
};

// From PCI configuration space (at least 64 bytes); nothing if it has no MSI-X capability.
std::optional<MsixLocation> FindMsix(std::string_view config_space);

// Message of the table's entry behind `irq` of the PCI device at `device_path`
// (/sys/.../0000:00:01.0). Unknown (not an error) where the device is not PCI, lockdown forbids the
// mapping, or the entry is masked. Reads device memory with 4-byte loads: a VM exit each, so not on
// every snapshot.
MsiMessage ReadMsiMessage(const std::string& device_path, int irq);

}  // namespace ringside

#endif  // RINGSIDE_AGENT_MSIX_H_
