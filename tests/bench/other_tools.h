// SPDX-License-Identifier: Apache-2.0
// Tracers that people would use instead, run as children on this machine for comparison.
#ifndef RINGSIDE_TESTS_BENCH_OTHER_TOOLS_H_
#define RINGSIDE_TESTS_BENCH_OTHER_TOOLS_H_

#include <sys/types.h>

#include <string>
#include <vector>

namespace ringside {

// A tracer that runs until this object goes, with tracefs where the tool expects it.
class OtherTool {
 public:
  // `command` is looked for in PATH; its output is thrown away.
  explicit OtherTool(const std::vector<std::string>& command);
  ~OtherTool();
  OtherTool(const OtherTool&) = delete;
  OtherTool& operator=(const OtherTool&) = delete;

  bool running();  // false: not installed, or it has given up

 private:
  pid_t child_;
};

}  // namespace ringside

#endif  // RINGSIDE_TESTS_BENCH_OTHER_TOOLS_H_
