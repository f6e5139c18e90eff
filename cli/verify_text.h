// SPDX-License-Identifier: Apache-2.0
// What `ringside verify` shows, as text and as its JSON object. Pure.
#ifndef RINGSIDE_CLI_VERIFY_TEXT_H_
#define RINGSIDE_CLI_VERIFY_TEXT_H_

#include <string>
#include <vector>

#include "cli/claims/claim_file.h"
#include "cli/json.h"
#include "cli/table.h"
#include "correlate/claims.h"

namespace ringside {

// One claim after the other with what speaks for or against it, then the contradictions, then a
// line that counts the verdicts.
std::string VerifyText(const ClaimReport& report, const Page& page);

// {"schema":1,"window":{},"claims":[],"contradictions":[],"problems":[]} (cli/README.md).
Json VerifyJson(const ClaimReport& report, const Window& window,
                const std::vector<ClaimProblem>& problems);

// "claims.json:12: unknown queue": as compilers say it. The line is left out where it is 0.
std::string ProblemText(const std::string& file, int line, const std::string& text);

}  // namespace ringside

#endif  // RINGSIDE_CLI_VERIFY_TEXT_H_
