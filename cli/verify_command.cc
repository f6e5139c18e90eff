// SPDX-License-Identifier: Apache-2.0
// `ringside verify INCIDENT --claims FILE...`.
#include <algorithm>
#include <iterator>
#include <memory>
#include <tuple>
#include <utility>
#include <vector>

#include "cli/claims/claim_file.h"
#include "cli/command.h"
#include "cli/format.h"
#include "cli/json.h"
#include "cli/open.h"
#include "cli/terminal.h"
#include "cli/verify_text.h"
#include "correlate/claims.h"
#include "correlate/ledger.h"
#include "fmt/format.h"

namespace ringside {
namespace {

struct VerifyArgs {
  std::string incident;
  std::vector<std::string> claims;
  std::string source;
  std::string node;
  std::string queue;
  std::string from;
  std::string to;
  bool json = false;
  bool wide = false;
};

struct NamedText {
  std::string path;
  std::string text;
};

absl::StatusOr<ClaimWindow> GivenWindow(const VerifyArgs& args, int64_t zero_ns) {
  ClaimWindow window;
  for (const auto& [text, option, end] : {std::tuple(&args.from, "--from", &window.from_ns),
                                          std::tuple(&args.to, "--to", &window.to_ns)}) {
    if (text->empty()) continue;
    const auto time = ParseTime(*text, zero_ns);
    if (!time.ok()) return UsageError(fmt::format("{}: {}", option, Message(time.status())));
    *end = *time;
  }
  if (window.from_ns && window.to_ns && *window.from_ns >= *window.to_ns) {
    return UsageError("--from is not before --to; give an earlier --from or leave one away");
  }
  return window;
}

// All files; two neighbours that are snapshots of /proc/interrupts are one measurement.
ClaimFile ReadAll(const std::vector<NamedText>& texts, int64_t zero_ns) {
  ClaimFile all;
  const auto add = [&](ClaimFile file) {
    std::move(file.claims.begin(), file.claims.end(), std::back_inserter(all.claims));
    std::move(file.problems.begin(), file.problems.end(), std::back_inserter(all.problems));
  };
  const auto single = [&](size_t at) {
    return at < texts.size() && CountInterruptSnapshots(texts[at].text) == 1;
  };
  for (size_t i = 0; i < texts.size(); ++i) {
    const ClaimContext context{texts[i].path, zero_ns};
    if (!single(i) || !single(i + 1)) {
      add(ParseClaims(texts[i].text, context));
      continue;
    }
    const NamedText& after = texts[i + 1];
    add(ParseInterruptPair(texts[i].text, context, after.text, {after.path, zero_ns}));
    ++i;
  }
  return all;
}

// What the command line says of all claims goes where the claims say nothing themselves.
void FillIn(const VerifyArgs& args, const ClaimWindow& window, std::vector<Claim>& claims) {
  for (Claim& claim : claims) {
    if (!args.source.empty()) claim.source = args.source;
    if (claim.node.empty()) claim.node = args.node;
    if (claim.queue.empty()) claim.queue = args.queue;
    if (claim.window == ClaimWindow{}) claim.window = window;
  }
}

// A number without its window is judged over the whole incident: that is worth a word.
void SayUnplaced(const std::vector<Claim>& claims) {
  std::string said;
  for (const Claim& claim : claims) {
    if (claim.window != ClaimWindow{} || claim.subject.counts.empty() || claim.file == said)
      continue;
    said = claim.file;
    SayError(
        fmt::format("note: {} does not say when it counted: judged over the whole incident; "
                    "--from and --to narrow it",
                    said));
  }
}

int ExitCode(const ClaimReport& report, const std::vector<ClaimProblem>& problems) {
  const auto is = [](ClaimVerdict verdict) {
    return [verdict](const JudgedClaim& judged) { return judged.verdict == verdict; };
  };
  if (report.claims.empty()) return kExitFailure;
  if (std::any_of(report.claims.begin(), report.claims.end(), is(ClaimVerdict::kRefuted))) {
    return kExitRefuted;
  }
  const bool all =
      std::all_of(report.claims.begin(), report.claims.end(), is(ClaimVerdict::kConfirmed));
  return all && problems.empty() ? kExitOk : kExitInconclusive;
}

// Bad input is said once more where errors are said; in JSON the object has it.
void SayProblems(const ClaimReport& report, const std::vector<ClaimProblem>& problems) {
  for (const ClaimProblem& problem : problems) {
    SayError(ProblemText(problem.file, problem.line, problem.text));
  }
  for (const JudgedClaim& judged : report.claims) {
    if (judged.verdict != ClaimVerdict::kInconclusive) continue;
    SayError(ProblemText(judged.claim.file, judged.claim.line, judged.why));
  }
}

absl::Status Verify(const VerifyArgs& args) {
  std::vector<NamedText> texts;
  for (const std::string& path : args.claims) {
    auto text = ReadClaimText(path);
    if (!text.ok()) return text.status();
    texts.push_back({path, *std::move(text)});
  }
  const auto incident = OpenIncident(args.incident);
  if (!incident.ok()) return incident.status();
  const Window window = MakeLedger(incident->recording, {}).window;
  const auto given = GivenWindow(args, window.from_ns);
  if (!given.ok()) return given.status();
  ClaimFile file = ReadAll(texts, window.from_ns);
  FillIn(args, *given, file.claims);
  SayUnplaced(file.claims);
  const ClaimReport report = JudgeClaims(incident->recording, std::move(file.claims));
  SayProblems(report, file.problems);
  if (args.json) {
    const absl::Status written = WriteOut(JsonText(VerifyJson(report, window, file.problems)));
    if (!written.ok()) return written;
  } else if (!report.claims.empty()) {
    const absl::Status written = WriteOut(VerifyText(report, StdoutPage(args.wide)));
    if (!written.ok()) return written;
  }
  if (report.claims.empty()) return absl::DataLossError("no claim could be read");
  return ExitWith(ExitCode(report, file.problems));
}

}  // namespace

void AddVerify(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand(
      "verify", "Judges numbers that somebody else measured: confirmed, refuted, inconclusive.");
  auto args = std::make_shared<VerifyArgs>();
  command
      ->add_option("INCIDENT", args->incident,
                   "an incident file (.rsi) or a collector's store directory")
      ->required()
      ->type_name("");
  command
      ->add_option("--claims", args->claims,
                   "what another tool printed, or claims as JSON; may be given again")
      ->required()
      ->type_name("FILE");
  command->add_option("--source", args->source, "who says so, if the file does not tell")
      ->type_name("NAME");
  command->add_option("--node", args->node, "where it was counted, if the file does not tell")
      ->type_name("NODE");
  command->add_option("--queue", args->queue, "of what, where the file does not tell")
      ->type_name("Q");
  command->add_option("--from", args->from, "when it was counted, if the file does not tell")
      ->type_name("T");
  command->add_option("--to", args->to, "up to this time")->type_name("T");
  command->add_flag("--json", args->json, "one JSON object on standard output");
  command->add_flag("--wide", args->wide, "lines as long as they get");
  command->footer(Examples({"ringside verify slow.rsi --claims vendor.json",
                            "ringside verify slow.rsi --claims before.txt --claims after.txt",
                            "ringside verify slow.rsi --claims bpftrace.txt --node vm1 --json"}) +
                  "\nExit code: 0 all confirmed, 1 some refuted, 3 none refuted but some "
                  "inconclusive");
  command->callback([args, &action] { action = [args] { return Verify(*args); }; });
}

}  // namespace ringside
