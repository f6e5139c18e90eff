// SPDX-License-Identifier: Apache-2.0
#include "agent/msix.h"

#include <gtest/gtest.h>

#include <string>

namespace ringside {
namespace {

// Configuration space with capabilities: vendor at 0x40, MSI-X at 0x98.
std::string Config() {
  std::string config(256, '\0');
  config[0x06] = 0x10;  // has capabilities
  config[0x34] = 0x40;
  config[0x40] = 0x09;
  config[0x41] = static_cast<char>(0x98);
  config[0x98] = 0x11;
  config[0x9a] = 0x02;  // three entries
  config[0x9d] = static_cast<char>(0x80);
  config[0x9c] = 0x04;  // BAR 4, offset 0x8000
  return config;
}

TEST(MsixTest, FindsTheTable) {
  const auto table = FindMsix(Config());
  ASSERT_TRUE(table.has_value());
  EXPECT_EQ(table->bar, 4);
  EXPECT_EQ(table->offset, 0x8000u);
  EXPECT_EQ(table->entries, 3u);
}

TEST(MsixTest, LoopsAndCutSpacesEnd) {
  std::string loop = Config();
  loop[0x98] = 0x05;
  loop[0x99] = 0x40;  // back to the first
  EXPECT_FALSE(FindMsix(loop).has_value());
  for (size_t n = 0; n < 256; ++n) FindMsix(Config().substr(0, n));
  EXPECT_FALSE(FindMsix("").has_value());
}

TEST(MsixTest, RequesterIdIsBusDeviceFunction) {
  EXPECT_EQ(RequesterId("/sys/devices/pci0000:00/0000:00:04.0"), 0x20u);
  EXPECT_EQ(RequesterId("0001:3a:1f.7"), 0x3affu);
  EXPECT_EQ(RequesterId("/sys/devices/platform/a003e00.virtio_mmio"), std::nullopt);
  EXPECT_EQ(RequesterId(""), std::nullopt);
}

TEST(MsixTest, DeviceWithoutPciIsUnknownNotAnError) {
  EXPECT_FALSE(ReadMsixLocation("/nonexistent").has_value());
  const MsixEntry entry = ReadMsixEntry("/nonexistent", {.entries = 3}, 1, true);
  EXPECT_FALSE(entry.message.known);
  EXPECT_FALSE(entry.masked.has_value());
}

}  // namespace
}  // namespace ringside
