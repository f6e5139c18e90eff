// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <zstd.h>

#include <algorithm>
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

  absl::StatusOr<std::vector<Event>> Unpack() {
    if (absl::Status status = ReadHeader(); !status.ok()) return status;
    ReadStart();
    ReadDictionary();
    ReadStreams();
    std::vector<Event> events(fault_.empty() ? count_ : 0);
    ReadColumns(events);
    if (fault_.empty() && !data_.empty()) Fail("bytes after its end");
    if (!fault_.empty()) return absl::InvalidArgumentError("event chunk: " + fault_);
    return events;
  }

  bool ordered() const { return ordered_; }

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
    ordered_ = cpus_.size() == 1 && !times_go_back_;
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

  void ReadColumns(std::vector<Event>& events) {
    std::vector<uint64_t> columns[kColumns];
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
        events[i] = Event{static_cast<int64_t>(time),
                          source.pos,
                          source.queue,
                          source.kind,
                          stream.cpu,
                          source.number,
                          static_cast<uint32_t>(source.value),
                          source.rate};
      }
    }
  }

  void ReadColumn(std::vector<uint64_t>& column) {
    const uint8_t planes = Byte();
    if (planes > kPlanesMax) Fail("more planes than bytes in a number");
    if (!fault_.empty()) return;
    column.assign(count_, 0);
    for (uint8_t p = 0; p < planes; ++p) {
      const uint8_t mode = Byte();
      const unsigned pack = mode >> kPackShift;
      if (pack > kPackMax) Fail("a plane of unknown kind");
      ReadPlane(mode & ((1 << kPackShift) - 1), pack);
      if (!fault_.empty()) return;
      const unsigned bits = 8u >> pack;
      const uint8_t mask = static_cast<uint8_t>((1u << bits) - 1);
      for (size_t i = 0; i < count_; ++i) {
        const auto byte = static_cast<uint8_t>(plane_[i >> pack]);
        const unsigned place = bits * (i & ((size_t{1} << pack) - 1));
        column[i] |= uint64_t{static_cast<uint8_t>((byte >> place) & mask)} << (8 * p);
      }
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
  bool ordered_ = false;
  size_t count_ = 0;
  int64_t from_ns_ = 0;
  std::vector<CpuStream> cpus_;
  std::vector<Source> sources_;
  std::string plane_;  // the one that is being read
};

absl::Status CheckClaims(const EventChunk& chunk, const std::vector<Event>& events) {
  const auto by_time = [](const Event& a, const Event& b) { return a.mono_ns < b.mono_ns; };
  const auto ends = std::minmax_element(events.begin(), events.end(), by_time);
  if (chunk.count != events.size() || chunk.from_mono_ns != ends.first->mono_ns ||
      chunk.to_mono_ns != ends.second->mono_ns) {
    return absl::InvalidArgumentError("event chunk: its record states other events");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<Event>> DecodeChunk(std::string_view data) {
  Unpacker unpacker(data);
  absl::StatusOr<std::vector<Event>> events = unpacker.Unpack();
  if (events.ok() && !unpacker.ordered()) {
    std::stable_sort(events->begin(), events->end(),
                     [](const Event& a, const Event& b) { return a.mono_ns < b.mono_ns; });
  }
  return events;
}

absl::StatusOr<std::vector<Event>> DecodeChunk(const EventChunk& chunk) {
  absl::StatusOr<std::vector<Event>> events = DecodeChunk(chunk.data);
  if (!events.ok()) return events;
  if (absl::Status status = CheckClaims(chunk, *events); !status.ok()) return status;
  return events;
}

absl::StatusOr<std::vector<ChunkQueue>> IndexChunk(const EventChunk& chunk) {
  const absl::StatusOr<std::vector<Event>> events = Unpacker(chunk.data).Unpack();
  if (!events.ok()) return events.status();
  if (absl::Status status = CheckClaims(chunk, *events); !status.ok()) return status;
  std::map<std::pair<QueueId, uint16_t>, ChunkQueue> queues;
  ChunkQueue* last = nullptr;
  for (const Event& event : *events) {
    if (event.pos > kCountMax || event.number > kCountMax) {
      return absl::InvalidArgumentError("event chunk: a position or number out of range");
    }
    if (last == nullptr || last->queue != event.queue || last->kind != event.kind) {
      last = &queues
                  .try_emplace({event.queue, event.kind},
                               ChunkQueue{event.queue, event.kind, 0, event.mono_ns, event.mono_ns,
                                          event.pos, event.pos, event.number, event.number})
                  .first->second;
    }
    ++last->events;
    last->from_mono_ns = std::min(last->from_mono_ns, event.mono_ns);
    last->to_mono_ns = std::max(last->to_mono_ns, event.mono_ns);
    last->pos_min = std::min(last->pos_min, event.pos);
    last->pos_max = std::max(last->pos_max, event.pos);
    last->number_min = std::min(last->number_min, event.number);
    last->number_max = std::max(last->number_max, event.number);
  }
  std::vector<ChunkQueue> out;
  out.reserve(queues.size());
  for (const auto& [key, queue] : queues) out.push_back(queue);
  return out;
}

}  // namespace ringside
