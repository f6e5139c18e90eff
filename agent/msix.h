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

// Entry of a vector in its device's table.
struct MsixEntry {
  // Unknown while masked. On arm64, where all devices write to one address, the device's id (the
  // requester's, on its bus) stands in its place, as in the host's routes.
  MsiMessage message;
  std::optional<bool> masked;  // absent where the entry cannot be read
};

// Where a device's table is, as FindMsix says of its configuration space: a VM exit for each word
// read, and it does not change, so once per device.
std::optional<MsixLocation> ReadMsixLocation(const std::string& device_path);

// A PCI function's id on its bus, out of its path in /sys (.../0000:00:01.0): what an interrupt
// controller that knows devices (arm64's ITS) gets with their messages. Nothing for other paths.
std::optional<uint32_t> RequesterId(std::string_view device_path);

// The table's entry behind `irq` of the PCI device at `device_path` (/sys/.../0000:00:01.0).
// Unknown (not an error) where the device is not PCI or lockdown forbids the mapping. Reads device
// memory with 4-byte loads: a VM exit each, so not on every snapshot; without `message` only one.
MsixEntry ReadMsixEntry(const std::string& device_path, const MsixLocation& table, int irq,
                        bool message);

}  // namespace ringside

#endif  // RINGSIDE_AGENT_MSIX_H_
