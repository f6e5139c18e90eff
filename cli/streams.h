// SPDX-License-Identifier: Apache-2.0
// A recording's streams as the commands show them: under the node's shown name, on the common axis,
// each queue under its full name. Called by queues and timeline. Pure; a view points into the
// recording and lives no longer than it.
#ifndef RINGSIDE_CLI_STREAMS_H_
#define RINGSIDE_CLI_STREAMS_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "correlate/axis.h"
#include "correlate/ledger.h"
#include "correlate/recording.h"

namespace ringside {

// When something happened, as well as it is known.
struct MomentTime {
  AxisTime axis;
  std::optional<StreamAxis::RootTime> root;  // absent: by the axis alone
};

class StreamView {
 public:
  StreamView(const Stream& stream, std::string node, StreamAxis axis);

  const Stream& stream() const { return *stream_; }
  const std::string& node() const { return node_; }
  const StreamAxis& axis() const { return axis_; }

  // The recorder's axis at this node's `mono_ns`: the middle of what is possible.
  int64_t AxisNs(int64_t mono_ns) const { return axis_.At(mono_ns).mid_ns(); }
  // What that time may be on the axis, and on the clock of the node's family.
  MomentTime TimeOf(int64_t mono_ns) const;
  // The reverse of AxisNs, within twice the axis' bound. The ends of int64_t stay what they are.
  int64_t MonoNs(int64_t axis_ns) const;
  int64_t bound_ns() const { return axis_.bound_ns(); }

  // "vm1/eth0/rx1"; "vm1/queue 7" where the stream never said what number 7 is.
  std::string QueueName(QueueId id) const;

 private:
  const Stream* stream_;
  std::string node_;
  std::map<QueueId, std::string> names_;
  StreamAxis axis_;
};

// One view per stream, in the recording's order; `ledger` is the recording's and knows the names.
std::vector<StreamView> ViewStreams(const Recording& recording, const Ledger& ledger);

}  // namespace ringside

#endif  // RINGSIDE_CLI_STREAMS_H_
