// SPDX-License-Identifier: Apache-2.0
#include "agent/probe.h"

#include <gtest/gtest.h>

namespace ringside {
namespace {

QueueInfo Named(const char* device, const char* queue, int irq) {
  QueueInfo info;
  info.device = device;
  info.queue = queue;
  info.irq = irq;
  return info;
}

TEST(QueueRegistryTest, SaysChangesOnceAndKeepsTheId) {
  QueueRegistry registry;
  const QueueId id = registry.Update("virtio0-input.0", 0, Named("eth0", "rx0", 25));
  ASSERT_EQ(registry.TakeChanged().size(), 1u);
  EXPECT_EQ(registry.Update("virtio0-input.0", 77, Named("eth0", "rx0", 25)), id);
  EXPECT_TRUE(registry.TakeChanged().empty());
  EXPECT_EQ(registry.Update("virtio0-input.0", 77, Named("eth0", "rx0", 26)), id);
  const auto changed = registry.TakeChanged();
  ASSERT_EQ(changed.size(), 1u);
  EXPECT_EQ(changed[0].irq, 26);
  EXPECT_EQ(changed[0].generation, 1u);
}

TEST(QueueRegistryTest, AnotherObjectUnderTheSameNameIsANewGeneration) {
  QueueRegistry registry;
  const QueueId first = registry.Update("virtio0-input.0", 77, Named("eth0", "rx0", 25));
  const QueueId second = registry.Update("virtio0-input.0", 78, Named("eth0", "rx0", 25));
  EXPECT_NE(first, second);
  EXPECT_EQ(registry.Find(second)->generation, 2u);
  EXPECT_EQ(registry.size(), 2u);
}

TEST(HookTableTest, IdsFollowEachOther) {
  HookTable table;
  EXPECT_EQ(table.Add({HookInfo{}, HookInfo{}}), HookId{1});
  const HookId next = table.Add({HookInfo{}});
  EXPECT_EQ(next, HookId{3});
  EXPECT_EQ(table.hooks()[2].id, HookId{3});
}

}  // namespace
}  // namespace ringside
