// SPDX-License-Identifier: Apache-2.0
// Whether what is sent to an address can leave this machine.
#ifndef RINGSIDE_AGENT_ADDRESS_H_
#define RINGSIDE_AGENT_ADDRESS_H_

#include <string>

namespace ringside {

// True for "unix:..." and for a loopback name or address ("localhost:1", "127.0.0.1:1", "[::1]:1").
bool StaysOnThisMachine(const std::string& address);

}  // namespace ringside

#endif  // RINGSIDE_AGENT_ADDRESS_H_
