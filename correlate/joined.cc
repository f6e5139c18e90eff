// SPDX-License-Identifier: Apache-2.0
#include "correlate/joined.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

namespace ringside {
namespace {

// Shown names, made unique per node: vm1, vm1~2.
std::vector<std::string> UniqueNames(const Recording& recording) {
  std::vector<std::string> names;
  std::map<std::string, std::vector<std::pair<std::string, std::string>>> nodes;
  for (const Stream& stream : recording.streams) {
    const StreamKey& key = stream.hello.key;
    auto& same = nodes[stream.hello.name];
    const std::pair node(key.machine_id, key.boot_id);
    auto known = std::find(same.begin(), same.end(), node);
    if (known == same.end()) known = same.insert(same.end(), node);
    const auto place = known - same.begin();
    names.push_back(place == 0 ? stream.hello.name
                               : stream.hello.name + "~" + std::to_string(place + 1));
  }
  return names;
}

bool IsQueue(const LocalQueue& queue) {
  return queue.info.kind != QueueKind::kCpu && queue.info.kind != QueueKind::kVcpu;
}

}  // namespace

Joined::Joined(const Recording& recording) : recording_(&recording) {
  const bool embedded = IsEmbedded(recording);
  const std::vector<std::string> names = UniqueNames(recording);
  for (size_t i = 0; i < recording.streams.size(); ++i) {
    const Stream& stream = recording.streams[i];
    nodes_.push_back({names[i], &stream, StreamSeries(stream), StreamAxis(stream, embedded)});
  }
  for (const NodeStream& node : nodes_) {
    for (LocalQueue& queue : ListQueues(node)) {
      (IsQueue(queue) ? queues_ : others_).push_back(std::move(queue));
    }
  }
  pairs_ = PairQueues(queues_);
  clocks_ = std::make_shared<const ClockNet>(nodes_, pairs_);
  size_t number = 0;
  for (NodeStream& node : nodes_) node.axis.Refine(clocks_, number++, *node.stream);
}

}  // namespace ringside
