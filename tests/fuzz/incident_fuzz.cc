// SPDX-License-Identifier: Apache-2.0
// Incident files: reading, SQL and joining must end, with an answer or with one line.
#include <sqlite3.h>

#include <cstdlib>
#include <fstream>

#include "collector/store/incident_reader.h"
#include "collector/store/incident_writer.h"
#include "correlate/analysis.h"
#include "tests/collector/scratch.h"
#include "tests/fuzz/fuzz.h"
#include "tests/proto/random_records.h"

namespace ringside {
namespace {

const Scratch& Place() {
  static const Scratch place;
  return place;
}

void CheckLine(const absl::Status& status) {
  const std::string line = Message(status);
  if (!status.ok() && (line.empty() || line.find('\n') != std::string::npos)) std::abort();
}

void Query(sqlite3* db, const char* sql) {
  int steps = 2000;  // of a thousand instructions: a damaged index may send SQLite in circles
  const auto tick = [](void* left) { return --*static_cast<int*>(left) < 0 ? 1 : 0; };
  sqlite3_progress_handler(db, 1000, tick, &steps);
  sqlite3_exec(db, sql, nullptr, nullptr, nullptr);
  sqlite3_progress_handler(db, 0, nullptr, nullptr);
}

}  // namespace

std::vector<std::string> FuzzSeeds() {
  Random random(1);
  const std::string path = Place() / "seed.rsi";
  std::unique_ptr<IncidentWriter> writer = NewWriter(path);
  AppendAll(*writer, Key("vm1"), {MakeHello("vm1"), MakeQueue(1, "eth0", "rx0")});
  for (uint64_t number = 3; number < 40; ++number) {
    if (!writer->Append(Key("vm1"), {number, RandomRecord(random, true, number)}).ok()) {
      std::abort();
    }
  }
  Finding finding;
  finding.queue = "vm1/eth0/rx0";
  if (!writer->Append(VerdictChange{1, "vm1/eth0/rx0"}).ok() ||
      !writer->Append(MakeFindingChange(1, FindingStep::kAppeared, 1, finding)).ok() ||
      !writer->Close().ok()) {
    std::abort();
  }
  std::ifstream file(path, std::ios::binary);
  return {std::string(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>())};
}

void FuzzReseal(std::string&) {}

}  // namespace ringside

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ringside;  // NOLINT: this function only
  const std::string path = Place() / "input.rsi";
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(data), static_cast<std::streamsize>(size));
  const absl::StatusOr<Recording> recording = ReadIncident(path);
  CheckLine(recording.status());
  if (recording.ok()) Analyse(*recording, {});
  const auto incident = IncidentDb::Open(path);
  CheckLine(incident.status());
  if (incident.ok()) {
    for (const char* sql :
         {"SELECT * FROM counts", "SELECT count(*) FROM events", "SELECT * FROM gauge_rows",
          "SELECT * FROM findings", "SELECT * FROM parts", "SELECT * FROM verdicts"}) {
      Query((*incident)->db(), sql);
    }
  }
  const std::string joined = Place() / "joined.rsi";
  CheckLine(MergeIncidents({path}, joined));
  for (const char* suffix : {"", "-wal", "-shm"}) unlink((joined + suffix).c_str());
  return 0;
}
