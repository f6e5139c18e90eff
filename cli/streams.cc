// SPDX-License-Identifier: Apache-2.0
#include "cli/streams.h"

#include <utility>

namespace ringside {
StreamView::StreamView(const Stream& stream, std::string node, StreamAxis axis)
    : stream_(&stream), node_(std::move(node)), axis_(std::move(axis)) {
  for (const QueueInfo& info : stream.queues) {
    names_[info.id] = node_ + "/" + info.device + "/" + info.queue;
  }
}

MomentTime StreamView::TimeOf(int64_t mono_ns) const {
  return {axis_.At(mono_ns), axis_.RootAt(mono_ns)};
}

int64_t StreamView::MonoNs(int64_t axis_ns) const {
  if (axis_ns == INT64_MIN || axis_ns == INT64_MAX) return axis_ns;
  // The offset changes slowly: twice is enough to land where it is about right.
  int64_t mono_ns = stream_->hello.clock.mono_ns;
  for (int i = 0; i < 2; ++i) mono_ns = axis_ns - (AxisNs(mono_ns) - mono_ns);
  return mono_ns;
}

std::string StreamView::QueueName(QueueId id) const {
  auto found = names_.find(id);
  if (found != names_.end()) return found->second;
  return node_ + "/queue " + std::to_string(static_cast<uint32_t>(id));
}

std::vector<StreamView> ViewStreams(const Recording& recording, const Ledger& ledger) {
  std::vector<StreamView> views;
  const bool embedded = IsEmbedded(recording);
  for (size_t i = 0; i < recording.streams.size(); ++i) {
    const NodeView& node = ledger.nodes.at(i);
    StreamAxis axis = node.axis ? *node.axis : StreamAxis(recording.streams[i], embedded);
    views.emplace_back(recording.streams[i], node.name, std::move(axis));
  }
  return views;
}

}  // namespace ringside
