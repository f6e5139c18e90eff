// SPDX-License-Identifier: Apache-2.0
#include "cli/witness/witness_records.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "cli/format.h"
#include "correlate/interval.h"
#include "correlate/witness.h"
#include "fmt/format.h"

namespace ringside {
namespace {

// /proc/uptime is in hundredths of a second, rounded down.
constexpr int64_t kBootStepNs = 10'000'000;
constexpr int64_t kWidthMaxNs = 3'600'000'000'000;

enum Hook : uint32_t { kInterruptsHook = 1, kSoftnetHook, kEthtoolHook, kSpuriousHook };

std::vector<HookInfo> Hooks() {
  const auto hook = [](Hook id, const char* stage, const char* target) {
    HookInfo info{.id = HookId{id}, .stage = stage, .program = std::string(kWitnessProgram)};
    info.target = target;
    info.rung = Rung::kProcfs;
    info.state = HookState::kAttached;
    return info;
  };
  return {hook(kInterruptsHook, "guest.proc_irq", "/proc/interrupts"),
          hook(kSoftnetHook, "softnet", "/proc/net/softnet_stat"),
          hook(kEthtoolHook, "guest.packets", "ethtool -S"),
          hook(kSpuriousHook, "irq", "/proc/irq/N/spurious")};
}

ClockReading ClockOf(const WitnessClock& clock) {
  ClockReading reading;
  // The upper end of what it may have been: `width_ns` leads back to the lower one.
  reading.mono_ns = clock.boot_ns + kBootStepNs;
  reading.real_ns = clock.real_ns;
  reading.width_ns = std::min(kWidthMaxNs, clock.real_to_ns - clock.real_ns + kBootStepNs);
  return reading;
}

class Maker {
 public:
  Maker(const WitnessOptions& options, const std::string& file, WitnessText* witness)
      : options_(options), file_(file), text_(*witness) {}

  absl::StatusOr<std::vector<Record>> Make();

 private:
  void AddHello();
  void AddQueues();
  void AddFacts();
  void AddSnapshot(const WitnessReading& reading);
  void AddInterrupts(const WitnessReading& reading, Snapshot* snapshot);
  void AddPackets(const WitnessReading& reading, Snapshot* snapshot);
  void AddLog();
  void Problem(std::string text) { text_.problems.push_back({file_, 0, std::move(text)}); }
  std::string About(const std::string& key) const {
    const auto found = text_.about.find(key);
    return found == text_.about.end() ? "" : found->second;
  }

  const WitnessOptions& options_;
  const std::string& file_;
  WitnessText& text_;
  std::vector<Record> records_;
  ClockReading first_;
  ClockReading last_;
  std::map<std::string, QueueInfo> queues_;      // by the interrupt's name
  std::map<std::string, uint64_t> last_counts_;  // by the interrupt's name
  std::map<std::string, uint64_t> last_packets_;
  std::optional<QueueId> softnet_;
  SoftnetTotals softnet_totals_;
  uint64_t sequence_ = 0;
};

void Maker::AddHello() {
  Hello hello;
  hello.key.machine_id = About("machine");
  hello.key.boot_id = About("boot");
  hello.key.instance = fmt::format("witness-{:016x}", options_.text_hash);
  hello.name = !options_.node.empty() ? options_.node : About("name");
  if (hello.name.empty()) hello.name = "guest";
  // Without these it is a node of its own, whatever else is known of the machine.
  if (hello.key.machine_id.empty()) hello.key.machine_id = hello.key.instance;
  if (hello.key.boot_id.empty()) hello.key.boot_id = hello.key.instance;
  hello.version = "witness 1";
  hello.roles = kRoleGuest;
  hello.kernel = About("kernel");
  hello.arch = About("arch");
  hello.smbios_uuid = About("uuid");
  std::transform(hello.smbios_uuid.begin(), hello.smbios_uuid.end(), hello.smbios_uuid.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  hello.hooks = Hooks();
  hello.clock = first_;
  records_.emplace_back(std::move(hello));
}

// "virtio0-input.0" of eth0 is eth0/rx0, as agents name it; false for what is not one queue's.
bool NameQueue(const std::map<std::string, std::string>& netdevs, const std::string& irq_name,
               QueueInfo* info) {
  const size_t dash = irq_name.find('-');
  if (!irq_name.starts_with("virtio") || dash == std::string::npos) return false;
  const std::string device = irq_name.substr(0, dash);
  const std::string vq = irq_name.substr(dash + 1);
  if (vq.empty() || vq == "config" || vq == "virtqueues") return false;
  const auto netdev = netdevs.find(device);
  const bool net = netdev != netdevs.end();
  info->device = net ? netdev->second : device;
  info->queue = vq;
  if (net && vq.starts_with("input.")) info->queue = "rx" + vq.substr(6);
  if (net && vq.starts_with("output.")) info->queue = "tx" + vq.substr(7);
  return true;
}

void Maker::AddQueues() {
  uint32_t next = 1;
  for (const WitnessReading& reading : text_.readings) {
    for (const auto& [name, interrupt] : reading.interrupts) {
      QueueInfo info{.id = QueueId{next}, .generation = 1, .mono_ns = first_.mono_ns};
      if (queues_.contains(name) || !NameQueue(text_.netdevs, name, &info)) continue;
      info.irq_name = name;
      info.irq = interrupt.irq;
      queues_[name] = info;
      ++next;
    }
  }
  for (const auto& [name, info] : queues_) records_.emplace_back(info);
  const bool softnet = std::any_of(text_.readings.begin(), text_.readings.end(),
                                   [](const auto& reading) { return !reading.softnet.empty(); });
  if (!softnet) return;
  QueueInfo info{.id = QueueId{next}, .generation = 1, .mono_ns = first_.mono_ns};
  info.kind = QueueKind::kCpu;
  info.device = "cpu";
  info.queue = "softnet";
  softnet_ = info.id;
  records_.emplace_back(info);
}

void Maker::AddFacts() {
  const auto add = [&](int64_t mono_ns, std::string name, std::string value) {
    records_.emplace_back(
        Fact{.mono_ns = mono_ns, .name = std::move(name), .value = std::move(value)});
  };
  add(first_.mono_ns, "system", About("system"));
  auto error_us = text_.maxerror_us;
  if (options_.clock_bound_ns) error_us = (*options_.clock_bound_ns + 999) / 1000;
  if (error_us) add(first_.mono_ns, "clock.maxerror_us", std::to_string(*error_us));
  for (const auto& [netdev, tap] : options_.host_devices) {
    add(first_.mono_ns, netdev + std::string(kHostDeviceFact), tap);
  }
  for (const auto& [name, value] : text_.facts) add(first_.mono_ns, name, value);
  for (const auto& [name, info] : queues_) {
    const auto irq = text_.irqs.find(info.irq);
    if (irq == text_.irqs.end()) continue;
    for (const auto& [key, value] : irq->second) add(first_.mono_ns, name + "." + key, value);
  }
  for (const WitnessReading& reading : text_.readings) {
    if (!reading.begin) continue;
    const int64_t mono_ns = ClockOf(*reading.begin).mono_ns;
    for (const auto& [name, value] : reading.facts) add(mono_ns, name, value);
  }
}

void Maker::AddInterrupts(const WitnessReading& reading, Snapshot* snapshot) {
  for (const auto& [name, interrupt] : reading.interrupts) {
    const auto queue = queues_.find(name);
    if (queue == queues_.end()) continue;
    const uint64_t before = std::exchange(last_counts_[name], interrupt.count);
    if (interrupt.count < before) {
      Problem(fmt::format("{} went back from {} to {}: the later reading is left out", name,
                          Thousands(before), Thousands(interrupt.count)));
      last_counts_[name] = before;
      continue;
    }
    const QueueId id = queue->second.id;
    snapshot->samples.push_back(
        {id, Count::kGuestProcIrq, HookId{kInterruptsHook}, interrupt.count, interrupt.count});
    const auto rule = reading.spurious.find(queue->second.irq);
    if (rule == reading.spurious.end()) continue;
    snapshot->gauges.push_back({id, Gauge::kIrqCount, rule->second.count});
    snapshot->gauges.push_back({id, Gauge::kIrqUnhandled, rule->second.unhandled});
  }
}

// "rx_queue_0_packets" of older kernels: what the driver itself counted of a queue.
void Maker::AddPackets(const WitnessReading& reading, Snapshot* snapshot) {
  for (const auto& [name, info] : queues_) {
    const auto counters = reading.ethtool.find(info.device);
    const bool rx = info.queue.starts_with("rx");
    if (counters == reading.ethtool.end() || (!rx && !info.queue.starts_with("tx"))) continue;
    const auto packets = counters->second.find(
        fmt::format("{}_queue_{}_packets", info.queue.substr(0, 2), info.queue.substr(2)));
    if (packets == counters->second.end() || packets->second > kValueMax) continue;
    if (packets->second < last_packets_[name]) continue;  // another device by this name
    last_packets_[name] = packets->second;
    snapshot->samples.push_back(
        {info.id, Count::kGuestPackets, HookId{kEthtoolHook}, packets->second, packets->second});
  }
}

void Maker::AddSnapshot(const WitnessReading& reading) {
  if (!reading.begin || !reading.end) return;
  const ClockReading begin = ClockOf(*reading.begin);
  if (begin.mono_ns < last_.mono_ns) {
    Problem("a reading from before the one ahead of it: left out");
    return;
  }
  Snapshot snapshot{.sequence = ++sequence_, .full = true, .begin = begin};
  snapshot.end = ClockOf(*reading.end);
  AddInterrupts(reading, &snapshot);
  AddPackets(reading, &snapshot);
  if (softnet_ && softnet_totals_.Add(reading.softnet)) {
    const auto add = [&](Count count, uint64_t value) {
      snapshot.samples.push_back({*softnet_, count, HookId{kSoftnetHook}, value, value});
    };
    add(Count::kSoftnetProcessed, softnet_totals_.processed());
    add(Count::kSoftnetSqueezed, softnet_totals_.squeezed());
  }
  // Files that the kernel keeps: read, not hit.
  for (const Hook hook : {kInterruptsHook, kSoftnetHook, kEthtoolHook, kSpuriousHook}) {
    snapshot.hooks.push_back({.hook = HookId{hook}, .misses = 0});
  }
  last_ = snapshot.end;
  records_.emplace_back(std::move(snapshot));
}

void Maker::AddLog() {
  for (const WitnessLine& line : text_.log) {
    records_.emplace_back(LogLine{.mono_ns = line.boot_ns, .level = 4, .text = line.text});
  }
}

absl::StatusOr<std::vector<Record>> Maker::Make() {
  const auto timed = std::find_if(text_.readings.begin(), text_.readings.end(),
                                  [](const auto& reading) { return reading.begin.has_value(); });
  if (timed == text_.readings.end()) {
    return absl::InvalidArgumentError(file_ + ": no reading with a time: nothing to import");
  }
  first_ = last_ = ClockOf(*timed->begin);
  AddHello();
  AddQueues();
  AddFacts();
  for (const WitnessReading& reading : text_.readings) AddSnapshot(reading);
  AddLog();
  records_.emplace_back(Bye{.clock = last_, .reason = "end of the witness' text"});
  return std::move(records_);
}

}  // namespace

absl::StatusOr<std::vector<Record>> WitnessRecords(const WitnessOptions& options,
                                                   const std::string& file, WitnessText* witness) {
  return Maker(options, file, witness).Make();
}

}  // namespace ringside
