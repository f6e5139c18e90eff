// SPDX-License-Identifier: Apache-2.0
#include "cli/progress.h"

#include "cli/format.h"
#include "cli/terminal.h"
#include "fmt/format.h"

namespace ringside {
namespace {

constexpr int64_t kTerminalEveryNs = 200'000'000;
constexpr int64_t kLineEveryNs = 5'000'000'000;

// "10", "2.5": as it was typed.
std::string SecondsText(int64_t ns) {
  return ns % 1'000'000'000 == 0 ? fmt::format("{}", ns / 1'000'000'000)
                                 : fmt::format("{:.6g}", static_cast<double>(ns) / 1e9);
}

std::string TotalsText(const AgentTotals& totals) {
  std::string text =
      fmt::format("{} {}, {} interrupts", totals.queues, totals.queues == 1 ? "queue" : "queues",
                  Thousands(totals.interrupts));
  if (totals.events > 0) text += fmt::format(", {} events", Thousands(totals.events));
  if (totals.dropped > 0) text += fmt::format(", {} dropped", Thousands(totals.dropped));
  return text;
}

}  // namespace

std::string ProgressText(int64_t elapsed_ns, int64_t duration_ns, const AgentTotals& totals) {
  std::string time = fmt::format("{:.1f}", static_cast<double>(elapsed_ns) / 1e9);
  if (duration_ns > 0) time += " of " + SecondsText(duration_ns);
  return fmt::format("recording {} s, {}", time, TotalsText(totals));
}

void Progress::Show(const std::string& text) {
  if (terminal_) {
    WriteError("\r" + text + "\033[K");
  } else {
    SayError(text);
  }
}

void Progress::Ready(const std::string& path) {
  SayError(
      fmt::format("ready: recording into {}{}", path, duration_ns_ > 0 ? "" : "; Ctrl-C ends it"));
  next_ns_ = terminal_ ? 0 : kLineEveryNs;
}

void Progress::Update(int64_t elapsed_ns, const AgentTotals& totals) {
  if (quiet_ || elapsed_ns < next_ns_) return;
  next_ns_ = elapsed_ns + (terminal_ ? kTerminalEveryNs : kLineEveryNs);
  Show(ProgressText(elapsed_ns, duration_ns_, totals));
}

void Progress::Finish(int64_t elapsed_ns, const AgentTotals& totals) {
  if (quiet_) return;
  Show(ProgressText(elapsed_ns, duration_ns_, totals));
  if (terminal_) WriteError("\n");
}

void Progress::Clear() {
  if (terminal_ && !quiet_) WriteError("\r\033[K");
}

void Progress::End(const std::string& path, uint64_t bytes, const AgentTotals& totals) {
  SayError(fmt::format("{}: {}, {}", path, BytesText(bytes), TotalsText(totals)));
  if (totals.queues == 0) {
    SayError("warning: no queue was found; 'ringside doctor' says what this machine has");
  }
  SayError("next: ringside " + path);
}

}  // namespace ringside
