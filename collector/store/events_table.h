// SPDX-License-Identifier: Apache-2.0
// The `events` table of an incident: detail events live in compressed chunks, and this virtual
// table unpacks them while a query runs.
//
//   events(node, queue, kind, t, mono_ns, cpu, position, number, value, rate)
//
// `queue` is device/queue, `t` is in ns since 1970 by the node's own clocks. Ranges of t, mono_ns,
// position and number, and equality on node, queue and kind, keep chunks from being unpacked at
// all. ORDER BY t or mono_ns, up or down, comes from the table itself, so that a LIMIT ends it.
// Called by IncidentDb, which registers it on its own connection, and by tests.
#ifndef RINGSIDE_COLLECTOR_STORE_EVENTS_TABLE_H_
#define RINGSIDE_COLLECTOR_STORE_EVENTS_TABLE_H_

#include "absl/status/status.h"

struct sqlite3;

namespace ringside {

// Makes `events` usable in queries on this connection, without changing the file. The connection
// must be one of an incident; used by its thread only.
absl::Status RegisterEventsTable(sqlite3* db);

}  // namespace ringside

#endif  // RINGSIDE_COLLECTOR_STORE_EVENTS_TABLE_H_
