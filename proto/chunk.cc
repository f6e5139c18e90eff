// SPDX-License-Identifier: Apache-2.0
#include "proto/chunk.h"

#include <fmt/format.h>
#include <zstd.h>

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <numeric>
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

// One byte of every value.
void PutPlane(const std::string& plane, std::string& scratch, std::string& out) {
  if (plane.find_first_not_of(plane[0]) == std::string::npos) {
    out.push_back(static_cast<char>(kConstant));
    out.push_back(plane[0]);
    return;
  }
  scratch.resize(ZSTD_compressBound(plane.size()));
  const size_t size = ZSTD_compressCCtx(Compressor(), scratch.data(), scratch.size(), plane.data(),
                                        plane.size(), kZstdLevel);
  if (ZSTD_isError(size) != 0 || size + 3 >= plane.size()) {
    out.push_back(static_cast<char>(kRaw));
    out += plane;
    return;
  }
  out.push_back(static_cast<char>(kZstd));
  PutVarint(size, out);
  out.append(scratch, 0, size);
}

void PutColumn(const std::vector<uint64_t>& values, std::string& scratch, std::string& out) {
  uint64_t any = 0;
  for (const uint64_t value : values) any |= value;
  size_t planes = 0;
  for (; any != 0; any >>= 8) ++planes;
  out.push_back(static_cast<char>(planes));
  std::string plane(values.size(), '\0');
  for (size_t p = 0; p < planes; ++p) {
    for (size_t i = 0; i < values.size(); ++i) plane[i] = static_cast<char>(values[i] >> (8 * p));
    PutPlane(plane, scratch, out);
  }
}

// What the events of one queue and kind are predicted from.
struct Source {
  size_t index = 0;
  uint64_t pos = 0;
  uint64_t number = 0;
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
  explicit Packer(const std::vector<Event>& events) : events_(events), order_(events.size()) {
    std::iota(order_.begin(), order_.end(), 0u);
    const auto by_cpu = [this](uint32_t a, uint32_t b) { return events_[a].cpu < events_[b].cpu; };
    if (!std::is_sorted(order_.begin(), order_.end(), by_cpu)) {
      std::stable_sort(order_.begin(), order_.end(), by_cpu);
    }
    const auto by_time = [](const Event& a, const Event& b) { return a.mono_ns < b.mono_ns; };
    const auto ends = std::minmax_element(events.begin(), events.end(), by_time);
    from_ns_ = ends.first->mono_ns;
    to_ns_ = ends.second->mono_ns;
  }

  std::string Pack() {
    MakeColumns();
    std::string body;
    body.reserve(events_.size() * 4 + 64);
    PutVarint(events_.size(), body);
    PutVarint(static_cast<uint64_t>(from_ns_), body);
    body += cpus_;
    PutVarint(sources_.size(), body);
    body += dictionary_;
    std::string scratch;
    for (const std::vector<uint64_t>& column : columns_) PutColumn(column, scratch, body);
    std::string out;
    out.push_back(static_cast<char>(kVersion));
    out.push_back(static_cast<char>(times_go_back_ ? kFlagTimesGoBack : 0));
    const uint32_t crc = Crc32c(body);
    for (int i = 0; i < 4; ++i) out.push_back(static_cast<char>(crc >> (8 * i)));
    return out + body;
  }

  int64_t from_ns() const { return from_ns_; }
  int64_t to_ns() const { return to_ns_; }

 private:
  void MakeColumns() {
    for (std::vector<uint64_t>& column : columns_) column.reserve(events_.size());
    size_t cpus = 0;
    std::string streams;
    for (size_t begin = 0; begin < order_.size();) {
      const uint16_t cpu = events_[order_[begin]].cpu;
      size_t end = begin;
      while (end < order_.size() && events_[order_[end]].cpu == cpu) ++end;
      PutVarint(cpu, streams);
      PutVarint(end - begin, streams);
      int64_t last_ns = from_ns_;
      for (size_t i = begin; i < end; ++i) last_ns = AddEvent(events_[order_[i]], last_ns);
      ++cpus;
      begin = end;
    }
    PutVarint(cpus, cpus_);
    cpus_ += streams;
    if (times_go_back_) {
      for (uint64_t& delta : columns_[kTimeColumn]) delta = ZigZag(delta);
    }
  }

  int64_t AddEvent(const Event& event, int64_t last_ns) {
    const auto key = std::pair(static_cast<uint32_t>(event.queue), event.kind);
    const auto [at, added] = sources_.try_emplace(key, Source{sources_.size(), event.pos,
                                                              event.number - 1});
    Source& source = at->second;
    if (added) {
      PutVarint(key.first, dictionary_);
      PutVarint(key.second, dictionary_);
      PutVarint(event.pos, dictionary_);
      PutVarint(event.number, dictionary_);
    }
    times_go_back_ |= event.mono_ns < last_ns;
    columns_[kIndexColumn].push_back(source.index);
    columns_[kTimeColumn].push_back(static_cast<uint64_t>(event.mono_ns - last_ns));
    columns_[kPositionColumn].push_back(ZigZag(event.pos - source.pos));
    columns_[kNumberColumn].push_back(ZigZag(event.number - source.number - 1));
    source.pos = event.pos;
    source.number = event.number;
    return event.mono_ns;
  }

  const std::vector<Event>& events_;
  std::vector<uint32_t> order_;  // by CPU, else as given
  int64_t from_ns_ = 0;
  int64_t to_ns_ = 0;
  bool times_go_back_ = false;
  std::string cpus_;
  std::string dictionary_;
  std::map<std::pair<uint32_t, uint16_t>, Source> sources_;
  std::array<std::vector<uint64_t>, kColumns> columns_;
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
