// SPDX-License-Identifier: Apache-2.0
// When the entries of one queue really passed the points of their path, in true time: what the
// latencies are judged by. Written down beside the model, and only in runs with details.
#ifndef RINGSIDE_TESTS_SIM_PATH_TIMES_H_
#define RINGSIDE_TESTS_SIM_PATH_TIMES_H_

#include <algorithm>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

namespace ringside::sim {

// Positions are those of the model: the used index after the entry, without turns.
struct PathTimes {
  struct Seen {  // something happened that knew of every entry up to `pos`
    int64_t time = 0;
    uint64_t pos = 0;
    int cpu = 0;  // vCPU, on the guest
  };
  struct Batch {
    uint64_t from = 0;
    uint64_t to = 0;
    int64_t begin = 0;
    int64_t published = 0;
  };
  bool on = false;
  std::deque<int64_t> waiting;  // when the packets came that have no entry yet, oldest first
  std::vector<Seen> enqueued;   // one for each entry that carries a packet
  std::vector<Batch> batches;
  std::vector<Seen> woken;
  std::vector<Seen> injected;  // the bit is set
  std::vector<Seen> irqs;      // handlers that began
  std::vector<Seen> polls;     // polls that are over
  std::vector<Seen> taken;     // entries came off the ring, by whomever

  // Only who is the first to know of an entry matters.
  void Note(std::vector<Seen>* list, const Seen& seen) const {
    if (on && (list->empty() || seen.pos > list->back().pos)) list->push_back(seen);
  }
  void Came(int64_t now, uint64_t packets) {
    if (on) waiting.insert(waiting.end(), packets, now);
  }
  // The oldest packets were copied into entries `pos` + 1 and so on.
  void Copied(uint64_t pos, uint64_t packets) {
    for (uint64_t i = 1; i <= packets && !waiting.empty(); ++i) {
      enqueued.push_back({waiting.front(), pos + i});
      waiting.pop_front();
    }
  }
  static std::optional<Seen> First(const std::vector<Seen>& list, uint64_t pos) {
    const auto found = std::partition_point(list.begin(), list.end(),
                                            [pos](const Seen& s) { return s.pos < pos; });
    if (found == list.end()) return std::nullopt;
    return *found;
  }
  std::optional<Batch> BatchOf(uint64_t pos) const {
    const auto found = std::partition_point(batches.begin(), batches.end(),
                                            [pos](const Batch& b) { return b.to < pos; });
    if (found == batches.end() || found->from >= pos) return std::nullopt;
    return *found;
  }
};

// One time that a vCPU's thread had no CPU, until it got one.
struct VcpuAbsence {
  int64_t off = 0;
  int64_t woken = -1;  // became runnable; -1: it was all the time
  int64_t on = 0;
  int64_t ready() const { return woken < 0 ? off : woken; }
};

}  // namespace ringside::sim

#endif  // RINGSIDE_TESTS_SIM_PATH_TIMES_H_
