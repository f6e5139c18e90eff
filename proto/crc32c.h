// SPDX-License-Identifier: Apache-2.0
// CRC-32C (Castagnoli), as in iSCSI and RFC 3720. Pure, any thread.
#ifndef RINGSIDE_PROTO_CRC32C_H_
#define RINGSIDE_PROTO_CRC32C_H_

#include <cstdint>
#include <string_view>

namespace ringside {

uint32_t Crc32c(std::string_view data);

}  // namespace ringside

#endif  // RINGSIDE_PROTO_CRC32C_H_
