// SPDX-License-Identifier: Apache-2.0
#include "correlate/unseen.h"

#include <algorithm>

#include "correlate/causes/host_only.h"
#include "correlate/hook_proof.h"

namespace ringside {
namespace {

class List {
 public:
  void Add(std::string sentence) {
    if (std::find(sentences_.begin(), sentences_.end(), sentence) == sentences_.end()) {
      sentences_.push_back(std::move(sentence));
    }
  }
  std::vector<std::string> Take() { return std::move(sentences_); }

 private:
  std::vector<std::string> sentences_;
};

std::string VmOf(const QueueEvidence& queue) {
  const QueueInfo& info = queue.host.queue().info;
  if (!info.vm_name.empty()) return info.vm_name;
  return info.device + "'s VM";
}

std::string OutOfReach() {
  std::string text;
  for (int i = 0; i < kCauses; ++i) {
    const HostReach& reach = ReachOf(static_cast<Cause>(i));
    if (!reach.named) text += (text.empty() ? "" : ", ") + std::string(CauseId(reach.cause));
  }
  return text;
}

void OfHost(const QueueEvidence& queue, List* list) {
  const std::string node = queue.host.node().name;
  if (NoAgent(queue)) {
    list->Add("guest: no agent in " + VmOf(queue) +
              ": its interrupts, polls and rings were not seen" +
              (queue.guest ? "; a witness' text stands for it" : ", nor what its kernel said"));
    list->Add("guest: out of reach without one: " + OutOfReach());
  }
  if (!queue.host.Observes(Count::kKvmInjected)) {
    list->Add("kvm: injections on " + node +
              " were not hooked: lost, duplicate and slow ones stay"
              " unknown");
  } else if (!queue.host.Observes(Count::kKvmMerged)) {
    list->Add("merged: how many injections on " + node +
              " met a pending interrupt was not seen: a lost or duplicate one cannot be told");
  }
  if (!queue.host.Observes(Count::kEventfdWritten)) {
    list->Add("eventfd: who else writes to eventfds on " + node + " was not seen");
  }
  if (!queue.host.At(Gauge::kVmRunning, queue.host.range().last)) {
    list->Add("vm.running: whether " + VmOf(queue) + " was stopped meanwhile was not seen");
  }
}

bool Has(const Joined& joined, QueueKind kind, const NodeStream& node) {
  return std::any_of(joined.others().begin(), joined.others().end(), [&](const LocalQueue& other) {
    return other.info.kind == kind && other.node->name == node.name;
  });
}

void OfPair(const Joined& joined, const QueueEvidence& queue, List* list) {
  if (queue.host && !Has(joined, QueueKind::kVcpu, queue.host.node())) {
    list->Add("vcpu: when the vCPUs of " + VmOf(queue) + " ran or waited was not seen");
  }
  if (queue.guest && queue.host && !Has(joined, QueueKind::kCpu, queue.guest.node())) {
    list->Add("softnet: what became of " + queue.guest.node().name +
              "'s network softirqs was not seen");
  }
  const Cut& cut = queue.ledger->cut;
  if (queue.host && queue.guest && !cut.by_position) {
    list->Add("position: " + queue.Name() + " was compared by time" +
              (cut.by_quiet ? ", from quiet to quiet (" : " (") + cut.why_not + ")");
  }
}

void OfHooks(const NodeStream& node, List* list) {
  if (node.stream->snapshots.empty()) return;
  for (const HookInfo& hook : node.stream->hello.hooks) {
    if (hook.state == HookState::kSilent) {
      list->Add("hooks: " + std::string(RungName(hook.rung)) + " on " + hook.target + " of " +
                node.name + " attached and was never hit although its neighbours were: it" +
                " counts as not observed");
    }
    if (hook.state == HookState::kLossy) {
      list->Add("hooks: " + std::string(RungName(hook.rung)) + " on " + hook.target + " of " +
                node.name + " was hit less often than its neighbours: it lost some");
    }
    if (hook.state == HookState::kPaused) {
      list->Add("hooks: " + std::string(RungName(hook.rung)) + " on " + hook.target + " of " +
                node.name + " was detached to keep the agent's cost under its ceiling: its counts" +
                " have no upper end");
      continue;
    }
    if (!InUse(hook.state)) continue;
    const auto sample = node.series.HookAt(hook.id, node.stream->snapshots.size() - 1);
    if (!sample || sample->misses || sample->hits == 0) continue;
    list->Add("losses: what " + std::string(RungName(hook.rung)) + " hooks of " + node.name +
              " missed cannot be seen: some upper ends are unknown");
  }
}

}  // namespace

std::vector<std::string> Unseen(const Joined& joined, const std::vector<QueueEvidence>& queues) {
  List list;
  bool host = false;
  for (const QueueEvidence& queue : queues) {
    if (queue.host && queue.host.queue().info.kind == QueueKind::kHost) {
      host = true;
      OfHost(queue, &list);
    }
    OfPair(joined, queue, &list);
  }
  if (!host && !queues.empty()) {
    list.Add("host: no agent on the host: signals and injections were not seen");
  }
  for (const NodeStream& node : joined.nodes()) OfHooks(node, &list);
  return list.Take();
}

}  // namespace ringside
