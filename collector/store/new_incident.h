// SPDX-License-Identifier: Apache-2.0
// Makes an empty incident file. Used by IncidentWriter only.
#ifndef RINGSIDE_COLLECTOR_STORE_NEW_INCIDENT_H_
#define RINGSIDE_COLLECTOR_STORE_NEW_INCIDENT_H_

#include <string>

#include "absl/status/statusor.h"
#include "collector/store/sqlite.h"

namespace ringside {

// The new file, open for writing; nobody ever sees half of one. ALREADY_EXISTS if there is anything
// at `path`.
absl::StatusOr<Db> CreateIncidentFile(const std::string& path, const std::string& recorder);

}  // namespace ringside

#endif  // RINGSIDE_COLLECTOR_STORE_NEW_INCIDENT_H_
