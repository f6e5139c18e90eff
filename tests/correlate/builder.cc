// SPDX-License-Identifier: Apache-2.0
#include "tests/correlate/builder.h"

namespace ringside {
namespace {

constexpr HookId kHook{1};
constexpr QueueId kQueue{1};
constexpr QueueId kOther{2};
constexpr int64_t kWallNs = 1'700'000'000'000'000'000;

bool IsGuest(Count count) { return count >= Count::kGuestIrq && count <= Count::kGuestWindows; }

ClockReading Clock(int64_t now_ns) {
  ClockReading clock;
  clock.mono_ns = now_ns;
  clock.raw_ns = now_ns + 7;
  clock.real_ns = now_ns + kWallNs;
  clock.width_ns = 50;
  return clock;
}

void Say(Stream* stream, const char* name, uint32_t roles) {
  Hello& hello = stream->hello;
  hello.key = {std::string("machine-") + name, "boot", "instance"};
  hello.name = name;
  hello.roles = roles;
  hello.kernel = "6.1.0-test";
  hello.clock = Clock(0);
  hello.smbios_uuid = roles == kRoleGuest ? "7d9ee1b4-0000-4000-8000-000000000001" : "";
  hello.hooks = {{.id = kHook, .stage = "main", .program = "main"}};
  hello.hooks[0].rung = roles == kRoleGuest ? Rung::kTpBtf : Rung::kFentry;
  hello.hooks[0].state = HookState::kAttached;
  stream->facts.push_back({0, "cpus", "2"});
  stream->bye = Bye{};
}

}  // namespace

Builder::Builder(const std::string& queue, const std::string& tap) {
  Say(&host_.stream, "host1", kRoleHost);
  Say(&guest_.stream, "vm1", kRoleGuest);
  QueueInfo info{.id = kQueue, .generation = 1, .kind = QueueKind::kHost};
  info.device = tap;
  info.queue = queue;
  info.ring_size = 256;
  info.ring_address = 0x1fe8c240;
  info.msi = {.address = 0xfee01000, .data = 37, .known = true};
  info.vm_uuid = "7d9ee1b4-0000-4000-8000-000000000001";
  info.vm_id = "vm-one";
  host_.stream.queues.push_back(info);
  info.kind = QueueKind::kGuest;
  info.device = "eth0";
  info.irq = 69;
  info.irq_name = "virtio0-input.0";
  info.vm_uuid.clear();
  info.vm_id.clear();
  guest_.stream.queues.push_back(info);
}

Builder& Builder::HostCounts(const std::vector<Count>& counts) {
  for (const Count count : counts) host_.counts[count] = 0;
  return *this;
}

Builder& Builder::GuestCounts(const std::vector<Count>& counts) {
  for (const Count count : counts) guest_.counts[count] = 0;
  return *this;
}

Builder& Builder::Vcpu(int64_t run_us_per_step, int64_t delay_us_per_step,
                       uint64_t delay_us_before) {
  QueueInfo info{.id = kOther, .generation = 1, .kind = QueueKind::kVcpu};
  info.device = "kvm-1234";
  info.queue = "vcpu0";
  info.vm_id = "vm-one";
  if (vcpu_.empty()) host_.stream.queues.push_back(info);
  vcpu_.insert({{Count::kVcpuRunUs, 0}, {Count::kVcpuDelayUs, delay_us_before}});
  vcpu_step_ = {{Count::kVcpuRunUs, run_us_per_step}, {Count::kVcpuDelayUs, delay_us_per_step}};
  return *this;
}

Builder& Builder::Softnet(int64_t processed_per_step, int64_t squeezed_per_step) {
  QueueInfo info{.id = kOther, .generation = 1, .kind = QueueKind::kCpu};
  info.device = "cpu";
  info.queue = "softnet";
  if (softnet_.empty()) guest_.stream.queues.push_back(info);
  softnet_.insert({{Count::kSoftnetProcessed, 0}, {Count::kSoftnetSqueezed, 0}});
  softnet_step_ = {{Count::kSoftnetProcessed, processed_per_step},
                   {Count::kSoftnetSqueezed, squeezed_per_step}};
  return *this;
}

void Builder::SnapSide(Node* node, const std::map<Count, uint64_t>& others) {
  Snapshot snapshot{.sequence = node->stream.snapshots.size() + 1, .full = true};
  snapshot.begin = Clock(now_ns_);
  snapshot.end = Clock(now_ns_ + 500);
  for (const auto& [count, value] : node->counts) {
    snapshot.samples.push_back({kQueue, count, kHook, value, value});
  }
  for (const auto& [count, value] : others) {
    snapshot.samples.push_back({kOther, count, kHook, value, value});
  }
  for (const auto& [gauge, value] : node->gauges) {
    snapshot.gauges.push_back({kQueue, gauge, value});
  }
  for (const auto& [key, value] : node->parts) {
    snapshot.parts.push_back({kQueue, key.first, key.second, value});
  }
  HookSample hook{.hook = kHook};
  hook.misses = 0;
  snapshot.hooks.push_back(hook);
  node->stream.snapshots.push_back(std::move(snapshot));
  ClockExchange exchange{.agent = Clock(now_ns_)};
  exchange.collector_before = Clock(now_ns_ - 1000);
  exchange.collector_after = Clock(now_ns_ + 1000);
  node->stream.clocks.push_back(exchange);
}

void Builder::Snap() {
  SnapSide(&host_, vcpu_);
  SnapSide(&guest_, softnet_);
}

Builder& Builder::Steps(int n, int64_t ms, const std::map<Count, uint64_t>& growth) {
  if (!begun_) Snap();
  begun_ = true;
  for (int i = 0; i < n; ++i) {
    now_ns_ += ms * 1'000'000;
    for (const auto& [count, more] : growth) {
      (IsGuest(count) ? guest_ : host_).counts.at(count) += more;
    }
    for (const auto& [key, more] : parts_per_step_) {
      (IsGuest(key.first) ? guest_ : host_).parts[key] += more;
    }
    for (const auto& [count, more] : vcpu_step_) vcpu_[count] += more;
    for (const auto& [count, more] : softnet_step_) softnet_[count] += more;
    Snap();
  }
  return *this;
}

Builder& Builder::HostGauges(const std::map<Gauge, uint64_t>& gauges) {
  for (const auto& [gauge, value] : gauges) host_.gauges[gauge] = value;
  return *this;
}

Builder& Builder::GuestGauges(const std::map<Gauge, uint64_t>& gauges) {
  for (const auto& [gauge, value] : gauges) guest_.gauges[gauge] = value;
  return *this;
}

Builder& Builder::Parts(Count count, const std::string& label, uint64_t per_step) {
  parts_per_step_[{count, label}] = per_step;
  return *this;
}

Builder& Builder::GuestMessage(uint64_t address, uint32_t data) {
  QueueInfo info = guest_.stream.queues.front();
  info.mono_ns = now_ns_;
  info.msi = {.address = address, .data = data, .known = true};
  guest_.stream.queues.push_back(info);
  return *this;
}

Builder& Builder::GuestLog(const std::string& text) {
  guest_.stream.log.push_back({now_ns_, 0, text});
  return *this;
}

Builder& Builder::GuestFact(const std::string& name, const std::string& value) {
  guest_.stream.facts.push_back({now_ns_, name, value});
  return *this;
}

Recording Builder::Of(std::vector<Stream> streams) const {
  Recording recording;
  recording.streams = std::move(streams);
  recording.recorder = "host1";
  recording.closed = true;
  return recording;
}

Recording Builder::Both() const { return Of({host_.stream, guest_.stream}); }
Recording Builder::HostOnly() const { return Of({host_.stream}); }
Recording Builder::GuestOnly() const { return Of({guest_.stream}); }

}  // namespace ringside
