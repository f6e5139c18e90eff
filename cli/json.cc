// SPDX-License-Identifier: Apache-2.0
#include "cli/json.h"

#include <utility>

#include "cli/format.h"

namespace ringside {
namespace {

constexpr int kSchema = 1;

Json CutJson(const Cut& cut) {
  Json json;
  json["by"] = cut.by_position ? "position" : cut.by_quiet ? "quiet" : "time";
  if (cut.by_position) {
    json["from"] = cut.from_pos;
    json["to"] = cut.to_pos;
  } else {
    if (cut.by_quiet) json["from_ns"] = cut.from_ns;
    if (cut.by_quiet) json["to_ns"] = cut.to_ns;
    json["why"] = cut.why_not;
  }
  json["marks"] = cut.common_marks;
  json["marks_agreeing"] = cut.marks_agreeing;
  json["difference"] = {{"lo", cut.difference_min}, {"hi", cut.difference_max}};
  json["in_flight"] = cut.in_flight;
  json["epochs"] = cut.epochs;
  return json;
}

// `binding` is where the contract leaves room: how the two sides were put together and cut.
Json BindingJson(const QueueLedger& queue) {
  Json json;
  json["bound"] = queue.binding.bound;
  json["provisional"] = queue.binding.provisional;
  json["evidence"] = queue.binding.evidence;
  json["cut"] = CutJson(queue.cut);
  return json;
}

Json IdentityJson(const Identity& identity) {
  Json json;
  json["id"] = identity.id;
  // By definition: one side is made from the other, so that holding would prove nothing.
  json["verdict"] =
      identity.by_definition ? Json(nullptr) : Json(std::string(VerdictName(identity.verdict)));
  json["residuals"] = Json::object();
  for (const Residual& residual : identity.residuals) {
    json["residuals"][residual.name] = {
        {"lo", residual.lo == INT64_MIN ? Json(nullptr) : Json(residual.lo)},
        {"hi", residual.hi == INT64_MAX ? Json(nullptr) : Json(residual.hi)}};
  }
  json["why"] = identity.why;
  return json;
}

Json QueueJson(const QueueLedger& queue) {
  Json json;
  json["queue"] = OrNull(queue.queue);
  json["host_queue"] = OrNull(queue.host_queue);
  json["irq_name"] = OrNull(queue.irq_name);
  json["binding"] = BindingJson(queue);
  json["counts"] = Json::object();
  for (const CountCell& cell : queue.counts) {
    json["counts"][std::string(CountName(cell.count))] = CountJson(cell);
  }
  json["identities"] = Json::array();
  for (const Identity& identity : queue.identities) {
    json["identities"].push_back(IdentityJson(identity));
  }
  return json;
}

}  // namespace

Json OrNull(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }

Json WindowJson(const Window& window) {
  return {{"from", Rfc3339(window.from_ns)},
          {"to", Rfc3339(window.to_ns)},
          {"clock", window.clock},
          {"bound_ns", window.bound_ns}};
}

Json CountJson(const CountCell& cell) {
  return {{"lo", cell.lo}, {"hi", cell.hi ? Json(*cell.hi) : Json(nullptr)}, {"hook", cell.hook}};
}

Json LedgerJson(const Ledger& ledger) {
  Json json = {{"schema", kSchema}, {"window", WindowJson(ledger.window)}};
  json["queues"] = Json::array();
  for (const QueueLedger& queue : ledger.queues) json["queues"].push_back(QueueJson(queue));
  return json;
}

Json RowsJson(const Window& window, Json rows) {
  return {{"schema", kSchema}, {"window", WindowJson(window)}, {"rows", std::move(rows)}};
}

std::string JsonText(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace ringside
