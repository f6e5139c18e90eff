// SPDX-License-Identifier: Apache-2.0
// The clocks of all nodes of a recording and the ways between them:
//
//   guest --(queues they share)--> host --(exchanges)--> collector --> its wall clock: the axis
//      \-----------------(exchanges)---------------------^
//
// A guest and its host are one machine with one oscillator, so their relation is usually known far
// better than either's to the collector. A node's *root* is the clock on which its times are best
// compared with those of its nearest relatives: its host's, else its own. Two events of one family
// are put in order there, and not by the axis, whose error both share.
//
// Owns all it holds: it may outlive the recording. Immutable after construction; any thread.
#ifndef RINGSIDE_CORRELATE_CLOCK_NET_H_
#define RINGSIDE_CORRELATE_CLOCK_NET_H_

#include <cstddef>
#include <cstdint>
#include <list>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "correlate/clock_fit.h"
#include "correlate/pairing.h"

namespace ringside {

struct ClockSource {
  std::string name;  // "exchange", "vm1/eth0/rx0"
  uint64_t statements = 0;
  bool wrong = false;  // cannot be true beside the others, or beside itself
};

// What is known of a clock against another one.
struct ClockLink {
  size_t node = 0;
  std::optional<size_t> host;  // absent: against the collector
  std::vector<ClockSource> sources;
  ClockFit fit;
  std::vector<std::string> notes;  // sources that could not be used, and why
  // Between a guest and its host: the fit of each kind of source by itself, "queues" together.
  std::vector<std::pair<std::string, ClockFit>> ways;
};

// MONOTONIC_RAW of a clock to its own wall clock, by readings of both. Beyond the first and the
// last of them the wall clock is taken to go on within 1000 ppm.
class WallScale {
 public:
  // In order of RAW.
  void Add(const ClockReading& reading);
  // REALTIME when RAW was within a range. Not known() without a reading.
  ClockRange At(const ClockRange& raw) const;

 private:
  SteadyScale scale_;  // of RAW, to REALTIME less base_ns_
  int64_t base_ns_ = 0;
};

class ClockNet {
 public:
  // Nodes are numbered in the order of the list.
  ClockNet(const std::list<NodeStream>& nodes, const std::vector<QueuePair>& pairs);

  const SteadyScale& scale(size_t node) const { return nodes_[node].scale; }
  const SteadyScale& collector() const { return collector_; }
  const std::vector<ClockLink>& links() const { return links_; }  // by node, the collector's first
  const ClockLink* ToCollector(size_t node) const;

  // The axis when the node's MONOTONIC showed a time. Not known() where no way leads there.
  ClockRange AxisAt(size_t node, int64_t mono_ns) const;
  // Whether some way leads there, other than the wall clock of a node that nothing relates.
  bool HasWay(size_t node) const;
  // Whose clock the node's times are best compared on.
  size_t Root(size_t node) const { return nodes_[node].host.value_or(node); }
  // MONOTONIC_RAW of the root then.
  ClockRange RootAt(size_t node, int64_t mono_ns) const;

 private:
  struct Node {
    SteadyScale scale;
    WallScale wall;                      // where it has no exchange
    int64_t wall_error_ns = 0;           // as its kernel states it
    std::optional<size_t> to_collector;  // places in links_
    std::optional<size_t> to_host;
    std::optional<size_t> host;  // if that link can be relied on
    bool by_host = false;        // the way over the host is the better one to the axis
  };
  struct Known;
  static void AddKvm(Known* known);
  ClockLink FitKnown(size_t guest, size_t host, Known known) const;
  void LinkToCollector(size_t node, const Stream& stream);
  void LinkToHosts(const std::list<NodeStream>& nodes, const std::vector<QueuePair>& pairs);
  void ChooseWays(const std::list<NodeStream>& nodes);
  ClockRange AxisOfRaw(size_t node, const ClockRange& raw, int depth) const;

  std::vector<Node> nodes_;
  std::vector<ClockLink> links_;
  SteadyScale collector_;
  WallScale collector_wall_;
};

}  // namespace ringside

#endif  // RINGSIDE_CORRELATE_CLOCK_NET_H_
