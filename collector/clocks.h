// SPDX-License-Identifier: Apache-2.0
// The collector's own four clocks. Given to the server as a function, so that tests can bring
// theirs.
#ifndef RINGSIDE_COLLECTOR_CLOCKS_H_
#define RINGSIDE_COLLECTOR_CLOCKS_H_

#include "correlate/records.h"

namespace ringside {

// The narrowest of three attempts. Any thread.
ClockReading ReadCollectorClocks();

}  // namespace ringside

#endif  // RINGSIDE_COLLECTOR_CLOCKS_H_
