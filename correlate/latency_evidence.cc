// SPDX-License-Identifier: Apache-2.0
#include "correlate/latency_evidence.h"

#include <algorithm>
#include <cstdio>
#include <string>

#include "correlate/words.h"

namespace ringside {
namespace {

// The stage that a cause makes longer, by its end; and what it is called in a sentence.
struct Told {
  Cause cause;
  PathPoint from;
  PathPoint to;
  const char* text;
};
constexpr Told kTold[] = {
    {Cause::kLateVcpu, PathPoint::kInjected, PathPoint::kVcpuRuns,
     "an injected interrupt waited for the vCPU to get a CPU"},
    {Cause::kLateVcpu, PathPoint::kVcpuWoken, PathPoint::kVcpuRuns,
     "the woken vCPU waited for a CPU"},
    {Cause::kSlowPathInjection, PathPoint::kWoken, PathPoint::kInjected,
     "from the irqfd's wake-up to the injection"},
    {Cause::kSoftirqSqueeze, PathPoint::kIrq, PathPoint::kPolled,
     "from the interrupt to the end of the poll that took the packet"},
    {Cause::kInterruptMerging, PathPoint::kInjected, PathPoint::kIrq,
     "from the injection to the interrupt in the guest"},
    {Cause::kInterruptMerging, PathPoint::kVcpuRuns, PathPoint::kIrq,
     "from the vCPU's run to the interrupt in the guest"},
};

std::string Time(int64_t ns) {
  char text[32];
  if (ns >= 10'000'000) return Seconds(ns);
  const bool us = ns < 1'000'000;
  std::snprintf(text, sizeof(text), us ? "%.1f us" : "%.1f ms",
                static_cast<double>(ns) / (us ? 1e3 : 1e6));
  return text;
}

std::string Range(const StageLatency& stage, double share) {
  const int64_t lo = std::max<int64_t>(0, stage.lo.At(share));
  const int64_t hi = std::max<int64_t>(0, stage.hi.At(share));
  const std::string low = Time(lo), high = Time(hi);
  return low == high ? low : low + " to " + high;
}

std::string NodeOf(const std::string& queue) { return queue.substr(0, queue.find('/')); }

// A finding about a queue is about that queue; one about a vCPU or a node about all of that node.
bool Concerns(const QueueLatency& latency, const Finding& finding) {
  if (finding.cause == Cause::kLateVcpu || finding.cause == Cause::kSoftirqSqueeze) {
    return NodeOf(finding.queue) == NodeOf(latency.queue);
  }
  return finding.queue == latency.queue || finding.host_queue == latency.host_queue;
}

std::string WaitText(const QueueLatency& latency) {
  const StageLatency& wait = latency.vcpu_wait;
  return latency.queue + ": packets waited " + Range(wait, 0.5) + " (median), " +
         Range(wait, 0.99) + " (99%) while the vCPU had no CPU: " +
         Percent(static_cast<int64_t>(wait.tail_share * 1000), 1000) +
         " of the time of the slowest hundredth";
}

}  // namespace

bool WantsLatencies(const std::vector<Finding>& findings) {
  return std::any_of(findings.begin(), findings.end(), [](const Finding& finding) {
    return std::any_of(std::begin(kTold), std::end(kTold),
                       [&](const Told& told) { return told.cause == finding.cause; });
  });
}

void TellLatencies(const std::vector<QueueLatency>& queues, std::vector<Finding>* findings) {
  for (Finding& finding : *findings) {
    for (const QueueLatency& latency : queues) {
      if (latency.by_marks || !Concerns(latency, finding)) continue;
      if (finding.cause == Cause::kLateVcpu && latency.vcpu_wait.lo.count() > 0) {
        finding.evidence.push_back({WaitText(latency), {}});
      }
      for (const StageLatency& stage : latency.stages) {
        const auto* told = std::find_if(std::begin(kTold), std::end(kTold), [&](const Told& t) {
          return t.cause == finding.cause && t.from == stage.from && t.to == stage.to;
        });
        if (told == std::end(kTold)) continue;
        std::string text = latency.queue + ": " + told->text + " " + Range(stage, 0.5) +
                           " (median), " + Range(stage, 0.99) + " (99%), in " +
                           Number(static_cast<int64_t>(stage.lo.count())) + " journeys";
        if (stage.in_tail > 0) {
          text += "; " + Percent(static_cast<int64_t>(stage.tail_share * 1000), 1000) +
                  " of the time of the slowest hundredth";
        }
        finding.evidence.push_back({std::move(text), {}});
        std::erase_if(finding.missing, [](const std::string& missing) {
          return missing.starts_with("how late single interrupts were");
        });
      }
    }
  }
}

void TellWriters(const std::vector<WriterLatency>& writers, std::vector<Finding>* findings) {
  for (Finding& finding : *findings) {
    if (finding.cause != Cause::kSlowPathInjection) continue;
    for (const WriterLatency& writer : writers) {
      const Histogram& held = writer.returned;
      const bool its = writer.queue == finding.host_queue || writer.queue == finding.queue;
      if (!its || held.count() == 0) continue;
      finding.evidence.push_back(
          {writer.queue + ": a write to its eventfd held the thread that " + "made it " +
               Time(held.At(0.5)) + " (median), " + Time(held.At(0.99)) + " (99%), in " +
               Number(static_cast<int64_t>(held.count())) + " writes: what it polls waited as long",
           {}});
    }
  }
}

}  // namespace ringside
