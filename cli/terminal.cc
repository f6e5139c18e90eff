// SPDX-License-Identifier: Apache-2.0
#include "cli/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <system_error>

#include "cli/format.h"
#include "fmt/format.h"

namespace ringside {
namespace {

constexpr int kDefaultWidth = 100;
constexpr int kLeastWidth = 40;  // narrower than this no table makes sense

// The process is still single-threaded wherever the environment is read.
const char* Environment(const char* name) {
  return std::getenv(name);  // NOLINT(concurrency-mt-unsafe)
}

int StdoutWidth() {
  const char* columns = Environment("COLUMNS");
  int width = columns == nullptr ? 0 : std::atoi(columns);
  if (width <= 0) {
    winsize size{};
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0) width = size.ws_col;
  }
  if (width <= 0) width = kDefaultWidth;
  return width < kLeastWidth ? kLeastWidth : width;
}

absl::Status WriteAll(int fd, std::string_view text) {
  while (!text.empty()) {
    ssize_t wrote = write(fd, text.data(), text.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0 && errno == EPIPE) return absl::OkStatus();
    if (wrote < 0) {
      return absl::UnavailableError(ErrnoText("cannot write to standard output", errno));
    }
    text.remove_prefix(static_cast<size_t>(wrote));
  }
  return absl::OkStatus();
}

}  // namespace

Page StdoutPage(bool wide) {
  const char* no_color = Environment("NO_COLOR");
  const char* term = Environment("TERM");
  bool plain = (no_color != nullptr && *no_color != '\0') ||
               (term != nullptr && std::string_view(term) == "dumb");
  return {.width = wide ? 0 : StdoutWidth(), .color = !plain && isatty(STDOUT_FILENO) == 1};
}

bool StderrIsTerminal() { return isatty(STDERR_FILENO) == 1; }

absl::Status WriteOut(std::string_view text) { return WriteAll(STDOUT_FILENO, text); }

void SayError(std::string_view line) {
  std::string one_line(line);
  while (!one_line.empty() && one_line.back() == '\n') one_line.pop_back();
  for (char& c : one_line) {
    if (c == '\n') c = ' ';
  }
  WriteError(Printable(one_line) + "\n");
}

void WriteError(std::string_view text) {
  // Nowhere is left to complain to if this fails.
  (void)WriteAll(STDERR_FILENO, text);
}

std::string ErrnoText(std::string_view what, int error) {
  return fmt::format("{}: {}", what, std::generic_category().message(error));
}

}  // namespace ringside
