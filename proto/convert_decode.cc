// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <string_view>
#include <tuple>

#include "absl/container/flat_hash_set.h"
#include "proto/chunk.h"
#include "proto/convert.h"
#include "proto/ringside.pb.h"
#include "proto/texts.h"

namespace ringside {
namespace {

constexpr int64_t kWidthMax_ns = 60'000'000'000;
constexpr int64_t kTimeMax_ns = int64_t{1} << 62;  // the year 2116
constexpr uint32_t kHookMax = 0xffff;
constexpr uint32_t kRolesMask = kRoleHost | kRoleGuest;

// What is wrong with a clock reading; null if nothing is.
const char* ClockFault(const v1::ClockReading& clock) {
  const auto bad = [](int64_t time) { return time < 0 || time > kTimeMax_ns; };
  if (bad(clock.mono_ns()) || bad(clock.raw_ns()) || bad(clock.real_ns())) {
    return "a clock is out of range";
  }
  if (clock.width_ns() < 0 || clock.width_ns() > kWidthMax_ns) {
    return "a clock reading is wider than a minute";
  }
  return nullptr;
}

ClockReading ToClock(const v1::ClockReading& in) {
  return ClockReading{in.mono_ns(), in.raw_ns(), in.real_ns(), in.counter(), in.width_ns()};
}

}  // namespace

// Reads one message. The first fault is kept and the rest of the message read on or skipped, so
// that no caller has to check after each field.
class RecordReader {
 public:
  explicit RecordReader(StreamDecoder& stream) : stream_(stream) {}

  Record Read(const v1::FromAgent& message) {
    switch (message.body_case()) {
      case v1::FromAgent::kHello: return Read(message.hello());
      case v1::FromAgent::kQueue: return Read(message.queue());
      case v1::FromAgent::kSnapshot: return Read(message.snapshot());
      case v1::FromAgent::kMarks: return Read(message.marks());
      case v1::FromAgent::kChunk: return Read(message.chunk());
      case v1::FromAgent::kLog: return Read(message.log());
      case v1::FromAgent::kFact: return Read(message.fact());
      case v1::FromAgent::kGap: return Read(message.gap());
      case v1::FromAgent::kBye: return Read(message.bye());
      case v1::FromAgent::kClock:
      case v1::FromAgent::kHeartbeat: Fail("clock answers and heartbeats have no number"); break;
      case v1::FromAgent::BODY_NOT_SET: Fail("the record is of no kind that is known here"); break;
    }
    return Gap{};
  }

  void CheckTexts(Record& record) {
    ForEachText(record, [this](const std::string& text, size_t bytes_max, const char* what) {
      if (text.size() > bytes_max) {
        Fail("{} has {} bytes, at most {} are allowed", what, text.size(), bytes_max);
      }
    });
    CleanTexts(record);
  }

  template <typename... Args>
  void Fail(fmt::format_string<Args...> text, Args&&... args) {
    if (fault_.empty()) fault_ = fmt::format(text, std::forward<Args>(args)...);
  }
  const std::string& fault() const { return fault_; }

 private:
  Record Read(const v1::Hello& in) {
    Hello hello;
    hello.key = StreamKey{in.machine_id(), in.boot_id(), in.instance()};
    if (in.machine_id().empty() || in.boot_id().empty() || in.instance().empty()) {
      Fail("the Hello lacks its machine, boot or instance");
    }
    hello.name = in.name();
    hello.version = in.version();
    hello.protocol = in.protocol();
    hello.roles = in.roles();
    if ((in.roles() & ~kRolesMask) != 0) Fail("roles {:#x} do not exist", in.roles());
    hello.kernel = in.kernel();
    hello.arch = in.arch();
    hello.smbios_uuid = in.smbios_uuid();
    Bound(static_cast<size_t>(in.hooks_size()), kHooksMax, "hooks");
    absl::flat_hash_set<uint32_t> seen;
    for (const v1::HookInfo& hook : in.hooks()) {
      if (!seen.insert(hook.id()).second) Fail("hook {} comes twice in the Hello", hook.id());
      if (failed()) break;
      hello.hooks.push_back(
          HookInfo{HookId{Number(hook.id(), kHookMax, "hook id")}, hook.stage(), hook.program(),
                   hook.target(), Enum(hook.rung(), Rung::kNone, "rung"),
                   Enum(hook.state(), HookState::kPaused, "hook state"), hook.reason()});
    }
    hello.clock = Clock(in.clock());
    ReadNames(in);
    return hello;
  }

  void ReadNames(const v1::Hello& in) {
    Bound(static_cast<size_t>(in.count_names_size()), kNamesMax, "names of counts");
    Bound(static_cast<size_t>(in.gauge_names_size()), kNamesMax, "names of gauges");
    for (const auto* names : {&in.count_names(), &in.gauge_names()}) {
      for (const std::string& name : *names) {
        if (name.size() > kNameBytesMax) Fail("a count's name has {} bytes", name.size());
      }
    }
    if (failed()) return;
    stream_.counts_.clear();
    stream_.gauges_.clear();
    stream_.count_names_.assign(in.count_names().begin(), in.count_names().end());
    stream_.gauge_names_.assign(in.gauge_names().begin(), in.gauge_names().end());
    for (const std::string& name : in.count_names()) stream_.counts_.push_back(CountByName(name));
    for (const std::string& name : in.gauge_names()) stream_.gauges_.push_back(GaugeByName(name));
  }

  Record Read(const v1::QueueInfo& in) {
    QueueInfo queue;
    queue.id = Queue(in.id());
    queue.generation = in.generation();
    queue.mono_ns = Time(in.mono_ns());
    queue.kind = Enum(in.kind(), QueueKind::kVcpu, "queue kind");
    queue.device = in.device();
    queue.queue = in.queue();
    queue.irq_name = in.irq_name();
    queue.irq = in.irq();
    queue.ring_size = Number(in.ring_size(), 1u << 16, "ring size");
    queue.packed = in.packed();
    queue.ring_address = in.ring_address();
    queue.msi = MsiMessage{in.msi_address(), in.msi_data(), in.msi_known()};
    queue.epoch = in.epoch();
    queue.vm_id = in.vm_id();
    queue.vm_name = in.vm_name();
    queue.vm_uuid = in.vm_uuid();
    queue.owner_pid = in.owner_pid();
    return queue;
  }

  Record Read(const v1::Snapshot& in) {
    Snapshot snapshot;
    snapshot.sequence = Large(in.sequence(), "sequence");
    if (in.sequence() == 0) Fail("snapshots are numbered from 1");
    snapshot.full = in.full();
    snapshot.folded = in.folded();
    if (in.folded() >= in.sequence()) Fail("more snapshots folded than there were");
    snapshot.begin = Clock(in.begin());
    snapshot.end = Clock(in.end());
    if (in.end().mono_ns() < in.begin().mono_ns()) Fail("a snapshot ends before it begins");
    Bound(static_cast<size_t>(in.samples_size()), kSamplesMax, "samples");
    Bound(static_cast<size_t>(in.gauges_size()), kSamplesMax, "gauges");
    Bound(static_cast<size_t>(in.hooks_size()), kHooksMax, "hooks");
    Bound(static_cast<size_t>(in.parts_size()), kPartsMax, "parts");
    if (failed()) return snapshot;
    ReadSamples(in, snapshot);
    ReadGauges(in, snapshot);
    ReadParts(in, snapshot);
    absl::flat_hash_set<uint32_t> seen;
    for (const v1::HookSample& row : in.hooks()) {
      HookSample& hook = snapshot.hooks.emplace_back();
      hook.hook = HookId{Number(row.hook(), kHookMax, "hook id")};
      hook.hits = Large(row.hits(), "hits");
      hook.unplaced = Large(row.unplaced(), "unplaced hits");
      hook.dropped = Large(row.dropped(), "dropped records");
      if (row.has_misses()) hook.misses = Large(row.misses(), "misses");
      if (!seen.insert(row.hook()).second) Fail("hook {} comes twice in a snapshot", row.hook());
    }
    return snapshot;
  }

  void ReadSamples(const v1::Snapshot& in, Snapshot& snapshot) {
    absl::flat_hash_set<uint64_t> seen;
    seen.reserve(static_cast<size_t>(in.samples_size()));
    snapshot.samples.reserve(static_cast<size_t>(in.samples_size()));
    for (const v1::Sample& row : in.samples()) {
      Sample sample;
      sample.queue = Queue(row.queue());
      sample.hook = HookId{Number(row.hook(), kHookMax, "hook id")};
      sample.lo = Large(row.lo(), "count");
      if (row.width() > kCountMax - sample.lo) Fail("a count's interval is too wide");
      sample.hi = sample.lo + row.width();
      const std::optional<Count> count = Name(stream_.counts_, stream_.count_names_, row.count());
      if (failed()) return;
      if (!count) continue;
      sample.count = *count;
      const uint64_t key = uint64_t{row.queue()} << 32 | uint64_t{row.hook()} << 16 | row.count();
      if (!seen.insert(key).second) Fail("queue {} has a count twice in a snapshot", row.queue());
      snapshot.samples.push_back(sample);
    }
  }

  void ReadGauges(const v1::Snapshot& in, Snapshot& snapshot) {
    absl::flat_hash_set<uint64_t> seen;
    snapshot.gauges.reserve(static_cast<size_t>(in.gauges_size()));
    for (const v1::GaugeSample& row : in.gauges()) {
      const QueueId queue = Queue(row.queue());
      const std::optional<Gauge> gauge = Name(stream_.gauges_, stream_.gauge_names_, row.gauge());
      if (failed()) return;
      if (!gauge) continue;
      if (!seen.insert(uint64_t{row.queue()} << 32 | row.gauge()).second) {
        Fail("queue {} has a gauge twice in a snapshot", row.queue());
      }
      snapshot.gauges.push_back(GaugeSample{queue, *gauge, row.value()});
    }
  }

  void ReadParts(const v1::Snapshot& in, Snapshot& snapshot) {
    absl::flat_hash_set<std::tuple<uint32_t, uint32_t, std::string_view>> seen;
    snapshot.parts.reserve(static_cast<size_t>(in.parts_size()));
    for (const v1::Part& row : in.parts()) {
      const QueueId queue = Queue(row.queue());
      const uint64_t value = Large(row.value(), "part");
      const std::optional<Count> count = Name(stream_.counts_, stream_.count_names_, row.count());
      if (failed()) return;
      if (!count) continue;
      if (!seen.emplace(row.queue(), row.count(), row.label()).second) {
        Fail("queue {} has a part twice in a snapshot", row.queue());
      }
      snapshot.parts.push_back(Part{queue, *count, row.label(), value});
    }
  }

  Record Read(const v1::Marks& in) {
    Marks marks;
    Bound(static_cast<size_t>(in.marks_size()), kMarksMax, "marks");
    for (const v1::Mark& row : in.marks()) {
      if (failed()) break;
      Mark& mark = marks.marks.emplace_back();
      mark.queue = Queue(row.queue());
      mark.domain = Enum(row.domain(), Domain::kRoute, "domain");
      mark.cpu = static_cast<uint16_t>(Number(row.cpu(), 0xffff, "CPU"));
      mark.epoch = row.epoch();
      mark.mono_ns = Time(row.mono_ns());
      mark.prev = Large(row.prev(), "position");
      mark.pos = Large(row.pos(), "position");
      if (row.prev() > row.pos()) Fail("a mark's position goes back");
      Bound(static_cast<size_t>(row.counts_size()), kMarkCountsMax, "counts of a mark");
      absl::flat_hash_set<uint64_t> seen;
      for (const v1::MarkCount& value : row.counts()) ReadMarkCount(value, seen, mark);
    }
    return marks;
  }

  void ReadMarkCount(const v1::MarkCount& in, absl::flat_hash_set<uint64_t>& seen, Mark& mark) {
    const HookId hook{Number(in.hook(), kHookMax, "hook id")};
    const uint64_t value = Large(in.value(), "count");
    const std::optional<Count> count = Name(stream_.counts_, stream_.count_names_, in.count());
    if (failed() || !count) return;
    if (!seen.insert(uint64_t{in.hook()} << 32 | in.count()).second) {
      Fail("a mark has a count twice");
    }
    mark.counts.push_back(MarkCount{*count, hook, value});
  }

  Record Read(const v1::EventChunk& in) {
    EventChunk chunk;
    chunk.first_number = Large(in.first_number(), "event number");
    chunk.count = Large(in.count(), "event count");
    if (in.first_number() == 0 || in.count() == 0) Fail("an event chunk without events");
    chunk.from_mono_ns = Time(in.from_mono_ns());
    chunk.to_mono_ns = Time(in.to_mono_ns());
    if (in.to_mono_ns() < in.from_mono_ns()) Fail("an event chunk ends before it begins");
    if (in.data().size() > kChunkBytesMax) {
      Fail("an event chunk of {} bytes, larger than any", in.data().size());
      return chunk;
    }
    chunk.data = in.data();
    return chunk;
  }

  Record Read(const v1::LogLine& in) {
    return LogLine{Time(in.mono_ns()), Number(in.level(), 7, "log level"), in.text()};
  }
  Record Read(const v1::Fact& in) { return Fact{Time(in.mono_ns()), in.name(), in.value()}; }
  Record Read(const v1::Gap& in) {
    if (in.to_mono_ns() < in.from_mono_ns()) Fail("a gap ends before it begins");
    return Gap{Time(in.from_mono_ns()), Time(in.to_mono_ns()), in.what()};
  }
  Record Read(const v1::Bye& in) { return Bye{Clock(in.clock()), in.reason()}; }

  bool failed() const { return !fault_.empty(); }

  void Bound(size_t have, size_t most, const char* what) {
    if (have > most) Fail("{} {}, at most {} are allowed", have, what, most);
  }
  uint32_t Number(uint32_t value, uint32_t most, const char* what) {
    if (value > most) Fail("{} {} is out of range", what, value);
    return value;
  }
  uint64_t Large(uint64_t value, const char* what) {
    if (value <= kCountMax) return value;
    Fail("{} {} is out of range", what, value);
    return 0;
  }
  int64_t Time(int64_t value) {
    if (value < 0 || value > kTimeMax_ns) Fail("time {} is out of range", value);
    return value;
  }
  ClockReading Clock(const v1::ClockReading& in) {
    if (const char* fault = ClockFault(in)) Fail("{}", fault);
    return ToClock(in);
  }
  template <typename E>
  E Enum(uint32_t value, E last, const char* what) {
    return static_cast<E>(Number(value, static_cast<uint32_t>(last), what));
  }
  QueueId Queue(uint32_t id) {
    stream_.queues_.insert(id);
    if (stream_.queues_.size() > kQueuesMax) Fail("more than {} queues", kQueuesMax);
    return QueueId{id};
  }
  template <typename Id>
  std::optional<Id> Name(const std::vector<std::optional<Id>>& ids,
                         const std::vector<std::string>& names, uint32_t index) {
    if (index >= ids.size()) {
      Fail("name {} of a list of {}", index, ids.size());
      return std::nullopt;
    }
    if (!ids[index]) {
      ++stream_.skipped_rows_;
      std::string name = names[index];
      CleanText(name, kNameBytesMax);
      stream_.unknown_names_.insert(std::move(name));
    }
    return ids[index];
  }

  StreamDecoder& stream_;
  std::string fault_;
};

absl::StatusOr<ClockReading> DecodeClock(const v1::ClockReading& message) {
  if (const char* fault = ClockFault(message)) return absl::InvalidArgumentError(fault);
  return ToClock(message);
}

absl::StatusOr<NumberedRecord> StreamDecoder::Decode(const v1::FromAgent& message) {
  RecordReader reader(*this);
  const bool first = last_number_ == 0;
  if (first && !message.has_hello()) reader.Fail("the stream does not begin with a Hello");
  if (message.number() > kCountMax) {
    reader.Fail("record number {} is out of range", message.number());
  }
  if (message.number() <= last_number_) {
    reader.Fail("record number {} comes after {}", message.number(), last_number_);
  }
  NumberedRecord record;
  record.number = message.number();
  if (reader.fault().empty()) record.record = reader.Read(message);
  if (reader.fault().empty()) reader.CheckTexts(record.record);
  if (!reader.fault().empty()) {
    return absl::InvalidArgumentError(
        fmt::format("record {}: {}", message.number(), reader.fault()));
  }
  last_number_ = message.number();
  return record;
}

}  // namespace ringside
