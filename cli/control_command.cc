// SPDX-License-Identifier: Apache-2.0
// `ringside detail` and `ringside trigger`: what a collector's agents record from now on, and what
// they have kept of the last seconds.
#include <memory>
#include <string>
#include <vector>

#include "cli/command.h"
#include "cli/control_call.h"
#include "cli/format.h"
#include "cli/terminal.h"
#include "fmt/format.h"
#include "proto/address.h"
#include "proto/detail_wish.h"

namespace ringside {
namespace {

struct DetailArgs {
  std::string address;
  std::vector<std::string> wishes;
  std::string duration;
  bool off = false;
  bool recorder = false;
  bool insecure = false;
};

struct TriggerArgs {
  std::string address;
  std::vector<std::string> queues;
  std::string before = "2s";
  std::string after = "1s";
  std::string reason = "asked for";
  bool insecure = false;
};

absl::StatusOr<Address> CollectorAddress(const std::string& text, bool insecure) {
  auto address = ParseAddress(text);
  if (!address.ok()) return AsUsageError(address.status());
  if (!address->local && !insecure) {
    return UsageError(fmt::format(
        "{} is beyond this machine and this version cannot encrypt; --insecure asks in the clear",
        text));
  }
  return address;
}

absl::Status Say(const std::string& address, const absl::StatusOr<uint64_t>& agents) {
  if (!agents.ok()) {
    const absl::Status failure = absl::Status(
        agents.status().code(), fmt::format("{}: {}", address, Message(agents.status())));
    return absl::IsInvalidArgument(agents.status()) ? AsUsageError(failure) : failure;
  }
  return WriteOut(fmt::format("{} agent{} told\n", *agents, *agents == 1 ? "" : "s"));
}

absl::Status RunDetail(const DetailArgs& args) {
  const auto address = CollectorAddress(args.address, args.insecure);
  if (!address.ok()) return address.status();
  if (args.off == !args.wishes.empty()) {
    return UsageError("detail: either wishes (such as vm1/eth0/rx1) or --off");
  }
  if (auto wishes = ParseDetailWishes(args.wishes); !wishes.ok()) {
    return AsUsageError(wishes.status());
  }
  DetailOrder order{.wishes = args.wishes, .recorder = args.recorder};
  if (!args.duration.empty()) {
    const auto duration = ParseDuration(args.duration);
    if (!duration.ok()) return UsageError("--for: " + Message(duration.status()));
    if (*duration > kDetailForMax_ns) return UsageError("--for: a day at most");
    order.for_ns = *duration;
  }
  return Say(args.address, CallSetDetail(*address, order));
}

absl::Status RunTrigger(const TriggerArgs& args) {
  const auto address = CollectorAddress(args.address, args.insecure);
  if (!address.ok()) return address.status();
  Trigger trigger{.source = "command", .queues = args.queues, .reason = args.reason};
  for (const auto& [name, text, span] : {std::tuple("--before", &args.before, &trigger.before_ns),
                                         std::tuple("--after", &args.after, &trigger.after_ns)}) {
    const auto duration = ParseDuration(*text);
    if (!duration.ok()) return UsageError(fmt::format("{}: {}", name, Message(duration.status())));
    if (*duration > kTriggerSpanMax_ns) {
      return UsageError(fmt::format("{}: 30s at most, which is what recorders keep", name));
    }
    *span = *duration;
  }
  return Say(args.address, CallTrigger(*address, trigger));
}

}  // namespace

void AddDetail(CLI::App& app, Action& action) {
  CLI::App* command =
      app.add_subcommand("detail", "What a collector's agents record event by event, from now on.");
  auto args = std::make_shared<DetailArgs>();
  command->add_option("address", args->address, "the collector")
      ->type_name("HOST:PORT")
      ->required();
  command->add_option("wish", args->wishes, "QUEUE[:STAGE,...][>50us|>N][@1/N]; replaces the last")
      ->type_name("WISH");
  command->add_option("--for", args->duration, "then what the collector was started with")
      ->type_name("D");
  command->add_flag("--off", args->off, "none");
  command->add_flag("--recorder", args->recorder,
                    "of the flight recorder: kept at the agents, sent on a trigger");
  command->add_flag("--insecure", args->insecure, "ask another machine in the clear");
  command->footer(Examples({"ringside detail 127.0.0.1:7700 vm1/eth0/rx1 --for 30s",
                            "ringside detail 127.0.0.1:7700 'vm1/*:guest.irq,kvm>100us'",
                            "ringside detail 127.0.0.1:7700 --recorder all",
                            "ringside detail 127.0.0.1:7700 --off"}));
  command->callback([args, &action] { action = [args] { return RunDetail(*args); }; });
}

void AddTrigger(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand(
      "trigger", "Has flight recorders send what led up to now, and what follows.");
  auto args = std::make_shared<TriggerArgs>();
  command->add_option("address", args->address, "the collector")
      ->type_name("HOST:PORT")
      ->required();
  command->add_option("--queue", args->queues, "of this queue, from both sides (default: all)")
      ->type_name("Q");
  command->add_option("--before", args->before, "how far back (default 2s, at most 30s)")
      ->type_name("D");
  command->add_option("--after", args->after, "how long after (default 1s, at most 30s)")
      ->type_name("D");
  command->add_option("--reason", args->reason, "stored with it")->type_name("TEXT");
  command->add_flag("--insecure", args->insecure, "ask another machine in the clear");
  command->footer(Examples({"ringside trigger 127.0.0.1:7700 --queue vm1/eth0/rx1 --before 10s"}) +
                  "\n\nNothing is kept unless a recorder runs: ringside-collector --recorder, or\n"
                  "ringside detail HOST:PORT --recorder WISH.");
  command->callback([args, &action] { action = [args] { return RunTrigger(*args); }; });
}

}  // namespace ringside
