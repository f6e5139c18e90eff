// SPDX-License-Identifier: Apache-2.0
#include "agent/address.h"

#include <arpa/inet.h>

namespace ringside {

bool StaysOnThisMachine(const std::string& address) {
  if (address.rfind("unix:", 0) == 0) return true;
  std::string host = address.substr(0, address.rfind(':'));
  if (host == "localhost") return true;
  if (host == "[::1]") return true;
  // Numeric only: a name could lead anywhere, and "127.evil.example" is a name.
  in_addr numeric{};
  return inet_pton(AF_INET, host.c_str(), &numeric) == 1 && (ntohl(numeric.s_addr) >> 24) == 127;
}

}  // namespace ringside
