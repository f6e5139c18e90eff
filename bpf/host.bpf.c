/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Host side with function hooks: tap queue -> vhost queue -> eventfd -> irqfd -> KVM, in the order
 * of the path. Each stage counts for itself, so that the identities between them mean something. */
#include "common.bpf.h"
#include "compat.bpf.h"
#include "detail.bpf.h"

/* In the order in which they build on each other. */
/* clang-format off */
#include "host_maps.bpf.h"
#include "parts.bpf.h"
#include "merges.h"
#include "pending.bpf.h"
#include "irqfd.bpf.h"
#include "host_join.bpf.h"
#include "host_tun.bpf.h"
#include "host_vhost.bpf.h"
#include "host_kvm.bpf.h"
#include "host_apic.bpf.h"
#include "host_vgic.bpf.h"
#include "host_kprobe.bpf.h"
#include "host_walk.bpf.h"
/* clang-format on */
