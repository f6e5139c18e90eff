// SPDX-License-Identifier: Apache-2.0
#include "agent/probe.h"

#include <utility>

namespace ringside {
namespace {

bool SameBut(const QueueInfo& a, QueueInfo b) {
  b.id = a.id;
  b.generation = a.generation;
  b.mono_ns = a.mono_ns;
  return a == b;
}

}  // namespace

bool RungAllowed(Rung limit, Rung rung) {
  switch (rung) {
    case Rung::kTpBtf: return limit <= Rung::kKprobe;
    case Rung::kFentry: return limit <= Rung::kFentry;
    default: return limit <= rung;
  }
}

QueueId QueueRegistry::Update(const std::string& object, uint64_t incarnation, QueueInfo info) {
  auto known = by_object_.find(object);
  if (known != by_object_.end()) {
    Entry& entry = queues_[known->second];
    const bool same =
        entry.incarnation == 0 || incarnation == 0 || entry.incarnation == incarnation;
    if (same) {
      if (incarnation != 0) entry.incarnation = incarnation;
      if (SameBut(entry.info, info)) return entry.info.id;
      info.id = entry.info.id;
      info.generation = entry.info.generation;
      entry.info = info;
      changed_.push_back(std::move(info));
      return entry.info.id;
    }
  }
  info.id = QueueId{static_cast<uint32_t>(queues_.size() + 1)};
  info.generation = ++generations_[info.device + "/" + info.queue];
  by_object_[object] = queues_.size();
  queues_.push_back({incarnation, info});
  changed_.push_back(info);
  return info.id;
}

std::vector<QueueInfo> QueueRegistry::TakeChanged() { return std::exchange(changed_, {}); }

const QueueInfo* QueueRegistry::Find(QueueId id) const {
  const size_t place = static_cast<uint32_t>(id) - 1;
  return place < queues_.size() ? &queues_[place].info : nullptr;
}

HookId HookTable::Add(std::vector<HookInfo> hooks) {
  const HookId first{static_cast<uint32_t>(hooks_.size() + 1)};
  for (HookInfo& hook : hooks) {
    hook.id = HookId{static_cast<uint32_t>(hooks_.size() + 1)};
    hooks_.push_back(std::move(hook));
  }
  return first;
}

void HookTable::Update(HookId first, const std::vector<HookInfo>& hooks) {
  for (size_t i = 0; i < hooks.size(); ++i) {
    HookInfo& known = hooks_[static_cast<uint32_t>(first) - 1 + i];
    known.state = hooks[i].state;
    known.reason = hooks[i].reason;
  }
}

}  // namespace ringside
