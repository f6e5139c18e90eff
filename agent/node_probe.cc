// SPDX-License-Identifier: Apache-2.0
#include "agent/node_probe.h"

#include "agent/kernel_files.h"

namespace ringside {
namespace {

constexpr char kFile[] = "/proc/net/softnet_stat";

}  // namespace

QueueId SoftnetQueue(int64_t now_mono_ns, QueueRegistry* registry) {
  QueueInfo info{.mono_ns = now_mono_ns, .kind = QueueKind::kCpu};
  info.device = "cpu";
  info.queue = "softnet";
  return registry->Update(kFile, 1, std::move(info));
}

NodeProbe::NodeProbe(HookTable* hooks, QueueRegistry* registry) : registry_(registry) {
  HookInfo hook{.stage = "softnet", .program = kFile};
  hook.target = kFile;
  hook.rung = Rung::kProcfs;
  hook.state = HookState::kAttached;
  hook_ = hooks->Add({hook});
}

void NodeProbe::Discover(int64_t now_mono_ns) { queue_ = SoftnetQueue(now_mono_ns, registry_); }

void NodeProbe::Between(std::vector<Sample>* samples, std::vector<GaugeSample>*) {
  if (!totals_.Add(ParseSoftnet(ReadText(kFile)))) return;
  const auto add = [&](Count count, uint64_t value) {
    samples->push_back({queue_, count, hook_, value, value});
  };
  add(Count::kSoftnetSqueezed, totals_.squeezed());
  add(Count::kSoftnetProcessed, totals_.processed());
}

void NodeProbe::ReadHooks(std::vector<HookSample>* hooks) const {
  hooks->push_back({.hook = hook_, .misses = 0});  // read, not hit
}

}  // namespace ringside
