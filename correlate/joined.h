// SPDX-License-Identifier: Apache-2.0
// A recording with everything that is derived from it once: nodes under unique names, their series
// and clocks, queues, and which guest queue is which host queue. What the ledger and the causes
// both read.
#ifndef RINGSIDE_CORRELATE_JOINED_H_
#define RINGSIDE_CORRELATE_JOINED_H_

#include <list>
#include <memory>
#include <string>
#include <vector>

#include "correlate/clock_net.h"
#include "correlate/pairing.h"
#include "correlate/recording.h"

namespace ringside {

// Refers to the recording, which must outlive it; queues and pairs refer to the lists here, so it
// stays where it was made. Immutable; any thread.
class Joined {
 public:
  explicit Joined(const Recording& recording);
  Joined(const Joined&) = delete;
  Joined& operator=(const Joined&) = delete;

  const Recording& recording() const { return *recording_; }
  const std::list<NodeStream>& nodes() const { return nodes_; }  // in the order of the streams
  const std::vector<QueuePair>& pairs() const { return pairs_; }
  // Softnet and vCPU counters: they belong to a node or a VM, not to a queue.
  const std::vector<LocalQueue>& others() const { return others_; }
  // What is wrong with the recording as a whole, in words.
  const std::vector<std::string>& warnings() const { return warnings_; }
  // Numbered as the nodes are.
  const ClockNet& clocks() const { return *clocks_; }

 private:
  const Recording* recording_;
  std::vector<std::string> warnings_;
  std::list<NodeStream> nodes_;
  std::vector<LocalQueue> queues_;
  std::vector<LocalQueue> others_;
  std::vector<QueuePair> pairs_;
  std::shared_ptr<const ClockNet> clocks_;
};

}  // namespace ringside

#endif  // RINGSIDE_CORRELATE_JOINED_H_
