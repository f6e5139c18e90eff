// SPDX-License-Identifier: Apache-2.0
#include "cli/queues_text.h"

#include <algorithm>

#include "cli/format.h"
#include "cli/streams.h"
#include "fmt/format.h"

namespace ringside {
namespace {

std::string Hex(uint64_t value) { return fmt::format("{:#x}", value); }

std::string NumberOrDash(int64_t value) { return value < 0 ? "-" : std::to_string(value); }

std::map<QueueId, QueueRow> RowsOfStream(const StreamView& view) {
  std::map<QueueId, QueueRow> rows;
  for (const QueueInfo& info : view.stream().queues) {
    rows[info.id].info = info;  // oldest first: the last one stays
    rows[info.id].name = view.QueueName(info.id);
  }
  for (const Snapshot& snapshot : view.stream().snapshots) {
    for (const GaugeSample& gauge : snapshot.gauges) {
      auto row = rows.find(gauge.queue);
      if (row != rows.end()) row->second.gauges[gauge.gauge] = gauge.value;
    }
  }
  return rows;
}

void SetPartner(const Ledger& ledger, QueueRow& row) {
  for (const QueueLedger& queue : ledger.queues) {
    bool is_guest = queue.queue == row.name;
    if (!is_guest && queue.host_queue != row.name) continue;
    row.partner = is_guest ? queue.host_queue : queue.queue;
    row.provisional = queue.binding.provisional;
    return;
  }
}

std::string RingText(const QueueInfo& info) {
  if (info.ring_size == 0) return "-";
  return std::to_string(info.ring_size) + (info.packed ? " packed" : "");
}

std::string MsiText(const MsiMessage& msi) {
  return msi.known ? Hex(msi.address) + " " + Hex(msi.data) : "-";
}

// Without the stage: "used 15,100  avail 15,356". The full names are in --json.
std::string GaugesText(const QueueRow& row) {
  std::string out;
  for (auto [gauge, value] : row.gauges) {
    std::string name(GaugeName(gauge));
    size_t dot = name.rfind('.');
    out += (out.empty() ? "" : ", ") + name.substr(dot + 1) + " " + Thousands(value);
  }
  return out.empty() ? "-" : out;
}

}  // namespace

const char* QueueKindName(QueueKind kind) {
  switch (kind) {
    case QueueKind::kGuest: return "guest";
    case QueueKind::kHost: return "host";
    case QueueKind::kRoute: return "route";
    case QueueKind::kCpu: return "cpu";
    case QueueKind::kVcpu: return "vcpu";
  }
  return "unknown";
}

std::vector<QueueRow> ListQueues(const Recording& recording, const Ledger& ledger) {
  // A restarted agent describes the same queues again: the newest stream has the last word.
  std::map<std::string, QueueRow> by_name;
  for (const StreamView& view : ViewStreams(recording, ledger)) {
    for (auto& [id, row] : RowsOfStream(view)) {
      // Softnet and vCPU counts travel like a queue's, and are none.
      const QueueKind kind = row.info.kind;
      if (kind == QueueKind::kCpu || kind == QueueKind::kVcpu) continue;
      SetPartner(ledger, row);
      by_name[row.name] = std::move(row);
    }
  }
  std::vector<QueueRow> rows;
  rows.reserve(by_name.size());
  for (auto& [name, row] : by_name) rows.push_back(std::move(row));
  std::stable_sort(rows.begin(), rows.end(), [](const QueueRow& a, const QueueRow& b) {
    return NaturalLess(a.name, b.name);
  });
  return rows;
}

std::string QueuesText(const std::vector<QueueRow>& rows, const Page& page) {
  if (rows.empty()) return "no queue was recorded\n";
  Table table{.columns = {{.title = "queue"},
                          {.title = "kind"},
                          {.title = "irq", .align = Align::kRight},
                          {.title = "irq name", .hide_rank = 4},
                          {.title = "ring", .align = Align::kRight},
                          {.title = "partner"},
                          {.title = "vm", .hide_rank = 3},
                          {.title = "msi (address data)", .hide_rank = 2},
                          {.title = "last state", .hide_rank = 1, .wrap = true}},
              .rows = {}};
  for (const QueueRow& row : rows) {
    const QueueInfo& info = row.info;
    std::string partner = row.partner.empty() ? "-" : row.partner;
    if (!row.partner.empty() && row.provisional) partner += " (provisional)";
    table.rows.push_back({{row.name},
                          {QueueKindName(info.kind)},
                          {NumberOrDash(info.irq)},
                          {info.irq_name.empty() ? "-" : info.irq_name},
                          {RingText(info)},
                          {partner},
                          {info.vm_name.empty() ? "-" : info.vm_name},
                          {MsiText(info.msi)},
                          {GaugesText(row)}});
  }
  return RenderTable(table, page);
}

Json QueuesRows(const std::vector<QueueRow>& rows) {
  Json out = Json::array();
  for (const QueueRow& row : rows) {
    const QueueInfo& info = row.info;
    Json json = {{"queue", row.name},
                 {"kind", QueueKindName(info.kind)},
                 {"generation", info.generation},
                 {"irq", info.irq < 0 ? Json(nullptr) : Json(info.irq)},
                 {"irq_name", OrNull(info.irq_name)},
                 {"ring_size", info.ring_size == 0 ? Json(nullptr) : Json(info.ring_size)},
                 {"packed", info.packed},
                 {"partner", OrNull(row.partner)},
                 {"provisional", row.partner.empty() ? Json(nullptr) : Json(row.provisional)},
                 {"msi", nullptr},
                 {"vm_name", OrNull(info.vm_name)},
                 {"vm_uuid", OrNull(info.vm_uuid)},
                 {"owner_pid", info.owner_pid == 0 ? Json(nullptr) : Json(info.owner_pid)},
                 {"gauges", Json::object()}};
    if (info.msi.known) json["msi"] = {{"address", Hex(info.msi.address)}, {"data", info.msi.data}};
    for (auto [gauge, value] : row.gauges) json["gauges"][std::string(GaugeName(gauge))] = value;
    out.push_back(std::move(json));
  }
  return out;
}

}  // namespace ringside
