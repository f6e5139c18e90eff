// SPDX-License-Identifier: Apache-2.0
#include "collector/store/finding_json.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <ctime>

namespace ringside {
namespace {

using Json = nlohmann::ordered_json;

Json TimeJson(int64_t real_ns) {
  if (real_ns <= 0) return nullptr;
  const std::time_t seconds = real_ns / 1'000'000'000;
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:09}Z", fmt::gmtime(seconds), real_ns % 1'000'000'000);
}

Json OrNull(const std::string& text) { return text.empty() ? Json() : Json(text); }

Json StatementsJson(const std::vector<Statement>& statements) {
  Json json = Json::array();
  for (const Statement& statement : statements) {
    json.push_back({{"text", statement.text}, {"hooks", statement.hooks}});
  }
  return json;
}

}  // namespace

Json FindingJson(const Finding& finding) {
  Json json;
  json["id"] = CauseId(finding.cause);
  json["queue"] = finding.queue;
  json["host_queue"] = OrNull(finding.host_queue);
  json["root"] = finding.root;
  json["caused_by"] = finding.caused_by;
  json["contributors"] = finding.contributors;
  json["certainty"] = CertaintyName(finding.certainty);
  json["since"] = TimeJson(finding.since_ns);
  json["until"] = TimeJson(finding.until_ns);
  json["title"] = finding.title;
  json["because"] = OrNull(finding.because);
  json["for"] = StatementsJson(finding.evidence);
  json["against"] = StatementsJson(finding.against);
  json["ruled_out"] = StatementsJson(finding.ruled_out);
  json["missing"] = finding.missing;
  json["danger"] = OrNull(finding.danger);
  json["would_refute"] = OrNull(finding.would_refute);
  json["next"] = Json::array();
  for (const NextStep& step : finding.next) {
    json["next"].push_back({{"where", OrNull(step.where)},
                            {"command", OrNull(step.command)},
                            {"effect", OrNull(step.effect)}});
  }
  return json;
}

}  // namespace ringside
