// SPDX-License-Identifier: Apache-2.0
// The report of an incident as text and as JSON rows: who was there, one line per queue, what is
// wrong. Called by `ringside INCIDENT` and `ringside report`. Pure: a ledger in, text out.
#ifndef RINGSIDE_CLI_REPORT_TEXT_H_
#define RINGSIDE_CLI_REPORT_TEXT_H_

#include <string>

#include "cli/json.h"
#include "cli/table.h"
#include "correlate/ledger.h"

namespace ringside {

// File, window, nodes with kernel and rung, clock bound, lost: as many lines as the page needs.
std::string HeadlineText(const std::string& path, const Ledger& ledger, const Page& page);

// One line per queue, host to guest from left to right. Where the page is too narrow, what was
// observed on no queue goes first, then in this order: finding, polls, woken, handled, suppressed,
// offered, merged, dropped, signalled.
std::string ReportTableText(const Ledger& ledger, const Page& page);

// "warning: ..." for each; empty without any.
std::string WarningsText(const Ledger& ledger, const Page& page);

// What is violated and what stayed open, worst first, and what to type next.
std::string VerdictText(const std::string& path, const Ledger& ledger, const Page& page);

// {"queue","host_queue","verdict","finding","counts":{name:{"lo","hi","hook"}}} per queue.
Json ReportRows(const Ledger& ledger);

// "suppressed 32; in flight 0-2"; empty without residuals.
std::string ResidualsText(const Identity& identity);

Style VerdictStyle(Verdict verdict);

// Whether queues of more than one host are in it, so that names must say which.
bool HasOneHost(const Ledger& ledger);

}  // namespace ringside

#endif  // RINGSIDE_CLI_REPORT_TEXT_H_
