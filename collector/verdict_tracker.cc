// SPDX-License-Identifier: Apache-2.0
#include "collector/verdict_tracker.h"

#include <fmt/format.h>

#include <algorithm>

#include "collector/live_window.h"

namespace ringside {
namespace {

constexpr int kBelieved = 2;  // evaluations in a row
constexpr int64_t kRankSettles_ns = 5'000'000'000;

std::string QueueText(const std::string& queue, const std::string& host_queue) {
  if (queue.empty()) return host_queue;
  return host_queue.empty() ? queue : queue + " <- " + host_queue;
}

std::string LineOf(const VerdictChange& change) {
  std::string line = fmt::format("{}: {} (was {})", QueueText(change.queue, change.host_queue),
                                 VerdictName(change.verdict), VerdictName(change.before));
  if (!change.why.empty()) line += ": " + change.why;
  return line;
}

std::string LineOf(const FindingChange& change) {
  std::string line = fmt::format("{}: {} {}", QueueText(change.queue, change.host_queue),
                                 change.cause, FindingStepName(change.step));
  if (change.step != FindingStep::kEnded) {
    line += fmt::format("{}, certainty {}", change.root ? ", root" : "", change.certainty);
  }
  return line + ": " + change.title;
}

// Violated if anything that was believed is; else as this evaluation says.
template <typename Identities>
Verdict Whole(const Identities& identities, Verdict said) {
  const bool violated = std::any_of(identities.begin(), identities.end(), [](const auto& entry) {
    return entry.second.reported == Verdict::kViolated;
  });
  if (violated) return Verdict::kViolated;
  // What is said to be violated and not yet believed is not known to hold either.
  return said == Verdict::kViolated ? Verdict::kInconclusive : said;
}

}  // namespace

std::string LineOf(const EvaluationChange& change) {
  return std::visit([](const auto& body) { return LineOf(body); }, change);
}

std::vector<Change> VerdictTracker::Update(const Analysis& analysis, const ClockReading& now) {
  std::vector<Change> changes;
  restless_ = false;
  left_out_ = 0;
  for (auto& [name, queue] : queues_) queue.seen = false;
  for (auto& [key, open] : findings_) open.seen = false;
  for (const QueueLedger& ledger : analysis.ledger.queues) {
    Judge(ledger, analysis.ledger.window, now, changes);
  }
  EndUnseen(now, changes);
  for (const Finding& finding : analysis.findings) Find(finding, now, changes);
  EndFindings(now, changes);
  if (!changes.empty()) ++version_;
  return changes;
}

// A queue that was known by one side's name and now is by both keeps its state.
VerdictTracker::Queue& VerdictTracker::FindQueue(const QueueLedger& ledger) {
  const std::string& name = ledger.queue.empty() ? ledger.host_queue : ledger.queue;
  auto at = queues_.find(name);
  if (at == queues_.end() && !ledger.queue.empty() && !ledger.host_queue.empty()) {
    auto by_host = queues_.extract(ledger.host_queue);
    if (!by_host.empty()) {
      by_host.key() = name;
      at = queues_.insert(std::move(by_host)).position;
    }
  }
  if (at == queues_.end()) {
    at = queues_.try_emplace(name).first;
    ++version_;
  }
  return at->second;
}

// True if what is reported of it has changed.
bool VerdictTracker::UpdateIdentity(const ringside::Identity& said, Identity& identity,
                                    const ClockReading& now) {
  if (said.verdict == Verdict::kViolated) {
    ++identity.said;
    identity.violated_mono_ns = now.mono_ns;
    if (identity.reported == Verdict::kViolated || identity.said < kBelieved) return false;
    identity.reported = Verdict::kViolated;
    return true;
  }
  identity.said = 0;
  if (identity.reported != Verdict::kViolated) {
    identity.reported = said.verdict;
    return false;
  }
  if (now.mono_ns - identity.violated_mono_ns < kWindow_ns) return false;
  identity.reported = said.verdict;
  return true;
}

// The judged identities; one that was violated and is not judged any more is not known to hold.
std::vector<ringside::Identity> VerdictTracker::SaidOf(const QueueLedger& ledger,
                                                       const Queue& queue) {
  std::vector<ringside::Identity> said;
  for (const ringside::Identity& identity : ledger.identities) {
    if (!identity.by_definition) said.push_back(identity);
  }
  for (const auto& [id, identity] : queue.identities) {
    const bool judged = std::any_of(said.begin(), said.end(),
                                    [&id = id](const auto& other) { return other.id == id; });
    if (judged || identity.reported != Verdict::kViolated) continue;
    said.push_back({.id = id, .residuals = {}, .why = "not judged any more"});
  }
  return said;
}

void VerdictTracker::Judge(const QueueLedger& ledger, const Window& window, const ClockReading& now,
                           std::vector<Change>& changes) {
  Queue& queue = FindQueue(ledger);
  queue.seen = true;
  queue.seen_mono_ns = now.mono_ns;
  VerdictChange change{.at_real_ns = now.real_ns,
                       .queue = ledger.queue,
                       .host_queue = ledger.host_queue,
                       .from_real_ns = window.from_ns,
                       .to_real_ns = window.to_ns};
  std::string why;
  bool worse = false;
  for (const ringside::Identity& said : SaidOf(ledger, queue)) {
    Identity& identity = queue.identities[said.id];
    const Verdict before = identity.reported;
    const bool changed = UpdateIdentity(said, identity, now);
    restless_ |= identity.said > 0 || identity.reported == Verdict::kViolated;
    if (identity.reported == Verdict::kViolated) {
      why += (why.empty() ? "" : "; ") + said.id + ": " + said.why;
    }
    if (!changed) continue;
    worse |= identity.reported == Verdict::kViolated;
    VerdictChange part = change;
    part.identity = said.id;
    part.before = before;
    part.verdict = identity.reported;
    part.why = said.why;
    changes.push_back({part, false});
  }
  change.verdict = Whole(queue.identities, ledger.verdict);
  change.before = queue.last.verdict;
  change.why = std::move(why);
  const bool differs = change.verdict != change.before;
  const bool told =
      worse ||
      (differs && (change.verdict == Verdict::kViolated || change.before == Verdict::kViolated));
  const bool first = change.verdict == Verdict::kHolds && !queue.held;
  queue.held |= first;
  if (differs || queue.last.queue != change.queue || queue.last.host_queue != change.host_queue) {
    ++version_;
  }
  queue.last = change;
  if (told || first) changes.push_back({std::move(change), told});
}

// Queues that nobody speaks of any more; what was wrong with them has ended only in so far.
void VerdictTracker::EndUnseen(const ClockReading& now, std::vector<Change>& changes) {
  for (auto at = queues_.begin(); at != queues_.end();) {
    Queue& queue = at->second;
    if (queue.seen || now.mono_ns - queue.seen_mono_ns < kWindow_ns) {
      ++at;
      continue;
    }
    if (queue.last.verdict == Verdict::kViolated) {
      VerdictChange change = queue.last;
      change.at_real_ns = now.real_ns;
      change.before = Verdict::kViolated;
      change.verdict = Verdict::kInconclusive;
      change.why = "no agent speaks of the queue any more";
      changes.push_back({std::move(change), true});
    }
    at = queues_.erase(at);
    ++version_;
  }
}

void VerdictTracker::Find(const Finding& finding, const ClockReading& now,
                          std::vector<Change>& changes) {
  const std::pair key(finding.cause, finding.queue);
  if (findings_.size() >= kFindingsMax && !findings_.contains(key)) {
    ++left_out_;
    return;
  }
  Open& open = findings_[key];
  if (std::exchange(open.seen, true)) return;  // the same cause of the same queue, said twice
  const int64_t since_ns = open.episode != 0 && open.finding.since_ns > 0
                               ? std::min(open.finding.since_ns, finding.since_ns)
                               : finding.since_ns;
  open.finding = finding;
  open.finding.since_ns = since_ns;  // the window moves on, the beginning does not
  // What is over within the window is still said, and no longer so.
  if (open.said_mono_ns == 0 || finding.until_ns == 0) open.said_mono_ns = now.mono_ns;
  ++open.said;
  restless_ = true;
  const Rank rank{finding.certainty, finding.root, finding.caused_by};
  if (open.said == 1 || !(rank == open.candidate)) {
    open.candidate = rank;
    open.candidate_mono_ns = now.mono_ns;
  }
  FindingStep step = FindingStep::kAppeared;
  if (open.episode == 0) {
    if (open.said < kBelieved) return;
    open.episode = ++episodes_;
  } else {
    step = FindingStep::kChanged;
    if (rank == open.reported || now.mono_ns - open.candidate_mono_ns < kRankSettles_ns) return;
  }
  open.reported = rank;
  open.changed_real_ns = now.real_ns;
  changes.push_back({MakeFindingChange(now.real_ns, step, open.episode, open.finding), true});
}

void VerdictTracker::EndFindings(const ClockReading& now, std::vector<Change>& changes) {
  for (auto at = findings_.begin(); at != findings_.end();) {
    Open& open = at->second;
    if (open.seen) {
      ++at;
      continue;
    }
    open.said = 0;
    if (open.episode == 0) {
      at = findings_.erase(at);
      continue;
    }
    restless_ = true;
    if (now.mono_ns - open.said_mono_ns < kWindow_ns) {
      ++at;
      continue;
    }
    changes.push_back(
        {MakeFindingChange(now.real_ns, FindingStep::kEnded, open.episode, open.finding), true});
    at = findings_.erase(at);
  }
}

std::vector<EvaluationChange> VerdictTracker::Present() const {
  std::vector<EvaluationChange> present;
  for (const auto& [name, queue] : queues_) {
    VerdictChange change = queue.last;
    change.before = change.verdict;
    present.push_back(std::move(change));
  }
  for (const auto& [key, open] : findings_) {
    if (open.episode == 0) continue;
    present.push_back(MakeFindingChange(open.changed_real_ns, FindingStep::kAppeared, open.episode,
                                        open.finding));
  }
  return present;
}

}  // namespace ringside
