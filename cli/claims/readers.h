// SPDX-License-Identifier: Apache-2.0
// The readers, one per format. `Looks...` decides by content, cheaply; `Read...` reads what it says
// it is. Pure; any thread.
#ifndef RINGSIDE_CLI_CLAIMS_READERS_H_
#define RINGSIDE_CLI_CLAIMS_READERS_H_

#include "cli/claims/claim_file.h"
#include "cli/claims/reader.h"

namespace ringside {

// ringside's own claims (schema in cli/README.md).
bool LooksLikeClaimJson(const ClaimText& text);
ClaimFile ReadClaimJson(const ClaimText& text);

}  // namespace ringside

#endif  // RINGSIDE_CLI_CLAIMS_READERS_H_
