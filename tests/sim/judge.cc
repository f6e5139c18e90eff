// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/judge.h"

#include <algorithm>
#include <map>
#include <utility>

namespace ringside::sim {
namespace {

bool IsGuestCount(Count count) {
  return count >= Count::kGuestIrq && count <= Count::kGuestWindows;
}

// One agent's view of one queue, with the truth at its first and last snapshot that arrived.
struct Side {
  const AgentTruth::Queue* queue = nullptr;
  Counts first{};
  Counts last{};
};

class Truth {
 public:
  Truth(const World& world, const Recording& recording) {
    for (const Stream& stream : recording.streams) {
      for (const auto& agent : world.agents()) {
        if (agent->key() == stream.hello.key) AddStream(stream, agent->truth());
      }
    }
  }
  // Truth of a cell; nothing if it cannot be told.
  std::optional<uint64_t> Of(const QueueLedger& ledger, const CountCell& cell);

 private:
  void AddStream(const Stream& stream, const AgentTruth& agent);
  const Side* Find(const std::string& name) const {
    const auto side = sides_.find(name);
    return side == sides_.end() || side->second.size() != 1 ? nullptr : &side->second.front();
  }

  std::map<std::string, std::vector<Side>> sides_;  // by full name; several after a restart
  const QueueLedger* at_ledger_ = nullptr;
  Counts at_{};
};

void Truth::AddStream(const Stream& stream, const AgentTruth& agent) {
  if (stream.snapshots.empty()) return;
  const auto find = [&](uint64_t sequence) {
    return std::find_if(agent.snapshots.begin(), agent.snapshots.end(),
                        [&](const SnapshotTruth& s) { return s.sequence == sequence; });
  };
  const auto first = find(stream.snapshots.front().sequence);
  if (first == agent.snapshots.end()) return;
  for (const AgentTruth::Queue& queue : agent.queues) {
    Side side{.queue = &queue, .first = queue.at_start, .last = queue.at_start};
    if (const auto at = first->counts.find(queue.id); at != first->counts.end()) {
      side.first = at->second;
    }
    // The last snapshot that arrived and has it: a queue may be gone before the end.
    for (auto s = stream.snapshots.rbegin(); s != stream.snapshots.rend(); ++s) {
      const auto last = find(s->sequence);
      if (last == agent.snapshots.end()) continue;
      const auto at = last->counts.find(queue.id);
      if (at == last->counts.end()) continue;
      side.last = at->second;
      break;
    }
    sides_[stream.hello.name + "/" + queue.name].push_back(side);
  }
}

std::optional<uint64_t> Truth::Of(const QueueLedger& ledger, const CountCell& cell) {
  const size_t index = static_cast<size_t>(cell.count);
  if (!cell.at_position) {
    const Side* side = Find(IsGuestCount(cell.count) ? ledger.queue : ledger.host_queue);
    if (side == nullptr) return std::nullopt;
    return side->last[index] - side->first[index];
  }
  const Side* host = Find(ledger.host_queue);
  if (host == nullptr || ledger.cut.pieces.empty()) return std::nullopt;
  auto pieces = ledger.cut.pieces;
  uint64_t length = 0;
  for (auto& [from, to] : pieces) {
    length += to - from;
    from += host->queue->origin;
    to += host->queue->origin;
  }
  if (cell.count == Count::kVhostUsed) return length;
  if (at_ledger_ != &ledger) at_ = host->queue->vq->truth.At(pieces);
  at_ledger_ = &ledger;
  return at_[index];
}

void JudgeCells(const QueueLedger& ledger, Truth* truth, Judgement* judgement) {
  const std::string& name = ledger.queue.empty() ? ledger.host_queue : ledger.queue;
  for (const CountCell& cell : ledger.counts) {
    if (cell.count == Count::kKvmMergeDoubt) continue;  // an error bar, nothing that happens
    if (cell.hi) judgement->widths[static_cast<size_t>(cell.count)].push_back(*cell.hi - cell.lo);
    const auto value = truth->Of(ledger, cell);
    if (!value) {
      ++judgement->cells_untested;
      continue;
    }
    ++judgement->cells;
    if (*value >= cell.lo && (!cell.hi || *value <= *cell.hi)) continue;
    judgement->misses.push_back({name, cell.count, cell.at_position, cell.lo, cell.hi, *value});
  }
  if (const CountCell* irq = ledger.Find(Count::kGuestIrq)) {
    judgement->interrupts = std::max(judgement->interrupts, irq->lo);
  }
}

void JudgeVerdicts(const QueueLedger& ledger, Judgement* judgement) {
  const std::string& name = ledger.queue.empty() ? ledger.host_queue : ledger.queue;
  if (!ledger.cut.why_not.empty()) judgement->missing.push_back(name + ": " + ledger.cut.why_not);
  for (const Identity& identity : ledger.identities) {
    if (identity.by_definition) continue;
    ++judgement->verdicts;
    const std::string line = name + ": " + identity.id + ": " + identity.why;
    if (identity.verdict == Verdict::kViolated) judgement->violated.push_back(line);
    if (identity.verdict != Verdict::kInconclusive) continue;
    ++judgement->inconclusive;
    judgement->inconclusives.push_back(line);
  }
}

}  // namespace

std::vector<CellTruth> TruthOf(const World& world, const Ledger& ledger,
                               const Recording& recording) {
  std::vector<CellTruth> cells;
  Truth truth(world, recording);
  for (const QueueLedger& queue : ledger.queues) {
    const std::string& name = queue.queue.empty() ? queue.host_queue : queue.queue;
    for (const CountCell& cell : queue.counts) {
      if (const auto value = truth.Of(queue, cell)) cells.push_back({name, cell.count, *value});
    }
  }
  return cells;
}

Judgement Judge(const RunSpec& spec) {
  Judgement judgement{.seed = spec.seed, .scenario = spec.scenario};
  World world(spec, nullptr);
  Recording recording;
  if (const absl::Status status = world.Play(&recording); !status.ok()) {
    judgement.failure = std::string(status.message());
    return judgement;
  }
  judgement.events = world.events();
  const Analysis analysis = Analyse(recording, {});
  Truth truth(world, recording);
  for (const QueueLedger& queue : analysis.ledger.queues) {
    JudgeCells(queue, &truth, &judgement);
    JudgeVerdicts(queue, &judgement);
  }
  for (const Finding& finding : analysis.findings) {
    // A VM has two names, too.
    const bool of_vm = finding.cause == Cause::kLateVcpu;
    const NamedCause cause{std::string(CauseId(finding.cause)),
                           of_vm ? finding.host_queue : finding.queue};
    judgement.findings.push_back(cause);
    if (finding.root) judgement.roots.push_back(cause);
    judgement.missing.insert(judgement.missing.end(), finding.missing.begin(),
                             finding.missing.end());
  }
  judgement.missing.insert(judgement.missing.end(), analysis.unseen.begin(), analysis.unseen.end());
  judgement.missing.insert(judgement.missing.end(), analysis.ledger.warnings.begin(),
                           analysis.ledger.warnings.end());
  return judgement;
}

}  // namespace ringside::sim
