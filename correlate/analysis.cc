// SPDX-License-Identifier: Apache-2.0
#include "correlate/analysis.h"

#include <utility>

#include "correlate/causes/causes.h"
#include "correlate/chain.h"
#include "correlate/evidence.h"
#include "correlate/joined.h"
#include "correlate/unseen.h"

namespace ringside {
namespace {

std::vector<QueueEvidence> Gather(const Joined& joined, const Ledger& ledger) {
  std::vector<QueueEvidence> all;
  for (const QueuePair& pair : joined.pairs()) {
    const std::string host = pair.host == nullptr ? "" : pair.host->Name();
    const std::string guest = pair.guest == nullptr ? "" : pair.guest->Name();
    for (const QueueLedger& queue : ledger.queues) {
      if (queue.queue != guest || queue.host_queue != host) continue;
      QueueEvidence evidence{.joined = &joined, .pair = &pair, .ledger = &queue};
      evidence.window = ledger.window;
      evidence.host = Side(pair.host, ledger.window.from_ns, ledger.window.to_ns);
      evidence.guest = Side(pair.guest, ledger.window.from_ns, ledger.window.to_ns);
      if (evidence.host || evidence.guest) all.push_back(std::move(evidence));
      break;
    }
  }
  return all;
}

// Order matters in one place: a loss that something else explains is told by that alone.
std::vector<Finding> FindOne(const QueueEvidence& evidence) {
  std::vector<Finding> findings;
  const auto add = [&](MaybeFinding finding) {
    if (finding) findings.push_back(*std::move(finding));
    return !findings.empty();
  };
  const std::optional<Stall> stall = FindStall(evidence);
  const bool explained = [&] {
    add(StaleRoute(evidence, stall));
    add(LostAcrossPause(evidence, stall));
    add(IrqDisabled(evidence));
    return !findings.empty();
  }();
  if (!explained) add(LostInterrupt(evidence, stall));
  if (findings.empty()) add(NoTxSignal(evidence, stall));
  if (findings.empty()) add(SuppressedStall(evidence, stall));
  add(VectorMasked(evidence));
  add(DeadQueue(evidence, stall));
  add(ExternalInjector(evidence));
  add(DuplicateInjection(evidence));
  add(EmptySignal(evidence));
  add(BusyPollSpurious(evidence));
  add(IrqStormRisk(evidence));
  add(InterruptMerging(evidence));
  add(SlowPathInjection(evidence));
  add(TunRingFull(evidence));
  return findings;
}

}  // namespace

Analysis Analyse(const Recording& recording, const LedgerOptions& options) {
  const Joined joined(recording);
  Analysis analysis{.ledger = MakeLedger(joined, options), .findings = {}, .unseen = {}};
  const std::vector<QueueEvidence> queues = Gather(joined, analysis.ledger);
  const auto append = [&](std::vector<Finding> more) {
    for (Finding& finding : more) analysis.findings.push_back(std::move(finding));
  };
  for (const QueueEvidence& queue : queues) append(FindOne(queue));
  append(LateVcpus(joined, analysis.ledger.window));
  append(SoftirqSqueezes(joined, analysis.ledger.window));
  append(DataLosses(joined, analysis.ledger.window));
  Chain(queues, &analysis.findings);
  analysis.unseen = Unseen(joined, queues);
  for (QueueLedger& queue : analysis.ledger.queues) {
    const std::string& name = queue.queue.empty() ? queue.host_queue : queue.queue;
    for (const Finding& finding : analysis.findings) {
      if (finding.queue != name || !queue.finding.empty()) continue;
      queue.finding = CauseId(finding.cause);
    }
  }
  return analysis;
}

}  // namespace ringside
