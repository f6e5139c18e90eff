// SPDX-License-Identifier: Apache-2.0
#include "tests/correlate/path_model.h"

#include <algorithm>

#include "bpf/position.h"

namespace ringside {
namespace {

constexpr HookId kHostHook{1};
constexpr HookId kWokenFentry{2};
constexpr HookId kWokenKprobe{3};
constexpr HookId kGuestHook{1};
constexpr QueueId kQueue{1};
constexpr uint32_t kRing = 256;
constexpr int64_t kWallNs = 1'700'000'000'000'000'000;

struct Row {
  Count count;
  HookId hook;
  uint64_t value;
};

class Model {
 public:
  Model(const PathOptions& options, PathTruth* truth)
      : o_(options), truth_(truth), random_(options.seed) {
    host_pos_ = o_.start_index;
    guest_pos_ = o_.start_index;  // its own extension starts at the 16-bit index
    host_mark_ = route_mark_ = host_pos_;
  }
  Recording Run();

 private:
  double Chance() { return std::uniform_real_distribution<>(0, 1)(random_); }
  void Say(Stream* stream, const char* name, uint32_t roles);
  void Describe();
  void Batch(int number);
  void Deliver();
  void Interrupt();
  void Snapshots();
  ClockReading Clock(int64_t host_ns, bool guest) const;
  void Mark_(Stream* stream, Domain domain, uint64_t prev, uint64_t pos, bool guest,
             std::vector<MarkCount> counts);

  const PathOptions& o_;
  PathTruth* truth_;
  std::mt19937_64 random_;
  Recording recording_;
  Stream host_, vm_;
  int64_t now_ns_ = 1'000'000'000;
  uint64_t host_pos_, guest_pos_, host_mark_, route_mark_;
  uint32_t epoch_ = 0;
  bool pending_ = false;
  bool work_ = false;
  int injections_ = 0;
};

ClockReading Model::Clock(int64_t host_ns, bool guest) const {
  ClockReading clock;
  clock.mono_ns = host_ns + (guest ? o_.clock_offset_ns : 0);
  clock.raw_ns = clock.mono_ns + 7;
  clock.real_ns = host_ns + kWallNs;
  clock.width_ns = 50;
  return clock;
}

void Model::Say(Stream* stream, const char* name, uint32_t roles) {
  const bool guest = roles == kRoleGuest;
  stream->hello.key = {std::string("machine-") + name, "boot", "instance"};
  stream->hello.name = name;
  stream->hello.roles = roles;
  stream->hello.kernel = "6.1.0-test";
  stream->hello.clock = Clock(now_ns_, guest);
  if (guest) stream->hello.smbios_uuid = "7d9ee1b4-0000-4000-8000-000000000001";
  stream->hello.hooks = {{.id = HookId{1}, .stage = "main", .program = "main"}};
  stream->hello.hooks[0].rung = guest ? Rung::kTpBtf : Rung::kFentry;
  stream->hello.hooks[0].state = HookState::kAttached;
  if (!guest) {
    stream->hello.hooks.push_back({.id = kWokenFentry, .stage = "irqfd.woken", .program = "f"});
    stream->hello.hooks.back().rung = Rung::kFentry;
    stream->hello.hooks.push_back({.id = kWokenKprobe, .stage = "irqfd.woken", .program = "k"});
    stream->hello.hooks.back().rung = Rung::kKprobe;
  }
  stream->facts.push_back({now_ns_, "cpus", "2"});
  stream->facts.push_back({now_ns_, "clock.maxerror_us", "200000"});
  stream->bye = Bye{};
}

void Model::Describe() {
  QueueInfo info{.id = kQueue, .generation = 1, .mono_ns = now_ns_, .kind = QueueKind::kHost};
  info.device = "tap0";
  info.queue = "rx0";
  info.ring_size = kRing;
  info.ring_address = o_.wrong_address ? 0x999000 : 0x1fe8c240;
  info.msi = {.address = 0xfee01000, .data = 37 + epoch_, .known = o_.msi_known};
  info.epoch = epoch_;
  info.vm_uuid = o_.host_uuid;
  info.vm_name = "guest-one";
  host_.queues.push_back(info);
  info.kind = QueueKind::kGuest;
  info.device = "eth0";
  info.irq_name = "virtio0-input.0";
  info.ring_address = 0x1fe8c240;
  info.vm_uuid.clear();
  info.mono_ns += o_.clock_offset_ns;
  vm_.queues.push_back(info);
}

void Model::Mark_(Stream* stream, Domain domain, uint64_t prev, uint64_t pos, bool guest,
                  std::vector<MarkCount> counts) {
  if (!rs_crosses_mark(prev, pos, rs_mark_shift(kRing))) return;
  Mark mark{.queue = kQueue, .domain = domain, .epoch = guest ? 0 : epoch_};
  mark.mono_ns = now_ns_ + (guest ? o_.clock_offset_ns : 0);
  mark.prev = prev;
  mark.pos = pos;
  mark.counts = std::move(counts);
  stream->marks.push_back(std::move(mark));
}

void Model::Interrupt() {
  const uint64_t pos = rs_max(rs_extend(guest_pos_, static_cast<uint16_t>(host_pos_)), guest_pos_);
  Mark_(&vm_, Domain::kIrq, guest_pos_, pos, true,
        {{Count::kGuestIrq, kGuestHook, truth_->irq},
         {Count::kGuestHandled, kGuestHook, truth_->handled},
         {Count::kGuestNone, kGuestHook, truth_->none}});
  guest_pos_ = pos;
  ++truth_->irq;
  if (work_) {
    ++truth_->handled;
  } else {
    ++truth_->none;
  }
  work_ = false;
}

void Model::Deliver() {
  Mark_(&host_, Domain::kRoute, route_mark_, host_pos_, false,
        {{Count::kIrqfdWoken, kWokenFentry, o_.fentry_silent ? 0 : truth_->injected},
         {Count::kIrqfdWoken, kWokenKprobe, truth_->injected},
         {Count::kKvmInjected, kHostHook, truth_->injected},
         {Count::kKvmRejected, kHostHook, 0},
         {Count::kKvmSlowpath, kHostHook, 0},
         {Count::kKvmMerged, kHostHook, truth_->merged}});
  route_mark_ = host_pos_;
  ++truth_->injected;
  ++injections_;
  if (pending_) {
    ++truth_->merged;
    return;
  }
  pending_ = o_.lose_every == 0 || injections_ % o_.lose_every != 0;
}

void Model::Batch(int number) {
  if (number == o_.affinity_change_at) {
    if (pending_) Interrupt();
    pending_ = false;
    ++epoch_;
    Describe();
  }
  now_ns_ += 10'000 + static_cast<int64_t>(Chance() * 20'000);
  const uint64_t size = 1 + static_cast<uint64_t>(Chance() * 8);
  const uint64_t pos = host_pos_ + size;
  Mark_(&host_, Domain::kVhost, host_mark_, pos, false,
        {{Count::kVhostBatches, kHostHook, truth_->batches},
         {Count::kVhostSignalled, kHostHook, truth_->signalled},
         {Count::kVhostSuppressed, kHostHook, truth_->suppressed},
         {Count::kVhostUnwired, kHostHook, 0},
         {Count::kVhostMasked, kHostHook, 0},
         {Count::kVhostUnwoken, kHostHook, 0}});
  host_pos_ = host_mark_ = pos;
  truth_->entries += size;
  work_ = true;
  ++truth_->batches;
  if (Chance() < o_.suppress) {
    ++truth_->suppressed;
  } else {
    ++truth_->signalled;
    Deliver();
  }
  if (Chance() < o_.busy) work_ = false;
  if (pending_ && Chance() < 0.7) {
    pending_ = false;
    Interrupt();
    const bool again = o_.duplicate_every != 0 && injections_ % o_.duplicate_every == 0;
    if (again) Interrupt();
  }
}

void Model::Snapshots() {
  now_ns_ += 1000;
  const auto fill = [&](Stream* stream, bool guest, const std::vector<Row>& rows,
                        uint64_t position) {
    Snapshot snapshot{.sequence = stream->snapshots.size() + 1, .full = true};
    snapshot.begin = Clock(now_ns_, guest);
    snapshot.end = Clock(now_ns_ + 500, guest);
    for (const Row& row : rows) {
      snapshot.samples.push_back({kQueue, row.count, row.hook, row.value, row.value});
    }
    snapshot.gauges = {{kQueue, Gauge::kPosition, position}, {kQueue, Gauge::kEpoch, epoch_}};
    for (const HookInfo& hook : stream->hello.hooks) {
      HookSample sample{.hook = hook.id};
      if (hook.rung != Rung::kKprobe) sample.misses = 0;
      snapshot.hooks.push_back(sample);
    }
    stream->snapshots.push_back(std::move(snapshot));
  };
  fill(&host_, false,
       std::vector<Row>{{Count::kVhostBatches, kHostHook, truth_->batches},
                        {Count::kVhostUsed, kHostHook, host_pos_},
                        {Count::kVhostSignalled, kHostHook, truth_->signalled},
                        {Count::kVhostSuppressed, kHostHook, truth_->suppressed},
                        {Count::kVhostUnwired, kHostHook, 0},
                        {Count::kVhostMasked, kHostHook, 0},
                        {Count::kVhostUnwoken, kHostHook, 0},
                        {Count::kIrqfdWoken, kWokenFentry, o_.fentry_silent ? 0 : truth_->injected},
                        {Count::kIrqfdWoken, kWokenKprobe, truth_->injected},
                        {Count::kKvmInjected, kHostHook, truth_->injected},
                        {Count::kKvmMerged, kHostHook, truth_->merged},
                        {Count::kKvmBlind, kHostHook, 0},
                        {Count::kKvmRejected, kHostHook, 0},
                        {Count::kKvmSlowpath, kHostHook, 0},
                        {Count::kKvmMergeDoubt, kHostHook, 0},
                        {Count::kKvmTaken, kHostHook, truth_->irq}},
       host_pos_);
  // On demand the guest reads used->idx itself, and its agent extends it as the kernel side does.
  const uint64_t seen = rs_max(rs_extend(guest_pos_, static_cast<uint16_t>(host_pos_)), guest_pos_);
  fill(&vm_, true,
       std::vector<Row>{{Count::kGuestIrq, kGuestHook, truth_->irq},
                        {Count::kGuestHandled, kGuestHook, truth_->handled},
                        {Count::kGuestNone, kGuestHook, truth_->none}},
       seen);
  if (!o_.exchanges) return;
  ClockExchange exchange{.agent = Clock(now_ns_, true)};
  exchange.collector_before = Clock(now_ns_ - o_.clock_bound_ns, false);
  exchange.collector_after = Clock(now_ns_ + o_.clock_bound_ns, false);
  vm_.clocks.push_back(exchange);
  exchange.agent = Clock(now_ns_, false);
  host_.clocks.push_back(exchange);
}

Recording Model::Run() {
  Say(&host_, "host1", kRoleHost);
  Say(&vm_, "vm1", kRoleGuest);
  Describe();
  host_pos_ += static_cast<uint64_t>(o_.guest_turns_late) * 65536;
  host_mark_ = route_mark_ = host_pos_;
  for (int i = 0; i < 3; ++i) {
    Snapshots();
    now_ns_ += 100'000'000;
  }
  for (int i = 0; i < o_.batches; ++i) {
    Batch(i);
    if (i % 500 == 499) Snapshots();
  }
  if (pending_) Interrupt();
  pending_ = false;
  for (int i = 0; i < 3; ++i) {
    now_ns_ += 100'000'000;
    Snapshots();
  }
  recording_.streams = {host_, vm_};
  recording_.recorder = "host1";
  recording_.closed = true;
  recording_.merged = !o_.exchanges;
  return recording_;
}

}  // namespace

Recording ModelPath(const PathOptions& options, PathTruth* truth) {
  *truth = {};
  return Model(options, truth).Run();
}

}  // namespace ringside
