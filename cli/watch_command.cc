// SPDX-License-Identifier: Apache-2.0
// `ringside watch`: what a collector has to say, as it happens.
#include <chrono>
#include <memory>
#include <string>
#include <thread>

#include "cli/command.h"
#include "cli/signals.h"
#include "cli/terminal.h"
#include "cli/watch_call.h"
#include "cli/watch_text.h"
#include "fmt/format.h"
#include "proto/address.h"

namespace ringside {
namespace {

using Clock = std::chrono::steady_clock;

// A collector says every five seconds that it lives.
constexpr std::chrono::seconds kSilenceMax(20);
constexpr std::chrono::milliseconds kLook(100);  // for a signal
constexpr std::chrono::seconds kAgainAfter(2);

struct WatchArgs {
  std::string address;
  bool json = false;
  bool insecure = false;
};

enum class End { kSignal, kOutput, kLost };

struct Outcome {
  End end = End::kLost;
  absl::Status why;
  bool began = false;  // something came
};

// One connection, until it is lost or nobody wants it any more.
Outcome WatchOnce(const Address& address, bool json, const SignalScope& signals) {
  const std::unique_ptr<WatchCall> call = WatchCall::Start(address);
  Outcome outcome;
  Clock::time_point heard = Clock::now();
  while (signals.received() == 0) {
    auto event = call->Next(kLook);
    if (!event.ok()) {
      outcome.why = event.status();
      return outcome;
    }
    if (!event->has_value()) {
      if (Clock::now() - heard < kSilenceMax) continue;
      outcome.why = absl::UnavailableError("nothing heard for 20 s");
      return outcome;
    }
    heard = Clock::now();
    outcome.began = true;
    const absl::Status wrote = WriteOut(json ? WatchJsonLine(**event) : WatchLine(**event));
    if (!wrote.ok()) return {End::kOutput, wrote, true};
  }
  outcome.end = End::kSignal;
  return outcome;
}

void WaitForSignal(const SignalScope& signals, Clock::duration wait) {
  const Clock::time_point until = Clock::now() + wait;
  while (signals.received() == 0 && Clock::now() < until) std::this_thread::sleep_for(kLook);
}

absl::Status RunWatch(const WatchArgs& args) {
  const auto address = ParseAddress(args.address);
  if (!address.ok()) return AsUsageError(address.status());
  if (!address->local && !args.insecure) {
    return UsageError(fmt::format(
        "{} is beyond this machine and this version cannot encrypt; --insecure reads in the clear",
        args.address));
  }
  const SignalScope signals;
  bool ever = false;
  bool lost = false;
  for (;;) {
    const Outcome outcome = WatchOnce(*address, args.json, signals);
    if (outcome.end == End::kSignal) return absl::OkStatus();
    if (outcome.end == End::kOutput) return outcome.why;
    ever |= outcome.began;
    if (!ever) {
      return absl::UnavailableError(
          fmt::format("cannot watch {}: {}", args.address, Message(outcome.why)));
    }
    if (outcome.began || !lost) {
      SayError(
          fmt::format("ringside: lost {}: {}; trying again", args.address, Message(outcome.why)));
    }
    lost = true;
    WaitForSignal(signals, kAgainAfter);
    if (signals.received() != 0) return absl::OkStatus();
  }
}

}  // namespace

void AddWatch(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand(
      "watch", "What a collector finds, as it happens: verdicts and findings that change.");
  auto args = std::make_shared<WatchArgs>();
  command->add_option("address", args->address, "the collector")
      ->type_name("HOST:PORT")
      ->required();
  command->add_flag("--json", args->json, "one JSON object per line");
  command->add_flag("--insecure", args->insecure, "read in the clear from another machine");
  command->footer(
      Examples({"ringside watch 127.0.0.1:7700", "ringside watch unix:/run/ringside.sock --json"}) +
      "\n\nFirst each queue's verdict and each open finding, then one line per change. Ctrl-C ends "
      "it\n(exit 0). If the collector cannot be reached at first, exit 4; if it is lost later, it "
      "is\ntried again every two seconds, and how things stand is told anew.");
  command->callback([args, &action] { action = [args] { return RunWatch(*args); }; });
}

}  // namespace ringside
