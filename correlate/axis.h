// SPDX-License-Identifier: Apache-2.0
// Puts a node's own times on the axis that people see: the recorder's REALTIME, with a bound.
//
// First from the stream alone, which is enough to find out which queues belong together: a plain
// exchange bounds the offset between two clocks by its round trip. Where there was no exchange
// (merged files), each node's own REALTIME is taken, with the error its kernel states for it. Then
// all evidence about all nodes' clocks takes its place (clock_net.h).
#ifndef RINGSIDE_CORRELATE_AXIS_H_
#define RINGSIDE_CORRELATE_AXIS_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "correlate/clock_hull.h"
#include "correlate/recording.h"

namespace ringside {

// The true time lies in [lo_ns, hi_ns] on the axis.
struct AxisTime {
  int64_t lo_ns = 0;
  int64_t hi_ns = 0;
  int64_t mid_ns() const { return lo_ns + (hi_ns - lo_ns) / 2; }
};

class ClockNet;

// One stream's clock against the axis. Immutable but for Refine; any thread.
class StreamAxis {
 public:
  // `embedded`: the stream was recorded by its own node, which is the axis.
  StreamAxis(const Stream& stream, bool embedded);
  // From here on, times come from the net, in which the stream is node number `node`, wherever it
  // knows them.
  void Refine(std::shared_ptr<const ClockNet> net, size_t node, const Stream& stream);
  AxisTime At(int64_t mono_ns) const;
  // The same on the clock of the node's family (clock_net.h): times of one root can be compared
  // where those of the axis cannot. Absent before Refine, and where it is not known.
  struct RootTime {
    size_t root = 0;
    ClockRange range;
  };
  std::optional<RootTime> RootAt(int64_t mono_ns) const;
  // How the axis was found first: "own clock", "exchange", "wall clock, unsynchronised".
  const std::string& method() const { return method_; }
  int64_t bound_ns() const { return bound_ns_; }
  // The part of every bound that is one unknown offset, the same for all times of this stream: a
  // wall clock's stated error.
  int64_t common_error_ns() const { return common_error_ns_; }
  // How far that offset may wander over the snapshots.
  int64_t DriftOver(const std::vector<Snapshot>& snapshots) const;

 private:
  struct Point {
    int64_t mono_ns;
    int64_t offset_lo_ns;  // axis - mono
    int64_t offset_hi_ns;
  };
  void UseExchanges(const Stream& stream);
  void UseWallClock(const Stream& stream, int64_t error_ns);
  AxisTime ByPoints(int64_t mono_ns) const;

  std::vector<Point> points_;  // by mono_ns, never empty
  int64_t drift_ppm_ = 0;      // between points
  std::string method_;
  int64_t bound_ns_ = 0;
  int64_t common_error_ns_ = 0;
  std::shared_ptr<const ClockNet> net_;
  size_t node_ = 0;
  bool has_way_ = false;  // of the net, to the axis
};

// The kernel's own statement of its wall clock's error, as the agent read it by adjtimex; 16 s
// where there is none.
int64_t StatedErrorNs(const Stream& stream);

// True if the recording was made by one of its own nodes (ringside record).
bool IsEmbedded(const Recording& recording);

}  // namespace ringside

#endif  // RINGSIDE_CORRELATE_AXIS_H_
