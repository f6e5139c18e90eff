// SPDX-License-Identifier: Apache-2.0
#include "cli/verify_text.h"

#include <algorithm>
#include <cstdlib>

#include "cli/format.h"
#include "fmt/format.h"

namespace ringside {
namespace {

constexpr int kIndent = 14;  // of the lines below a claim: the widest verdict and two blanks

Style StyleOf(ClaimVerdict verdict) {
  switch (verdict) {
    case ClaimVerdict::kConfirmed: return Style::kGood;
    case ClaimVerdict::kRefuted: return Style::kBad;
    case ClaimVerdict::kInconclusive: return Style::kDoubt;
  }
  return Style::kPlain;
}

std::string ShareText(int64_t thousandths) { return fmt::format("{:.2f}", thousandths / 1000.0); }

std::string MeasuredText(const JudgedClaim& judged) {
  const Interval& measured = *judged.measured;
  std::string text;
  if (judged.claim.percent) {
    text = ShareText(measured.lo) +
           (measured.exact() ? std::string() : '-' + ShareText(*measured.hi)) + '%';
  } else if (!measured.hi) {
    text = Thousands(static_cast<uint64_t>(measured.lo)) + "+";
  } else {
    text = RangeText(measured.lo, *measured.hi);
  }
  return text + (judged.hook.empty() ? "" : fmt::format(" ({})", judged.hook));
}

std::string ClaimedText(const Claim& claim) {
  if (claim.percent) {
    return fmt::format("{:.{}f}% of {}", *claim.percent, claim.digits, SubjectName(claim.of));
  }
  return Thousands(static_cast<uint64_t>(claim.value));
}

std::string WindowText(const ClaimWindow& window) {
  std::string text;
  if (window.from_ns) text += " from " + LocalClock(*window.from_ns);
  if (window.to_ns) text += " to " + LocalClock(*window.to_ns);
  if (window.length_ns) text += " in " + DurationText(*window.length_ns);
  return text;
}

std::string ClaimText(const JudgedClaim& judged) {
  const Claim& claim = judged.claim;
  std::string text = fmt::format("{}: {}", claim.source, claim.name);
  const std::string subject = SubjectName(claim.subject);
  if (!claim.part.empty()) text += fmt::format(" [{}]", claim.part);
  if (!subject.empty() && subject != claim.name && claim.subject.counts.size() <= 1) {
    text += fmt::format(" ({})", subject);
  }
  text.append(1, ' ').append(ClaimedText(claim));
  const std::string& queue = judged.queue.empty() ? claim.queue : judged.queue;
  if (!queue.empty()) text += " on " + queue;
  return text + WindowText(claim.window);
}

std::string ExplanationText(const JudgedClaim& judged) {
  if (judged.tried == 0) return "no explanation could be tried: nothing else was measured";
  std::string tried =
      fmt::format("tried {} explanation{}", judged.tried, judged.tried == 1 ? "" : "s");
  if (judged.undecided > 0) {
    tried +=
        fmt::format(" ({} more would fit too many numbers to mean anything)", judged.undecided);
  }
  if (judged.explanations.empty()) return tried + ", none fits";
  return tried + fmt::format("; one of them fits a wrong number by chance in {:.1f}% of cases",
                             judged.chance * 100);
}

void AppendClaim(const JudgedClaim& judged, const Page& page, std::string& text) {
  const std::string verdict(ClaimVerdictName(judged.verdict));
  std::string line = ClaimText(judged);
  if (judged.measured) line += "; measured " + MeasuredText(judged);
  if (judged.verdict == ClaimVerdict::kRefuted) {
    line += judged.off_percent == 0 ? ": never" : fmt::format(": {:+.1f}%", judged.off_percent);
  }
  const std::string indent(kIndent, ' ');
  std::string claim = Paragraph(indent, Printable(line), page);
  claim.replace(
      0, kIndent,
      Styled(verdict, StyleOf(judged.verdict), page) + std::string(kIndent - verdict.size(), ' '));
  text += claim;
  if (!judged.why.empty()) text += Paragraph(indent, Printable(judged.why), page);
  if (judged.verdict != ClaimVerdict::kRefuted || judged.claim.percent) return;
  for (const Explanation& explanation : judged.explanations) {
    text += Paragraph(indent, Printable("explained: " + explanation.text), page);
  }
  text += Paragraph(indent, ExplanationText(judged), page);
}

Json IntervalJson(const std::optional<Interval>& interval, double scale) {
  if (!interval) return nullptr;
  const auto end = [scale](int64_t value) {
    return scale == 1 ? Json(value) : Json(static_cast<double>(value) / scale);
  };
  return {{"lo", end(interval->lo)}, {"hi", interval->hi ? end(*interval->hi) : Json(nullptr)}};
}

Json ClaimJson(const JudgedClaim& judged) {
  const Claim& claim = judged.claim;
  Json json = {{"source", claim.source},
               {"queue", OrNull(judged.queue.empty() ? claim.queue : judged.queue)},
               {"count", OrNull(SubjectName(claim.subject))}};
  if (claim.name != SubjectName(claim.subject)) json["label"] = claim.name;
  if (!claim.part.empty()) json["part"] = claim.part;
  if (claim.percent) {
    json["claimed"] = *claim.percent;
    json["of"] = SubjectName(claim.of);
  } else {
    json["claimed"] = claim.value;
  }
  json["measured"] = IntervalJson(judged.measured, claim.percent ? 1000 : 1);
  if (!judged.hook.empty()) json["hook"] = judged.hook;
  json["verdict"] = std::string(ClaimVerdictName(judged.verdict));
  if (judged.verdict == ClaimVerdict::kRefuted) json["off_percent"] = judged.off_percent;
  json["explanations"] = Json::array();
  for (const Explanation& explanation : judged.explanations) {
    json["explanations"].push_back({{"id", explanation.id},
                                    {"text", explanation.text},
                                    {"value", IntervalJson(explanation.value, 1)}});
  }
  json["tried"] = judged.tried;
  json["chance"] = judged.chance;
  json["undecided"] = judged.undecided;
  if (claim.window.from_ns) json["from"] = Rfc3339(*claim.window.from_ns);
  if (claim.window.to_ns) json["to"] = Rfc3339(*claim.window.to_ns);
  if (claim.window.length_ns) json["length_ns"] = *claim.window.length_ns;
  json["file"] = claim.file;
  json["line"] = claim.line;
  json["why"] = judged.why;
  return json;
}

}  // namespace

std::string ProblemText(const std::string& file, int line, const std::string& text) {
  return line > 0 ? fmt::format("{}:{}: {}", file, line, text) : fmt::format("{}: {}", file, text);
}

std::string VerifyText(const ClaimReport& report, const Page& page) {
  std::string text;
  size_t counts[3] = {};
  for (const JudgedClaim& judged : report.claims) {
    AppendClaim(judged, page, text);
    ++counts[static_cast<size_t>(judged.verdict)];
  }
  if (!report.contradictions.empty()) text += "\nThe claims contradict each other:\n";
  for (const Contradiction& contradiction : report.contradictions) {
    text += Paragraph("  ", Printable(contradiction.text), page);
    std::vector<std::string> places;
    for (const size_t at : contradiction.claims) {
      const Claim& claim = report.claims[at].claim;
      const std::string place = fmt::format("{}:{}", claim.file, claim.line);
      if (std::find(places.begin(), places.end(), place) == places.end()) places.push_back(place);
    }
    text += Paragraph("    ", Printable("at " + ListText(places, 6)), page);
  }
  return text + fmt::format("\n{} confirmed, {} refuted, {} inconclusive; {} contradiction{}\n",
                            counts[0], counts[1], counts[2], report.contradictions.size(),
                            report.contradictions.size() == 1 ? "" : "s");
}

Json VerifyJson(const ClaimReport& report, const Window& window,
                const std::vector<ClaimProblem>& problems) {
  Json json = {{"schema", 1}, {"window", WindowJson(window)}};
  json["claims"] = Json::array();
  for (const JudgedClaim& judged : report.claims) json["claims"].push_back(ClaimJson(judged));
  json["contradictions"] = Json::array();
  for (const Contradiction& contradiction : report.contradictions) {
    json["contradictions"].push_back(
        {{"id", contradiction.id}, {"text", contradiction.text}, {"claims", contradiction.claims}});
  }
  json["problems"] = Json::array();
  for (const ClaimProblem& problem : problems) {
    json["problems"].push_back(
        {{"file", problem.file}, {"line", problem.line}, {"text", problem.text}});
  }
  return json;
}

}  // namespace ringside
