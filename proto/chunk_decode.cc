// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <zstd.h>

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <utility>

#include "proto/chunk.h"
#include "proto/chunk_format.h"
#include "proto/convert.h"
#include "proto/crc32c.h"

namespace ringside {
namespace {

using namespace chunk_format;  // NOLINT(google-build-using-namespace): constants of this format

struct FreeDecompressor {
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
};

ZSTD_DCtx* Decompressor() {
  static thread_local std::unique_ptr<ZSTD_DCtx, FreeDecompressor> context(ZSTD_createDCtx());
  return context.get();
}

// Kept per thread: 2.6 MB fetched anew for each chunk would be page faults.
std::array<std::vector<uint64_t>, kColumns>& ThreadColumns() {
  static thread_local std::array<std::vector<uint64_t>, kColumns> columns;
  return columns;
}

struct CpuStream {
  uint16_t cpu = 0;
  size_t events = 0;
  std::vector<uint32_t> sources;  // the queues it shows; events name them by their place here
};

struct Source {
  QueueId queue{};
  uint16_t kind = 0;
  uint32_t rate = 1;
  uint64_t pos = 0;
  uint64_t number = 0;
  uint64_t value = 0;
};

// Takes the bytes apart. After the first fault every read gives 0 and changes nothing.
class Unpacker {
 public:
  explicit Unpacker(std::string_view data) : data_(data) {}

  // Calls `visit(i, cpu, time_ns, source)` for each event, CPU after CPU; `source` has its values.
  // What was visited counts only if all of it was right.
  template <typename Visitor>
  absl::Status Unpack(const Visitor& visit) {
    if (absl::Status status = ReadHeader(); !status.ok()) return status;
    ReadStart();
    ReadDictionary();
    ReadStreams();
    ReadColumns(visit);
    if (fault_.empty() && !data_.empty()) Fail("bytes after its end");
    if (!fault_.empty()) return absl::InvalidArgumentError("event chunk: " + fault_);
    return absl::OkStatus();
  }

  size_t count() const { return count_; }
  const std::vector<Source>& sources() const { return sources_; }
  bool times_go_back() const { return times_go_back_; }
  // Where the events of each CPU end.
  std::vector<size_t> ends_of_cpus() const {
    std::vector<size_t> ends;
    for (const CpuStream& stream : cpus_)
      ends.push_back(stream.events + (ends.empty() ? 0 : ends.back()));
    return ends;
  }

 private:
  absl::Status ReadHeader() {
    if (data_.size() > kChunkBytesMax) return absl::InvalidArgumentError("event chunk: too large");
    if (data_.size() < kHeaderBytes) return absl::DataLossError("event chunk: cut short");
    const auto byte = [this](size_t i) { return static_cast<uint8_t>(data_[i]); };
    if (byte(0) != kVersion && byte(0) != kVersionNoValues) {
      return absl::InvalidArgumentError(fmt::format("event chunk: format {}, this reads {} and {}",
                                                    byte(0), kVersionNoValues, kVersion));
    }
    values_ = byte(0) != kVersionNoValues;
    const uint32_t crc = byte(1) | byte(2) << 8 | byte(3) << 16 | uint32_t{byte(4)} << 24;
    data_.remove_prefix(kHeaderBytes);
    if (Crc32c(data_) != crc) return absl::DataLossError("event chunk: its checksum is wrong");
    return absl::OkStatus();
  }

  void ReadStart() {
    const uint8_t flags = Byte();
    times_go_back_ = (flags & kFlagTimesGoBack) != 0;
    if ((flags & ~kFlagTimesGoBack) != 0) Fail("unknown flags");
    count_ = Varint(kChunkEventsMax, "events");
    from_ns_ = static_cast<int64_t>(Varint(INT64_MAX, "time"));
  }

  void ReadStreams() {
    const uint64_t cpus = Varint(kChunkCpusMax, "CPUs");
    size_t sum = 0;
    for (uint64_t i = 0; i < cpus && fault_.empty(); ++i) {
      CpuStream stream;
      stream.cpu = static_cast<uint16_t>(Varint(kChunkCpusMax - 1, "CPU"));
      stream.events = Varint(count_ - sum, "events of a CPU");
      if (!cpus_.empty() && cpus_.back().cpu >= stream.cpu) Fail("CPUs out of order");
      if (stream.events == 0) Fail("a CPU without events");
      sum += stream.events;
      const uint64_t sources = Varint(std::min(stream.events, sources_.size()), "queues of a CPU");
      for (uint64_t s = 0; s < sources && fault_.empty(); ++s) {
        stream.sources.push_back(static_cast<uint32_t>(Varint(sources_.size() - 1, "queue")));
      }
      cpus_.push_back(std::move(stream));
    }
    if (sum != count_ || count_ == 0) Fail("its numbers of events disagree");
  }

  void ReadDictionary() {
    const uint64_t entries = Varint(count_, "queues");
    for (uint64_t i = 0; i < entries && fault_.empty(); ++i) {
      Source source;
      source.queue = QueueId{static_cast<uint32_t>(Varint(UINT32_MAX, "queue"))};
      source.kind = static_cast<uint16_t>(Varint(kEventKindMax, "event kind"));
      if (source.kind == 0) Fail("event kind 0");
      if (values_) source.rate = static_cast<uint32_t>(Varint(UINT32_MAX, "rate"));
      source.pos = Varint(UINT64_MAX, "position");
      source.number = Varint(UINT64_MAX, "number") - NumberStep(source.rate);
      if (values_) source.value = Varint(UINT32_MAX, "value");
      sources_.push_back(source);
    }
  }

  template <typename Visitor>
  void ReadColumns(const Visitor& visit) {
    auto& columns = ThreadColumns();
    for (int i = 0; i < (values_ ? kColumns : kColumnsNoValues); ++i) ReadColumn(columns[i]);
    if (!fault_.empty()) return;
    size_t i = 0;
    for (const CpuStream& stream : cpus_) {
      uint64_t time = static_cast<uint64_t>(from_ns_);
      for (const size_t end = i + stream.events; i < end; ++i) {
        const uint64_t index = columns[kIndexColumn][i];
        if (index >= stream.sources.size()) return Fail("a queue out of range");
        Source& source = sources_[stream.sources[index]];
        const uint64_t delta = columns[kTimeColumn][i];
        time += times_go_back_ ? UnZigZag(delta) : delta;
        if (time > INT64_MAX || (!times_go_back_ && delta > INT64_MAX)) {
          return Fail("a time out of range");
        }
        source.pos += UnZigZag(columns[kPositionColumn][i]);
        source.number += UnZigZag(columns[kNumberColumn][i]) + NumberStep(source.rate);
        if (values_) source.value += UnZigZag(columns[kValueColumn][i]);
        if (source.value > UINT32_MAX) return Fail("a value out of range");
        visit(i, stream.cpu, static_cast<int64_t>(time), source);
      }
    }
  }

  void ReadColumn(std::vector<uint64_t>& column) {
    const uint8_t planes = Byte();
    if (planes > kPlanesMax) Fail("more planes than bytes in a number");
    if (!fault_.empty()) return;
    column.resize(count_);
    if (planes == 0) std::fill(column.begin(), column.end(), 0);
    for (uint8_t p = 0; p < planes; ++p) {
      const uint8_t mode = Byte();
      const unsigned pack = mode >> kPackShift;
      if (pack > kPackMax) Fail("a plane of unknown kind");
      ReadPlane(mode & ((1 << kPackShift) - 1), pack);
      if (!fault_.empty()) return;
      switch (pack) {
        case 0: AddPlane<0>(p, column); break;
        case 1: AddPlane<1>(p, column); break;
        case 2: AddPlane<2>(p, column); break;
        default: AddPlane<3>(p, column); break;
      }
    }
  }

  // Byte `p` of every value; the lowest byte comes first and replaces what was there.
  template <unsigned kPack>
  void AddPlane(uint8_t p, std::vector<uint64_t>& column) {
    constexpr unsigned kBits = 8u >> kPack;
    constexpr auto kMask = static_cast<uint8_t>((1u << kBits) - 1);
    const size_t count = count_;
    const char* const plane = plane_.data();
    uint64_t* const out = column.data();
    const auto value = [plane](size_t i) {
      const auto byte = static_cast<uint8_t>(plane[i >> kPack]);
      const unsigned place = kBits * (i & ((size_t{1} << kPack) - 1));
      return uint64_t{static_cast<uint8_t>((byte >> place) & kMask)};
    };
    if (p == 0) {
      for (size_t i = 0; i < count; ++i) out[i] = value(i);
    } else {
      for (size_t i = 0; i < count; ++i) out[i] |= value(i) << (8 * p);
    }
  }

  void ReadPlane(uint8_t mode, unsigned pack) {
    if (!fault_.empty()) return;
    plane_.resize(PackedBytes(count_, pack));
    if (mode == kConstant) {
      plane_.assign(plane_.size(), static_cast<char>(Byte()));
    } else if (mode == kRaw) {
      const std::string_view raw = Bytes(plane_.size());
      if (fault_.empty()) plane_ = raw;
    } else if (mode == kZstd) {
      const std::string_view packed = Bytes(Varint(kChunkBytesMax, "bytes of a plane"));
      if (!fault_.empty()) return;
      const size_t size = ZSTD_decompressDCtx(Decompressor(), plane_.data(), plane_.size(),
                                              packed.data(), packed.size());
      if (size != plane_.size()) Fail("a plane that does not unpack");
    } else {
      Fail("a plane of unknown kind");
    }
  }

  uint8_t Byte() {
    const std::string_view byte = Bytes(1);
    return byte.empty() ? 0 : static_cast<uint8_t>(byte[0]);
  }

  std::string_view Bytes(size_t size) {
    if (!fault_.empty()) return {};
    if (size > data_.size()) {
      Fail("cut short");
      return {};
    }
    const std::string_view bytes = data_.substr(0, size);
    data_.remove_prefix(size);
    return bytes;
  }

  uint64_t Varint(uint64_t most, const char* what) {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const uint8_t byte = Byte();
      if (shift == 63 && byte > 1) Fail("a number that is too long");
      value |= uint64_t{byte & 0x7fu} << shift;
      if ((byte & 0x80) == 0) break;
    }
    if (value > most) Fail(what);
    return fault_.empty() ? value : 0;
  }

  void Fail(const char* what) {
    if (fault_.empty()) fault_ = what;
  }

  std::string_view data_;
  std::string fault_;
  bool values_ = false;  // every version but the first has values and rates
  bool times_go_back_ = false;
  size_t count_ = 0;
  int64_t from_ns_ = 0;
  std::vector<CpuStream> cpus_;
  std::vector<Source> sources_;
  std::string plane_;  // the one that is being read
};

// The times of a chunk's events.
struct Span {
  int64_t from_ns = INT64_MAX;
  int64_t to_ns = INT64_MIN;
  void Add(int64_t time_ns) {
    from_ns = std::min(from_ns, time_ns);
    to_ns = std::max(to_ns, time_ns);
  }
};

absl::Status CheckClaims(const EventChunk& chunk, size_t events, const Span& span) {
  if (chunk.count != events || chunk.from_mono_ns != span.from_ns ||
      chunk.to_mono_ns != span.to_ns) {
    return absl::InvalidArgumentError("event chunk: its record states other events");
  }
  return absl::OkStatus();
}

void Join(const ChunkQueue& from, ChunkQueue& into) {
  into.events += from.events;
  into.from_mono_ns = std::min(into.from_mono_ns, from.from_mono_ns);
  into.to_mono_ns = std::max(into.to_mono_ns, from.to_mono_ns);
  into.pos_min = std::min(into.pos_min, from.pos_min);
  into.pos_max = std::max(into.pos_max, from.pos_max);
  into.number_min = std::min(into.number_min, from.number_min);
  into.number_max = std::max(into.number_max, from.number_max);
}

void AddToRow(const Source& now, int64_t time_ns, ChunkQueue& row) {
  const ChunkQueue one{now.queue, now.kind, 1,          time_ns,   time_ns,
                       now.pos,   now.pos,  now.number, now.number};
  if (row.events == 0) {
    row = one;
  } else {
    Join(one, row);
  }
}

// The events of each CPU are in order already; equal times keep the order of CPUs.
void MergeRuns(std::vector<size_t> ends, std::vector<Event>& events) {
  const auto by_time = [](const Event& a, const Event& b) { return a.mono_ns < b.mono_ns; };
  std::vector<Event> merged(events.size());
  while (ends.size() > 1) {
    std::vector<size_t> next;
    size_t begin = 0;
    for (size_t run = 0; run < ends.size(); run += 2) {
      const size_t middle = ends[run];
      const size_t end = run + 1 < ends.size() ? ends[run + 1] : middle;
      std::merge(events.begin() + begin, events.begin() + middle, events.begin() + middle,
                 events.begin() + end, merged.begin() + begin, by_time);
      next.push_back(end);
      begin = end;
    }
    events.swap(merged);
    ends = std::move(next);
  }
}

absl::StatusOr<std::vector<Event>> Decode(std::string_view data, Span* span) {
  Unpacker unpacker(data);
  std::vector<Event> events;
  absl::Status status = unpacker.Unpack([&](size_t i, uint16_t cpu, int64_t time_ns,
                                            const Source& now) {
    if (events.empty()) events.resize(unpacker.count());
    span->Add(time_ns);
    events[i] = Event{
        time_ns, now.pos, now.queue, now.kind, cpu, now.number, static_cast<uint32_t>(now.value),
        now.rate};
  });
  if (!status.ok()) return status;
  if (unpacker.times_go_back()) {
    std::stable_sort(events.begin(), events.end(),
                     [](const Event& a, const Event& b) { return a.mono_ns < b.mono_ns; });
  } else {
    MergeRuns(unpacker.ends_of_cpus(), events);
  }
  return events;
}

}  // namespace

absl::StatusOr<std::vector<Event>> DecodeChunk(std::string_view data) {
  Span span;
  return Decode(data, &span);
}

absl::StatusOr<std::vector<Event>> DecodeChunk(const EventChunk& chunk) {
  Span span;
  absl::StatusOr<std::vector<Event>> events = Decode(chunk.data, &span);
  if (!events.ok()) return events;
  if (absl::Status status = CheckClaims(chunk, events->size(), span); !status.ok()) return status;
  return events;
}

// Without making the events: their values are taken as they are unpacked.
absl::StatusOr<std::vector<ChunkQueue>> IndexChunk(const EventChunk& chunk) {
  Unpacker unpacker(chunk.data);
  std::vector<ChunkQueue> rows;  // by source
  bool in_range = true;
  Span span;
  absl::Status status = unpacker.Unpack([&](size_t, uint16_t, int64_t time_ns, const Source& now) {
    if (rows.empty()) rows.resize(unpacker.sources().size());
    in_range = in_range && now.pos <= kCountMax && now.number <= kCountMax;
    span.Add(time_ns);
    AddToRow(now, time_ns, rows[static_cast<size_t>(&now - unpacker.sources().data())]);
  });
  if (status.ok()) status = CheckClaims(chunk, unpacker.count(), span);
  if (!status.ok()) return status;
  if (!in_range) {
    return absl::InvalidArgumentError("event chunk: a position or number out of range");
  }
  std::map<std::pair<QueueId, uint16_t>, ChunkQueue> queues;  // sources differ by rate, too
  for (const ChunkQueue& row : rows) {
    if (row.events == 0) continue;
    const auto [at, added] = queues.try_emplace({row.queue, row.kind}, row);
    if (!added) Join(row, at->second);
  }
  std::vector<ChunkQueue> out;
  out.reserve(queues.size());
  for (const auto& [key, queue] : queues) out.push_back(queue);
  return out;
}

}  // namespace ringside
