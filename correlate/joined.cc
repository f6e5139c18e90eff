// SPDX-License-Identifier: Apache-2.0
#include "correlate/joined.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

namespace ringside {
namespace {

// One machine between two times of its MONOTONIC: agents that ran one after the other.
struct Machine {
  std::string machine_id;
  std::string boot_id;
  std::string name;  // shown
  std::vector<std::pair<int64_t, int64_t>> ran;

  bool RanIn(const std::pair<int64_t, int64_t>& time) const {
    return std::any_of(ran.begin(), ran.end(), [&time](const auto& other) {
      return other.first < time.second && time.first < other.second;
    });
  }
};

std::pair<int64_t, int64_t> TimeOf(const Stream& stream) {
  std::pair<int64_t, int64_t> time(stream.hello.clock.mono_ns, stream.hello.clock.mono_ns);
  if (!stream.snapshots.empty()) time.second = stream.snapshots.back().end.mono_ns;
  return time;
}

// Shown names, made unique per node: vm1, vm1~2. Two that were at work at the same time are two
// nodes, whatever ids they give: a VM that was copied while it ran has those of the other.
std::vector<std::string> UniqueNames(const Recording& recording,
                                     std::vector<std::string>* warnings) {
  std::vector<std::string> names;
  std::map<std::string, std::vector<Machine>> machines;  // by what they call themselves
  for (const Stream& stream : recording.streams) {
    const StreamKey& key = stream.hello.key;
    const auto time = TimeOf(stream);
    std::vector<Machine>& same = machines[stream.hello.name];
    const Machine* twin = nullptr;
    Machine* mine = nullptr;
    for (Machine& machine : same) {
      if (machine.machine_id != key.machine_id || machine.boot_id != key.boot_id) continue;
      if (machine.RanIn(time)) {
        twin = &machine;
      } else {
        mine = &machine;
      }
    }
    if (mine == nullptr) {
      const std::string name = same.empty()
                                   ? stream.hello.name
                                   : stream.hello.name + "~" + std::to_string(same.size() + 1);
      if (twin != nullptr) {
        warnings->push_back(twin->name + " and " + name +
                            " give the same machine and boot id, at the same time: two agents of" +
                            " one machine, or a VM and a copy of it; taken for two");
      }
      mine = &same.emplace_back(Machine{key.machine_id, key.boot_id, name, {}});
    }
    mine->ran.push_back(time);
    names.push_back(mine->name);
  }
  return names;
}

bool IsQueue(const LocalQueue& queue) {
  return queue.info.kind != QueueKind::kCpu && queue.info.kind != QueueKind::kVcpu;
}

}  // namespace

Joined::Joined(const Recording& recording) : recording_(&recording) {
  const bool embedded = IsEmbedded(recording);
  const std::vector<std::string> names = UniqueNames(recording, &warnings_);
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
