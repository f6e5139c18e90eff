// SPDX-License-Identifier: Apache-2.0
#include "correlate/ledger.h"

#include <algorithm>
#include <limits>

#include "correlate/hook_proof.h"
#include "correlate/joined.h"
#include "correlate/queue_ledger.h"
#include "correlate/window.h"

namespace ringside {
namespace {

NodeView ViewOf(const NodeStream& node) {
  const Hello& hello = node.stream->hello;
  NodeView view{.name = node.name, .kernel = hello.kernel, .axis = node.axis};
  if (hello.roles & kRoleHost) view.roles = "host";
  if (hello.roles & kRoleGuest) view.roles += view.roles.empty() ? "guest" : "+guest";
  // A host's functions say most about it, by whatever rung; else the best rung in use.
  Rung best = Rung::kNone, best_function = Rung::kNone;
  for (const HookInfo& hook : hello.hooks) {
    if (!InUse(hook.state) || hook.stage == "gauges") continue;
    best = std::min(best, hook.rung);
    const bool function = hook.rung == Rung::kFentry || hook.rung == Rung::kKprobe;
    if (function && (hello.roles & kRoleHost)) best_function = std::min(best_function, hook.rung);
  }
  view.rungs = RungName(best_function == Rung::kNone ? best : best_function);
  view.lost = node.stream->missing_numbers;
  const std::vector<Snapshot>& snapshots = node.stream->snapshots;
  for (const HookInfo& hook : hello.hooks) {
    if (snapshots.empty()) break;
    if (const auto sample = node.series.HookAt(hook.id, snapshots.size() - 1)) {
      view.lost += sample->dropped;
    }
  }
  return view;
}

void WarnAbout(const NodeStream& node, bool closed, std::vector<std::string>* warnings) {
  const Stream& stream = *node.stream;
  if (stream.snapshots.empty()) warnings->push_back(node.name + ": no snapshot arrived");
  if (!stream.bye) {
    warnings->push_back(node.name +
                        ": the agent was cut off; what came after its last snapshot is" +
                        " missing" + (closed ? "" : " (the recorder was cut off, too)"));
  }
  if (stream.missing_numbers > 0) {
    warnings->push_back(node.name + ": " + std::to_string(stream.missing_numbers) +
                        " records are missing");
  }
  for (const Gap& gap : stream.gaps) warnings->push_back(node.name + ": " + gap.what);
  if (!stream.snapshots.empty()) {
    for (const HookInfo& hook : stream.hello.hooks) {
      const auto sample = node.series.HookAt(hook.id, stream.snapshots.size() - 1);
      if (!sample) continue;
      if (sample->unplaced > 0) {
        warnings->push_back(node.name + ": " + hook.program + " had no room for " +
                            std::to_string(sample->unplaced) + " hits of further queues");
      }
      if (sample->misses.value_or(0) > 0) {
        warnings->push_back(node.name + ": the kernel skipped " + hook.program + " " +
                            std::to_string(*sample->misses) + " times; upper ends allow for it");
      }
    }
  }
}

Window FindWindow(const Joined& joined, const LedgerOptions& options) {
  Window window{.from_ns = std::numeric_limits<int64_t>::max(),
                .to_ns = std::numeric_limits<int64_t>::min()};
  for (const NodeStream& node : joined.nodes()) {
    for (const Snapshot& snapshot : node.stream->snapshots) {
      const AxisTime begin = node.axis.At(snapshot.begin.mono_ns);
      window.from_ns = std::min(window.from_ns, begin.lo_ns);
      window.to_ns = std::max(window.to_ns, node.axis.At(snapshot.end.mono_ns).hi_ns);
      window.bound_ns = std::max(window.bound_ns, (begin.hi_ns - begin.lo_ns + 1) / 2);
    }
  }
  if (window.from_ns > window.to_ns) window = {};
  const Recording& recording = joined.recording();
  if (recording.saved_from_ns != 0) {
    window.from_ns = std::max(window.from_ns, recording.saved_from_ns);
  }
  if (recording.saved_to_ns != 0) window.to_ns = std::min(window.to_ns, recording.saved_to_ns);
  if (options.from_ns) window.from_ns = std::max(window.from_ns, *options.from_ns);
  if (options.to_ns) window.to_ns = std::min(window.to_ns, *options.to_ns);
  return window;
}

bool Wanted(const QueueLedger& queue, const std::string& name) {
  return name.empty() || queue.queue == name || queue.host_queue == name;
}

}  // namespace

std::string_view VerdictName(Verdict verdict) {
  switch (verdict) {
    case Verdict::kHolds: return "holds";
    case Verdict::kViolated: return "violated";
    case Verdict::kInconclusive: return "inconclusive";
  }
  return "inconclusive";
}

const CountCell* QueueLedger::Find(Count count) const {
  const auto cell = std::find_if(counts.begin(), counts.end(),
                                 [count](const CountCell& c) { return c.count == count; });
  return cell == counts.end() ? nullptr : &*cell;
}

Ledger MakeLedger(const Joined& joined, const LedgerOptions& options) {
  Ledger ledger;
  const Recording& recording = joined.recording();
  ledger.window = FindWindow(joined, options);
  ledger.window.clock = recording.recorder + " realtime";
  for (const NodeStream& node : joined.nodes()) {
    ledger.nodes.push_back(ViewOf(node));
    WarnAbout(node, recording.closed, &ledger.warnings);
  }
  if (!recording.closed) {
    ledger.warnings.push_back("the recorder did not end this file: it still records or was killed");
  }
  ledger.warnings.insert(ledger.warnings.end(), joined.warnings().begin(), joined.warnings().end());
  for (const RecorderGap& gap : recording.gaps) ledger.warnings.push_back(gap.what);
  for (const QueuePair& pair : joined.pairs()) {
    QueueLedger queue = MakeQueueLedger(pair, ledger.window.from_ns, ledger.window.to_ns);
    if (pair.host != nullptr && pair.guest != nullptr) {
      for (NodeView& view : ledger.nodes) {
        if (view.name == pair.guest->node->name) view.alias = pair.host->info.vm_name;
      }
    }
    if (queue.unseen > 0) {
      ledger.warnings.push_back(queue.queue + ": the kernel ran " + std::to_string(queue.unseen) +
                                " interrupts without calling the hook and without saying so; " +
                                "intervals allow for them (/proc/interrupts)");
    }
    if (Wanted(queue, options.queue)) ledger.queues.push_back(std::move(queue));
  }
  std::stable_sort(ledger.queues.begin(), ledger.queues.end(),
                   [](const QueueLedger& a, const QueueLedger& b) {
                     const auto rank = [](const QueueLedger& q) {
                       const bool both = !q.queue.empty() && !q.host_queue.empty();
                       return std::pair(!both, q.queue.empty() ? q.host_queue : q.queue);
                     };
                     return rank(a) < rank(b);
                   });
  return ledger;
}

Ledger MakeLedger(const Recording& recording, const LedgerOptions& options) {
  return MakeLedger(Joined(recording), options);
}

}  // namespace ringside
