// SPDX-License-Identifier: Apache-2.0
#include "proto/chunk.h"

#include <fmt/format.h>
#include <zstd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <memory>
#include <tuple>
#include <utility>

#include "proto/chunk_format.h"
#include "proto/crc32c.h"

namespace ringside {
namespace {

using namespace chunk_format;  // NOLINT(google-build-using-namespace): constants of this format

constexpr int kZstdLevel = 1;  // planes are nearly random or nearly constant: more effort buys 1%

struct FreeCompressor {
  void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
};

// One context per thread: making one costs more than packing a small chunk.
ZSTD_CCtx* Compressor() {
  static thread_local std::unique_ptr<ZSTD_CCtx, FreeCompressor> context(ZSTD_createCCtx());
  return context.get();
}

void PutVarint(uint64_t value, std::string& out) {
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>(value | 0x80));
  out.push_back(static_cast<char>(value));
}

// How many values of the plane fit into a byte, as a power of two. Sharing bytes is what makes
// small values cheap: zstd's codes take at least a bit for each byte.
unsigned PackOf(const std::string& plane) {
  uint8_t any = 0;
  for (const char value : plane) any |= static_cast<uint8_t>(value);
  return any < 2 ? 3 : any < 4 ? 2 : any < 16 ? 1 : 0;
}

void PackValues(unsigned pack, std::string& plane) {
  const size_t bytes = PackedBytes(plane.size(), pack);
  const unsigned bits = 8u >> pack;
  plane.resize(bytes << pack, '\0');
  for (size_t i = 0; i < bytes; ++i) {
    unsigned byte = 0;
    for (unsigned v = 0; v < 1u << pack; ++v) {
      byte |= static_cast<unsigned>(plane[(i << pack) + v]) << (bits * v);
    }
    plane[i] = static_cast<char>(byte);
  }
  plane.resize(bytes);
}

// One byte of every value.
void PutPlane(std::string& plane, std::string& scratch, std::string& out) {
  // Equal to itself moved by one: all bytes are the same.
  if (std::memcmp(plane.data(), plane.data() + 1, plane.size() - 1) == 0) {
    out.push_back(static_cast<char>(kConstant));
    out.push_back(plane[0]);
    return;
  }
  const unsigned pack = PackOf(plane);
  if (pack > 0) PackValues(pack, plane);
  if (scratch.size() < ZSTD_compressBound(plane.size())) {
    scratch.resize(ZSTD_compressBound(plane.size()));
  }
  const size_t size = ZSTD_compressCCtx(Compressor(), scratch.data(), scratch.size(), plane.data(),
                                        plane.size(), kZstdLevel);
  if (ZSTD_isError(size) != 0 || size + 3 >= plane.size()) {
    out.push_back(static_cast<char>(kRaw | pack << kPackShift));
    out += plane;
    return;
  }
  out.push_back(static_cast<char>(kZstd | pack << kPackShift));
  PutVarint(size, out);
  out.append(scratch, 0, size);
}

// What packing needs, kept per thread: 3 MB fetched anew for each chunk would be page faults.
struct Scratch {
  std::array<std::vector<uint64_t>, kColumns> columns;
  std::vector<uint32_t> order;
  std::string plane;
  std::string packed;
};

Scratch& ThreadScratch() {
  static thread_local Scratch scratch;
  return scratch;
}

void PutColumn(const std::vector<uint64_t>& values, Scratch& scratch, std::string& out) {
  uint64_t any = 0;
  for (const uint64_t value : values) any |= value;
  size_t planes = 0;
  for (; any != 0; any >>= 8) ++planes;
  out.push_back(static_cast<char>(planes));
  for (size_t p = 0; p < planes; ++p) {
    scratch.plane.resize(values.size());
    char* const plane = scratch.plane.data();
    const uint64_t* const from = values.data();
    const size_t count = values.size();
    for (size_t i = 0; i < count; ++i) plane[i] = static_cast<char>(from[i] >> (8 * p));
    PutPlane(scratch.plane, scratch.packed, out);
  }
}

// What the events of one queue, kind and rate are predicted from.
using SourceKey = std::tuple<uint32_t, uint16_t, uint32_t>;
struct Source {
  SourceKey key;
  size_t index = 0;
  uint64_t pos = 0;
  uint64_t number = 0;
  uint64_t value = 0;
  int last_cpu = 0;  // + 1: the CPU for which local_index holds
  size_t local_index = 0;
};

absl::Status CheckEvents(const std::vector<Event>& events, uint64_t first_number) {
  if (events.empty()) return absl::InvalidArgumentError("a chunk of no events");
  if (events.size() > kChunkEventsMax) {
    return absl::InvalidArgumentError(
        fmt::format("{} events, a chunk holds {}", events.size(), kChunkEventsMax));
  }
  if (first_number == 0) return absl::InvalidArgumentError("events are numbered from 1");
  for (const Event& event : events) {
    if (event.mono_ns < 0) return absl::InvalidArgumentError("an event before the clock began");
    if (event.kind == 0 || event.kind > kEventKindMax) {
      return absl::InvalidArgumentError(fmt::format("event kind {} does not exist", event.kind));
    }
    if (event.cpu >= kChunkCpusMax) {
      return absl::InvalidArgumentError(fmt::format("CPU {} is out of range", event.cpu));
    }
  }
  return absl::OkStatus();
}

class Packer {
 public:
  explicit Packer(const std::vector<Event>& events)
      : events_(events), order_(ThreadScratch().order), columns_(ThreadScratch().columns) {
    SortByCpu();
    for (std::vector<uint64_t>& column : columns_) column.resize(events.size());
    const auto by_time = [](const Event& a, const Event& b) { return a.mono_ns < b.mono_ns; };
    const auto ends = std::minmax_element(events.begin(), events.end(), by_time);
    from_ns_ = ends.first->mono_ns;
    to_ns_ = ends.second->mono_ns;
  }

  std::string Pack() {
    MakeColumns();
    std::string body;
    body.reserve(events_.size() * 4 + 64);
    body.resize(kHeaderBytes);
    body.push_back(static_cast<char>(times_go_back_ ? kFlagTimesGoBack : 0));
    PutVarint(events_.size(), body);
    PutVarint(static_cast<uint64_t>(from_ns_), body);
    PutVarint(sources_.size(), body);
    body += dictionary_;
    body += cpus_;
    for (const std::vector<uint64_t>& column : columns_) {
      PutColumn(column, ThreadScratch(), body);
    }
    body[0] = static_cast<char>(kVersion);
    const uint32_t crc = Crc32c(std::string_view(body).substr(kHeaderBytes));
    for (int i = 0; i < 4; ++i) body[1 + i] = static_cast<char>(crc >> (8 * i));
    return body;
  }

  int64_t from_ns() const { return from_ns_; }
  int64_t to_ns() const { return to_ns_; }

 private:
  // Counting sort: events of one CPU keep their order.
  void SortByCpu() {
    std::array<uint32_t, kChunkCpusMax> next{};
    for (const Event& event : events_) ++next[event.cpu];
    uint32_t place = 0;
    for (uint32_t& count : next) place += std::exchange(count, place);
    order_.resize(events_.size());
    for (uint32_t i = 0; i < events_.size(); ++i) order_[next[events_[i].cpu]++] = i;
  }

  void MakeColumns() {
    size_t cpus = 0;
    std::string streams;
    for (size_t begin = 0; begin < order_.size(); ++cpus) {
      const uint16_t cpu = events_[order_[begin]].cpu;
      size_t end = begin;
      while (end < order_.size() && events_[order_[end]].cpu == cpu) ++end;
      PutVarint(cpu, streams);
      PutVarint(end - begin, streams);
      local_.clear();
      recent_.fill(nullptr);
      int64_t last_ns = from_ns_;
      for (size_t i = begin; i < end; ++i) last_ns = AddEvent(i, events_[order_[i]], last_ns);
      PutVarint(local_.size(), streams);
      for (const Source* source : local_) PutVarint(source->index, streams);
      begin = end;
    }
    PutVarint(cpus, cpus_);
    cpus_ += streams;
    if (times_go_back_) {
      for (uint64_t& delta : columns_[kTimeColumn]) delta = ZigZag(delta);
    }
  }

  int64_t AddEvent(size_t i, const Event& event, int64_t last_ns) {
    Source& source = SourceOf(event);
    times_go_back_ |= event.mono_ns < last_ns;
    columns_[kIndexColumn][i] = source.local_index;
    columns_[kTimeColumn][i] = static_cast<uint64_t>(event.mono_ns - last_ns);
    columns_[kPositionColumn][i] = ZigZag(event.pos - source.pos);
    columns_[kNumberColumn][i] = ZigZag(event.number - source.number - NumberStep(event.rate));
    columns_[kValueColumn][i] = ZigZag(event.value - source.value);
    source.pos = event.pos;
    source.number = event.number;
    source.value = event.value;
    return event.mono_ns;
  }

  // With its place among what this CPU has shown so far: nearly always one of a few.
  Source& SourceOf(const Event& event) {
    const SourceKey key{static_cast<uint32_t>(event.queue), event.kind, event.rate};
    Source*& recent = recent_[(static_cast<uint32_t>(event.queue) * 8 + event.kind) % kRecent];
    if (recent == nullptr || recent->key != key) recent = &FindSource(key, event);
    return *recent;
  }

  Source& FindSource(const SourceKey& key, const Event& event) {
    const auto [at, added] = sources_.try_emplace(key);
    Source& source = at->second;
    if (added) {
      source = Source{key, sources_.size() - 1, event.pos, event.number - NumberStep(event.rate),
                      event.value};
      PutVarint(std::get<0>(key), dictionary_);
      PutVarint(event.kind, dictionary_);
      PutVarint(event.rate, dictionary_);
      PutVarint(event.pos, dictionary_);
      PutVarint(event.number, dictionary_);
      PutVarint(event.value, dictionary_);
    }
    if (source.last_cpu != event.cpu + 1) {
      source.last_cpu = event.cpu + 1;
      source.local_index = local_.size();
      local_.push_back(&source);
    }
    return source;
  }

  static constexpr size_t kRecent = 64;
  const std::vector<Event>& events_;
  std::vector<uint32_t>& order_;  // by CPU, else as given
  int64_t from_ns_ = 0;
  int64_t to_ns_ = 0;
  bool times_go_back_ = false;
  std::string cpus_;
  std::string dictionary_;
  std::map<SourceKey, Source> sources_;
  std::vector<Source*> local_;  // those of the present CPU, in order of appearance
  std::array<Source*, kRecent> recent_{};
  std::array<std::vector<uint64_t>, kColumns>& columns_;
};

}  // namespace

absl::StatusOr<EventChunk> EncodeChunk(const std::vector<Event>& events, uint64_t first_number) {
  if (absl::Status status = CheckEvents(events, first_number); !status.ok()) return status;
  Packer packer(events);
  EventChunk chunk;
  chunk.first_number = first_number;
  chunk.count = events.size();
  chunk.data = packer.Pack();
  chunk.from_mono_ns = packer.from_ns();
  chunk.to_mono_ns = packer.to_ns();
  return chunk;
}

}  // namespace ringside
