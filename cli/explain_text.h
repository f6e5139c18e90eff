// SPDX-License-Identifier: Apache-2.0
// Findings as a story: for a terminal, as Markdown for a ticket, as JSON. Called by `ringside
// explain` and by the summary. Pure: findings in, text out.
#ifndef RINGSIDE_CLI_EXPLAIN_TEXT_H_
#define RINGSIDE_CLI_EXPLAIN_TEXT_H_

#include <string>
#include <vector>

#include "cli/json.h"
#include "cli/table.h"
#include "correlate/finding.h"
#include "correlate/ledger.h"

namespace ringside {

// One finding: title and certainty, then one paragraph for each thing it has to say. `zero_ns` is
// where +3.2s counts from.
std::string FindingText(const Finding& finding, int64_t zero_ns, const Page& page);
std::string FindingMarkdown(const Finding& finding, int64_t zero_ns);

// {"schema":1,"window":{},"findings":[...]}, each as collector/store/finding_json.h describes it
Json ExplainJson(const Window& window, const std::vector<Finding>& findings);

// What became of each finding and of the counts that people compare, queue by queue: `before` and
// `after` are the same queues at other times.
struct Account {
  const Ledger* ledger = nullptr;
  const std::vector<Finding>* findings = nullptr;
};
std::string AgainstText(const Account& before, const Account& after, const Page& page);
Json AgainstJson(const Account& before, const Account& after);

}  // namespace ringside

#endif  // RINGSIDE_CLI_EXPLAIN_TEXT_H_
