// SPDX-License-Identifier: Apache-2.0
// The ledger as text: per queue its binding, its cut, every count and every identity. Called by
// `ringside ledger`. Pure.
#ifndef RINGSIDE_CLI_LEDGER_TEXT_H_
#define RINGSIDE_CLI_LEDGER_TEXT_H_

#include <string>

#include "cli/table.h"
#include "correlate/ledger.h"

namespace ringside {

std::string LedgerText(const Ledger& ledger, const Page& page);

}  // namespace ringside

#endif  // RINGSIDE_CLI_LEDGER_TEXT_H_
