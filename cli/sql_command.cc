// SPDX-License-Identifier: Apache-2.0
// `ringside sql INCIDENT "select ..."`.
#include <memory>
#include <set>

#include "cli/command.h"
#include "cli/format.h"
#include "cli/json.h"
#include "cli/open.h"
#include "cli/remote.h"
#include "cli/sql_query.h"
#include "cli/table.h"
#include "cli/terminal.h"
#include "collector/store/incident_reader.h"
#include "fmt/format.h"

namespace ringside {
namespace {

constexpr size_t kChunkBytes = 1 << 16;  // CSV of any length is written in pieces of this

struct SqlArgs {
  std::string path;
  std::string statement;
  bool json = false;
  bool insecure = false;
  bool csv = false;
};

std::string HexText(const std::string& bytes) {
  std::string out = "x'";
  for (char c : bytes) out += fmt::format("{:02x}", static_cast<uint8_t>(c));
  return out + "'";
}

std::string ValueText(const SqlValue& value, const char* null_text) {
  if (const auto* number = std::get_if<int64_t>(&value)) return std::to_string(*number);
  if (const auto* real = std::get_if<double>(&value)) return fmt::format("{}", *real);
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  if (const auto* blob = std::get_if<Blob>(&value)) return HexText(blob->bytes);
  return null_text;
}

Json ValueJson(const SqlValue& value) {
  if (const auto* number = std::get_if<int64_t>(&value)) return *number;
  if (const auto* real = std::get_if<double>(&value)) return *real;
  if (std::holds_alternative<std::monostate>(value)) return nullptr;
  return ValueText(value, "");
}

std::string CsvField(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string out = "\"";
  for (char c : text) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + "\"";
}

absl::Status WriteCsv(SqlQuery& query) {
  std::string out;
  auto add = [&](const std::string& field, bool first) { out += (first ? "" : ",") + field; };
  for (size_t i = 0; i < query.columns().size(); ++i) add(CsvField(query.columns()[i]), i == 0);
  out += "\r\n";
  std::vector<SqlValue> row;
  while (true) {
    absl::StatusOr<bool> more = query.Next(row);
    if (!more.ok()) return more.status();
    if (!*more) return WriteOut(out);
    for (size_t i = 0; i < row.size(); ++i) add(CsvField(ValueText(row[i], "")), i == 0);
    out += "\r\n";
    if (out.size() < kChunkBytes) continue;
    if (absl::Status status = WriteOut(out); !status.ok()) return status;
    out.clear();
  }
}

absl::Status WriteTable(SqlQuery& query) {
  Table table;
  for (const std::string& name : query.columns()) {
    table.columns.push_back({.title = name, .align = Align::kRight});
  }
  std::vector<SqlValue> row;
  while (true) {
    absl::StatusOr<bool> more = query.Next(row);
    if (!more.ok()) return more.status();
    if (!*more) break;
    std::vector<Cell> cells;
    for (size_t i = 0; i < row.size(); ++i) {
      bool text =
          std::holds_alternative<std::string>(row[i]) || std::holds_alternative<Blob>(row[i]);
      if (text) table.columns[i].align = Align::kLeft;
      bool null = std::holds_alternative<std::monostate>(row[i]);
      cells.push_back({ValueText(row[i], "NULL"), null ? Style::kDim : Style::kPlain});
    }
    table.rows.push_back(std::move(cells));
  }
  // As wide as the answer is: whoever writes the query chooses the columns.
  return WriteOut(RenderTable(table, StdoutPage(/*wide=*/true)));
}

// Keys of a JSON object: a name that comes again gets ":2", ":3".
std::vector<std::string> UniqueNames(const std::vector<std::string>& names) {
  std::vector<std::string> unique;
  std::set<std::string> taken;
  for (const std::string& name : names) {
    std::string key = name;
    for (int i = 2; !taken.insert(key).second; ++i) key = fmt::format("{}:{}", name, i);
    unique.push_back(key);
  }
  return unique;
}

absl::Status WriteJson(SqlQuery& query, const std::string& path) {
  auto incident = OpenIncident(path);
  if (!incident.ok()) return incident.status();
  std::vector<std::string> names = UniqueNames(query.columns());
  Json rows = Json::array();
  std::vector<SqlValue> row;
  while (true) {
    absl::StatusOr<bool> more = query.Next(row);
    if (!more.ok()) return more.status();
    if (!*more) break;
    Json json = Json::object();
    for (size_t i = 0; i < row.size(); ++i) json[names[i]] = ValueJson(row[i]);
    rows.push_back(std::move(json));
  }
  Window window = MakeLedger(incident->recording, {}).window;
  return WriteOut(JsonText(RowsJson(window, std::move(rows))));
}

absl::Status RunSql(const SqlArgs& args) {
  const absl::StatusOr<std::string> local = LocalIncident(args.path, {"", "", args.insecure});
  if (!local.ok()) return local.status();
  auto incident = IncidentDb::Open(*local);
  if (!incident.ok()) return incident.status();
  auto query = SqlQuery::Prepare((*incident)->db(), args.statement);
  if (!query.ok()) return query.status();
  if (args.json) return WriteJson(**query, args.path);
  return args.csv ? WriteCsv(**query) : WriteTable(**query);
}

}  // namespace

void AddSql(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand(
      "sql", "One read-only SQL statement on the incident (SQLite; detail events as `events`).");
  auto args = std::make_shared<SqlArgs>();
  command
      ->add_option("INCIDENT", args->path,
                   "an incident file (.rsi), a store directory or HOST:PORT")
      ->required()
      ->type_name("");
  command->add_option("STATEMENT", args->statement, "one SELECT")->required()->type_name("");
  CLI::Option* json =
      command->add_flag("--json", args->json, "one JSON object, rows as objects by column name");
  command->add_flag("--csv", args->csv, "comma-separated (RFC 4180), NULL as nothing")
      ->excludes(json);
  command->add_flag("--insecure", args->insecure, "fetch in the clear from another machine");
  command->footer(Examples(
      {"ringside sql slow.rsi \"select * from counts where stage = 'guest.irq'\"",
       "ringside sql slow.rsi \"select name, type from sqlite_master\"",
       "ringside sql slow.rsi --csv \"select t, queue, position from events\" > events.csv"}));
  command->callback([args, &action] { action = [args] { return RunSql(*args); }; });
}

}  // namespace ringside
