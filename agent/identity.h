// SPDX-License-Identifier: Apache-2.0
// Who this node is: machine, boot, this agent's life, kernel, and what it can be watched as.
#ifndef RINGSIDE_AGENT_IDENTITY_H_
#define RINGSIDE_AGENT_IDENTITY_H_

#include <string>

#include "correlate/records.h"

namespace ringside {

// Everything of a Hello but roles, hooks and clock. `name` empty: the host name.
Hello MakeHello(const std::string& name);

// RoleBits: guest if it has virtio devices, host if its kernel has KVM or vhost.
uint32_t GuessRoles();

}  // namespace ringside

#endif  // RINGSIDE_AGENT_IDENTITY_H_
