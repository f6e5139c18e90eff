// SPDX-License-Identifier: Apache-2.0
// For tests of the commands: recordings made in memory written as real incident files, and a run of
// the built `ringside` with what it said. Main thread of a test only.
#ifndef RINGSIDE_TESTS_CLI_INCIDENT_FILES_H_
#define RINGSIDE_TESTS_CLI_INCIDENT_FILES_H_

#include <string>
#include <vector>

#include "correlate/recording.h"

namespace ringside {

// A folder of its own per test, removed with it.
class TestFolder {
 public:
  TestFolder();
  ~TestFolder();
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

// Writes every record of `recording` through the store's writer; `events` detail events of its
// first guest queue come with it. Fails the test that calls it where the writer refuses.
void WriteIncident(const Recording& recording, const std::string& path, int events = 0);

struct RunResult {
  int exit_code = -1;  // -1: ended by a signal
  std::string out;
  std::string err;
};

struct RunOptions {
  std::vector<std::string> environment;  // added: "COLUMNS=80"
  bool as_nobody = false;                // gives up root first
  std::string out_file;                  // standard output goes there instead
  bool reader_goes = false;              // the reader of standard output goes after one byte
  std::string folder;                    // working folder; empty: the test's own
  int signal_when_ready = 0;             // sent when standard error has said "ready"
};

// Runs the built binary with these arguments. TZ is UTC.
RunResult RunRingside(const std::vector<std::string>& arguments, const RunOptions& options = {});

// Lines of `text`, without their ends.
std::vector<std::string> SplitLines(const std::string& text);

}  // namespace ringside

#endif  // RINGSIDE_TESTS_CLI_INCIDENT_FILES_H_
