// SPDX-License-Identifier: Apache-2.0
#include "collector/store/evaluation_rows.h"

#include <fmt/format.h>

#include <optional>
#include <utility>

#include "proto/convert.h"
#include "proto/texts.h"

namespace ringside {
namespace {

constexpr int64_t kTimeMax_ns = int64_t{1} << 62;

std::optional<Verdict> VerdictByName(const std::string& name) {
  for (const Verdict verdict : {Verdict::kHolds, Verdict::kViolated, Verdict::kInconclusive}) {
    if (VerdictName(verdict) == name) return verdict;
  }
  return std::nullopt;
}

std::optional<FindingStep> StepByName(const std::string& name) {
  for (const FindingStep step :
       {FindingStep::kAppeared, FindingStep::kChanged, FindingStep::kEnded}) {
    if (FindingStepName(step) == name) return step;
  }
  return std::nullopt;
}

template <typename... Values>
absl::Status Run(Db& db, const char* sql, const Values&... values) {
  absl::StatusOr<SqlStatement> statement = db.Prepare(sql);
  if (!statement.ok()) return statement.status();
  return statement->Bind(values...).Run();
}

absl::StatusOr<int64_t> EvaluatorRow(Db& db, const EvaluatorInfo& info) {
  if (absl::Status status = Run(db, "INSERT OR IGNORE INTO evaluators VALUES(NULL, ?1, ?2, ?3)",
                                info.recorder, info.begun_real_ns, info.file);
      !status.ok()) {
    return status;
  }
  absl::StatusOr<SqlStatement> select =
      db.Prepare("SELECT id FROM evaluators WHERE recorder = ?1 AND begun_real_ns = ?2");
  if (!select.ok()) return select.status();
  const absl::StatusOr<bool> row = select->Bind(info.recorder, info.begun_real_ns).Next();
  if (!row.ok()) return row.status();
  return select->Int(0);
}

absl::Status WriteRow(Db& db, int64_t evaluator, uint64_t number, const VerdictChange& change) {
  return Run(db,
             "INSERT OR IGNORE INTO verdict_changes VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10,"
             " ?11)",
             evaluator, number, change.at_real_ns, change.queue, change.host_queue, change.identity,
             VerdictName(change.before), VerdictName(change.verdict), change.why,
             change.from_real_ns, change.to_real_ns);
}

absl::Status WriteRow(Db& db, int64_t evaluator, uint64_t number, const FindingChange& change) {
  return Run(db,
             "INSERT OR IGNORE INTO finding_changes VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10,"
             " ?11, ?12, ?13, ?14)",
             evaluator, number, change.at_real_ns, FindingStepName(change.step), change.episode,
             change.cause, change.queue, change.host_queue, change.root, change.caused_by,
             change.certainty, change.since_real_ns, change.title, change.detail);
}

bool IsTime(int64_t value) { return value >= 0 && value <= kTimeMax_ns; }

// The columns after those of the evaluator; nothing if a value is none that ringside writes.
std::optional<EvaluationChange> ReadVerdict(const SqlStatement& row) {
  VerdictChange change;
  change.at_real_ns = row.Int(4);
  change.queue = row.Text(5);
  change.host_queue = row.Text(6);
  change.identity = row.Text(7);
  const auto before = VerdictByName(row.Text(8));
  const auto verdict = VerdictByName(row.Text(9));
  change.why = row.Text(10);
  change.from_real_ns = row.Int(11);
  change.to_real_ns = row.Int(12);
  if (!before || !verdict || !IsTime(change.at_real_ns) || !IsTime(change.from_real_ns) ||
      !IsTime(change.to_real_ns)) {
    return std::nullopt;
  }
  change.before = *before;
  change.verdict = *verdict;
  return change;
}

std::optional<EvaluationChange> ReadFinding(const SqlStatement& row) {
  FindingChange change;
  change.at_real_ns = row.Int(4);
  const auto step = StepByName(row.Text(5));
  change.episode = row.Unsigned(6);
  change.cause = row.Text(7);
  change.queue = row.Text(8);
  change.host_queue = row.Text(9);
  change.root = row.Int(10) == 1;
  change.caused_by = row.Text(11);
  change.certainty = row.Text(12);
  change.since_real_ns = row.Int(13);
  change.title = row.Text(14);
  change.detail = row.Text(15);
  if (!step || change.episode > kCountMax || !IsTime(change.at_real_ns) ||
      !IsTime(change.since_real_ns) || change.detail.size() > kDetailBytesMax) {
    return std::nullopt;
  }
  change.step = *step;
  return change;
}

using ReadChange = std::optional<EvaluationChange> (*)(const SqlStatement& row);

absl::Status ReadAll(Db& db, const char* sql, ReadChange read,
                     const std::function<absl::Status(NumberedChange)>& take) {
  absl::StatusOr<SqlStatement> rows = db.Prepare(sql);
  if (!rows.ok()) return rows.status();
  absl::StatusOr<bool> more = rows->Bind().Next();
  for (; more.ok() && *more; more = rows->Next()) {
    NumberedChange change;
    change.evaluator = EvaluatorInfo{rows->Text(0), rows->Int(1), rows->Text(2)};
    CleanText(change.evaluator.recorder, kNameBytesMax);
    CleanText(change.evaluator.file, kNameBytesMax);
    change.number = rows->Unsigned(3);
    std::optional<EvaluationChange> body = read(*rows);
    if (!body || change.number == 0 || change.number > kCountMax ||
        !IsTime(change.evaluator.begun_real_ns)) {
      return absl::DataLossError(fmt::format("{}: damaged (a change of a verdict)", db.path()));
    }
    change.change = *std::move(body);
    CleanChange(change.change);
    if (absl::Status status = take(std::move(change)); !status.ok()) return status;
  }
  return more.status();
}

}  // namespace

absl::Status WriteChange(Db& db, const NumberedChange& change) {
  const absl::StatusOr<int64_t> evaluator = EvaluatorRow(db, change.evaluator);
  if (!evaluator.ok()) return evaluator.status();
  return std::visit([&](const auto& body) { return WriteRow(db, *evaluator, change.number, body); },
                    change.change);
}

absl::Status ForEachChange(Db& db, const std::function<absl::Status(NumberedChange)>& take) {
  absl::Status status = ReadAll(
      db,
      "SELECT e.recorder, e.begun_real_ns, e.file, c.number, c.at_real_ns, c.queue, c.host_queue,"
      " c.identity, c.before, c.verdict, c.why, c.from_real_ns, c.to_real_ns"
      " FROM verdict_changes c JOIN evaluators e ON e.id = c.evaluator"
      " ORDER BY c.evaluator, c.number",
      ReadVerdict, take);
  if (!status.ok()) return status;
  return ReadAll(
      db,
      "SELECT e.recorder, e.begun_real_ns, e.file, c.number, c.at_real_ns, c.step, c.episode,"
      " c.cause, c.queue, c.host_queue, c.root, c.caused_by, c.certainty, c.since_real_ns, c.title,"
      " c.detail FROM finding_changes c JOIN evaluators e ON e.id = c.evaluator"
      " ORDER BY c.evaluator, c.number",
      ReadFinding, take);
}

}  // namespace ringside
