// SPDX-License-Identifier: Apache-2.0
#include "agent/bpf_log.h"

#include <bpf/libbpf.h>

#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>

namespace ringside {
namespace {

// A verifier log can be megabytes; only its end is of use.
constexpr size_t kKeepBytes = 64 << 10;
std::string* g_text = nullptr;

int Collect(libbpf_print_level level, const char* format, va_list args) {
  if (g_text == nullptr || level == LIBBPF_DEBUG) return 0;
  char line[8192];
  const int n = vsnprintf(line, sizeof(line), format, args);
  g_text->append(line, strnlen(line, sizeof(line)));
  if (g_text->size() > 2 * kKeepBytes) g_text->erase(0, g_text->size() - kKeepBytes);
  return n;
}

int Silent(libbpf_print_level, const char*, va_list) { return 0; }

}  // namespace

std::string FailedProgramIn(std::string_view log) {
  const size_t failed = log.rfind("': failed to");
  if (failed == std::string_view::npos) return {};
  const size_t begin = log.rfind("prog '", failed);
  if (begin == std::string_view::npos) return {};
  return std::string(log.substr(begin + 6, failed - begin - 6));
}

std::string ReasonIn(std::string_view log, int error) {
  const std::string text = strerror(error);
  if (log.find("failed to find kernel BTF type ID") != std::string_view::npos) {
    return "the kernel's BTF has no such function (module not loaded, inlined, or renamed)";
  }
  if (log.find("CO-RE relocation") != std::string_view::npos) {
    return "a kernel structure it reads is not in this kernel's BTF";
  }
  if (log.find("kernel BTF") != std::string_view::npos ||
      log.find("vmlinux BTF") != std::string_view::npos) {
    return "no BTF in this kernel (/sys/kernel/btf/vmlinux)";
  }
  if (log.find("tracepoint") != std::string_view::npos &&
      log.find("No such file") != std::string_view::npos) {
    return "no tracefs (mount -t tracefs tracefs /sys/kernel/tracing) or no such event";
  }
  // A verifier log ends with "processed N insns"; what it disliked stands on the line before.
  const size_t processed = log.rfind("\nprocessed ");
  if (processed != std::string_view::npos) {
    const size_t begin = log.rfind('\n', processed - 1);
    const std::string_view line = log.substr(begin + 1, processed - begin - 1);
    if (!line.empty() && line.size() < 200) return text + ": " + std::string(line);
  }
  return text;
}

BpfLog::BpfLog() {
  g_text = &text_;
  libbpf_set_print(Collect);
}

BpfLog::~BpfLog() {
  g_text = nullptr;
  libbpf_set_print(Silent);
}

std::string BpfLog::FailedProgram() const { return FailedProgramIn(text_); }
std::string BpfLog::Reason(int error) const { return ReasonIn(text_, error); }

}  // namespace ringside
