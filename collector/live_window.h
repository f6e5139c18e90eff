// SPDX-License-Identifier: Apache-2.0
// The last minute of every stream as a Recording: what continuous evaluation reads, kept up to date
// record by record and bounded.
//
//   newest - 60 s        newest - 10 s            newest
//   [base]----s----s----s---|ssssssssssssssssssssss|
//     everything before,      one per 5 s   all
//     folded into one full
//     snapshot, up to a step older
//
// Counters are cumulative, so folding loses no count: what is lost is how things stood in between.
// A stream takes part from its first full snapshot on (agents send one every ten seconds), and
// again after a hole in its snapshots: a base that lacks a count would let it seem to begin at
// zero. Of
// the marks of a queue, old ones go by coarser multiples of their spacing, so that what both sides
// keep still meets. A new generation of a queue starts without the old one's rows.
//
// Pure but for what it holds; one thread at a time. Times passed in are the collector's MONOTONIC.
#ifndef RINGSIDE_COLLECTOR_LIVE_WINDOW_H_
#define RINGSIDE_COLLECTOR_LIVE_WINDOW_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "correlate/recording.h"

namespace ringside {

// A minute holds six snapshots of an agent at rest, and the longest wait for a full one six times.
inline constexpr int64_t kWindow_ns = 60'000'000'000;
// What all streams' windows may take: a quarter of the collector's budget of 1 GiB. Above it older
// snapshots are folded more and more coarsely, and if that is not enough no new stream is taken in.
inline constexpr size_t kWindowBytesMax = size_t{256} << 20;
// Of each queue and writer domain: twice a second over the window.
inline constexpr size_t kMarksPerDomainMax = 128;

class LiveWindow {
 public:
  explicit LiveWindow(std::string recorder, size_t bytes_max = kWindowBytesMax);

  // Records come in the order of their numbers; repeats are left out. Event chunks are not kept.
  void Take(const StreamKey& key, const NumberedRecord& record, int64_t now_mono_ns);
  void Take(const RecorderGap& gap);
  // The agent's connection ended.
  void End(const StreamKey& key);
  // Some of its records did not get here.
  void Lose(const StreamKey& key);

  // Lets go what has become too old. Before each evaluation.
  void Trim(const ClockReading& now);
  // An attached stream has a Bye, as nothing of it is cut off: it goes on.
  const Recording& recording() const { return recording_; }

  size_t bytes() const { return bytes_; }
  // 0: as drawn above; each level doubles the steps and halves what is kept whole.
  int level() const { return level_; }
  // Streams that found no room.
  size_t left_out() const { return left_out_.size(); }

 private:
  struct Coarse {
    uint32_t shift = 0;  // only marks that pass a multiple of the spacing << shift are kept
    size_t kept = 0;
  };
  struct State {
    uint64_t last_number = 0;
    bool needs_full = true;
    bool ended = false;
    bool lost = false;           // since the last snapshot taken
    int64_t heard_mono_ns = 0;   // collector's
    int64_t newest_mono_ns = 0;  // its own
    std::optional<Bye> bye;
    std::vector<std::pair<int64_t, uint64_t>> holes;  // own time, numbers missing
    std::map<std::pair<QueueId, Domain>, Coarse> coarse;
  };

  void Begin(const StreamKey& key, const Hello& hello);
  size_t Find(const StreamKey& key) const;  // streams' size if there is none
  void Remove(size_t at);
  void TakeSnapshot(size_t at, const Snapshot& snapshot);
  void TakeQueue(Stream& stream, const QueueInfo& queue);
  void TrimStream(Stream& stream, State& state);
  void Thin(Stream& stream, const State& state);
  void TrimMarks(Stream& stream, State& state, int64_t oldest_ns);
  void Measure();

  const size_t bytes_max_;
  Recording recording_;
  std::vector<State> states_;  // of the stream at the same place
  std::map<StreamKey, bool> left_out_;
  size_t bytes_ = 0;
  int level_ = 0;
};

}  // namespace ringside

#endif  // RINGSIDE_COLLECTOR_LIVE_WINDOW_H_
