// SPDX-License-Identifier: Apache-2.0
#include "collector/store/evaluation.h"

#include <vector>

#include "collector/store/finding_json.h"
#include "proto/texts.h"

namespace ringside {
namespace {

// More of either is no story that anybody reads.
constexpr size_t kListMax = 32;
constexpr size_t kLineBytesMax = 1024;

void BoundLine(std::string& text) { CleanText(text, kLineBytesMax); }

void BoundLines(std::vector<std::string>& lines) {
  if (lines.size() > kListMax) lines.resize(kListMax);
  for (std::string& line : lines) BoundLine(line);
}

void BoundStatements(std::vector<Statement>& statements) {
  if (statements.size() > kListMax) statements.resize(kListMax);
  for (Statement& statement : statements) {
    BoundLine(statement.text);
    if (statement.hooks.size() > 8) statement.hooks.resize(8);
    for (std::string& hook : statement.hooks) CleanText(hook, 128);
  }
}

Finding Bounded(const Finding& finding) {
  Finding bounded = finding;
  for (std::string* name : {&bounded.queue, &bounded.host_queue}) CleanText(*name, kNameBytesMax);
  for (std::string* line :
       {&bounded.title, &bounded.because, &bounded.danger, &bounded.would_refute}) {
    BoundLine(*line);
  }
  for (auto* lines : {&bounded.caused_by, &bounded.contributors, &bounded.missing}) {
    BoundLines(*lines);
  }
  for (auto* statements : {&bounded.evidence, &bounded.against, &bounded.ruled_out}) {
    BoundStatements(*statements);
  }
  if (bounded.next.size() > kListMax) bounded.next.resize(kListMax);
  for (NextStep& step : bounded.next) {
    for (std::string* text : {&step.where, &step.command, &step.effect}) BoundLine(*text);
  }
  return bounded;
}

}  // namespace

std::string_view FindingStepName(FindingStep step) {
  switch (step) {
    case FindingStep::kAppeared: return "appeared";
    case FindingStep::kChanged: return "changed";
    case FindingStep::kEnded: return "ended";
  }
  return "changed";
}

FindingChange MakeFindingChange(int64_t at_real_ns, FindingStep step, uint64_t episode,
                                const Finding& finding) {
  const Finding bounded = Bounded(finding);
  FindingChange change;
  change.at_real_ns = at_real_ns;
  change.step = step;
  change.episode = episode;
  change.cause = CauseId(bounded.cause);
  change.queue = bounded.queue;
  change.host_queue = bounded.host_queue;
  change.root = bounded.root;
  change.caused_by = nlohmann::ordered_json(bounded.caused_by).dump();
  change.certainty = CertaintyName(bounded.certainty);
  change.since_real_ns = bounded.since_ns;
  change.title = bounded.title;
  change.detail = FindingJson(bounded).dump();
  return change;
}

void CleanChange(EvaluationChange& change) {
  if (auto* verdict = std::get_if<VerdictChange>(&change)) {
    for (std::string* name : {&verdict->queue, &verdict->host_queue, &verdict->identity}) {
      CleanText(*name, kNameBytesMax);
    }
    BoundLine(verdict->why);
    return;
  }
  auto& finding = std::get<FindingChange>(change);
  for (std::string* name :
       {&finding.cause, &finding.queue, &finding.host_queue, &finding.certainty}) {
    CleanText(*name, kNameBytesMax);
  }
  BoundLine(finding.title);
  CleanText(finding.caused_by, kDetailBytesMax);
  CleanText(finding.detail, kDetailBytesMax);
}

size_t ApproximateBytes(const EvaluationChange& change) {
  size_t bytes = sizeof(EvaluationChange) + 64;
  if (const auto* verdict = std::get_if<VerdictChange>(&change)) {
    return bytes + verdict->queue.size() + verdict->host_queue.size() + verdict->identity.size() +
           verdict->why.size();
  }
  const auto& finding = std::get<FindingChange>(change);
  return bytes + finding.queue.size() + finding.host_queue.size() + finding.caused_by.size() +
         finding.title.size() + finding.detail.size();
}

}  // namespace ringside
