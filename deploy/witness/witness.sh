#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What a Linux guest can say of its virtio queues where nothing can be installed: text, for
#   ringside import FILE --node NAME -o OUT.rsi
# Two readings, some seconds apart. Only reads; any POSIX shell (busybox too), any user: root adds
# the VM's UUID, the kernel's log and the PCI capability. Starts few programs on purpose: the guest
# may be sick.
#   sh witness.sh [SECONDS] > witness.txt      SECONDS between the readings, 5 if not given
LC_ALL=C
export LC_ALL
seconds=${1:-5}
case $seconds in
  '' | *[!0-9]*) echo "usage: witness.sh [SECONDS]" >&2; exit 2 ;;
esac

# First line of a file, without a program; nothing where it cannot be read.
first_line() {
  [ -r "$1" ] && { IFS= read -r first < "$1" || [ -n "$first" ]; } 2> /dev/null && echo "$first"
}

# key KEY FILE: "KEY first line", if there is one.
key() {
  value=$(first_line "$2") && [ -n "$value" ] && echo "$1 $value"
  return 0
}

show_file() {
  [ -r "$1" ] || return 0
  echo "### file $1"
  while IFS= read -r line || [ -n "$line" ]; do echo "$line"; done < "$1"
}

show_command() {
  command -v "$1" > /dev/null 2>&1 || return 0
  echo "### command $*"
  "$@" 2> /dev/null
}

# REALTIME in seconds, as finely as this system says it.
now() {
  case $clock in
    date) date +%s.%N ;;
    adjtimex)
      adjtimex | while read -r word value _; do
        case $word in
          time.tv_sec:) second=$value ;;
          time.tv_usec:) printf '%s.%06d\n' "$second" "$value" ;;
        esac
      done ;;
    *) date +%s ;;
  esac
}

choose_clock() {
  clock=seconds
  case $(date +%N 2> /dev/null) in
    '' | *[!0-9]*) [ -n "$(clock=adjtimex; now 2> /dev/null)" ] && clock=adjtimex ;;
    *) clock=date ;;
  esac
}

# REALTIME before, seconds since boot, REALTIME after.
show_clock() {
  before=$(now)
  read -r uptime _ < /proc/uptime
  echo "### clock $before $uptime $(now)"
}

show_about() {
  echo "### about"
  echo "system Linux"
  key name /proc/sys/kernel/hostname
  key kernel /proc/sys/kernel/osrelease
  echo "arch $(uname -m)"
  key machine /etc/machine-id
  key boot /proc/sys/kernel/random/boot_id
  key uuid /sys/class/dmi/id/product_uuid
}

show_devices() {
  for path in /sys/bus/virtio/devices/virtio*; do
    [ -d "$path" ] || continue
    for net in "$path"/net/* ''; do
      [ -d "$net" ] && break
    done
    echo "### device ${path##*/} ${net##*/}"
    key features "$path/features"
    key status "$path/status"
    if [ -n "$net" ]; then
      for file in address operstate carrier mtu tx_queue_len threaded napi_defer_hard_irqs \
                  gro_flush_timeout; do
        key "$file" "$net/$file"
      done
    fi
  done
  for path in /sys/class/net/*; do
    [ -d "$path/device/driver" ] || continue
    show_command ethtool -i "${path##*/}"
    show_command ethtool -l "${path##*/}"
    show_command ethtool -k "${path##*/}"
  done
}

# Numbers of the interrupts of virtio queues.
find_irqs() {
  irqs=
  while read -r number rest; do
    case $rest in
      *virtio*) irqs="$irqs ${number%:}" ;;
    esac
  done < /proc/interrupts
}

show_irqs() {
  for irq in $irqs; do
    echo "### irq $irq"
    key hwirq "/sys/kernel/irq/$irq/hwirq"
    key chip "/sys/kernel/irq/$irq/chip_name"
    key affinity "/proc/irq/$irq/smp_affinity_list"
    key effective_affinity "/proc/irq/$irq/effective_affinity_list"
    if [ -r "/proc/irq/$irq/spurious" ]; then
      while IFS= read -r line; do echo "$line"; done < "/proc/irq/$irq/spurious"
    fi
  done
}

# Kernel threads that poll queues: state, time run and time waited for a CPU (ns), name.
show_tasks() {
  echo "### tasks"
  for path in /proc/[0-9]*; do
    read -r name 2> /dev/null < "$path/comm" || continue
    case $name in
      napi/* | ksoftirqd/*) ;;
      *) continue ;;
    esac
    IFS= read -r stat 2> /dev/null < "$path/stat" || continue
    stat=${stat##*) }
    read -r run delay _ 2> /dev/null < "$path/schedstat" || continue
    echo "${path##*/} ${stat%% *} $run $delay $name"
  done
}

show_reading() {
  echo "### reading $1"
  show_clock
  show_file /proc/interrupts
  show_file /proc/net/softnet_stat
  show_irqs
  show_tasks
  for path in /sys/class/net/*; do
    [ -d "$path/device/driver" ] && show_command ethtool -S "${path##*/}"
  done
  show_clock
}

show_settings() {
  for name in busy_poll busy_read netdev_budget netdev_budget_usecs dev_weight; do
    show_file "/proc/sys/net/core/$name"
  done
  show_file /sys/module/spurious/parameters/noirqdebug
  show_command adjtimex
}

show_log() {
  echo "### log"
  dmesg 2> /dev/null | grep -i -E 'irq|nobody cared|virtio|hung|stall|lockup' | tail -n 60
}

echo "ringside-witness 1"
choose_clock
show_about
show_devices
show_settings
find_irqs
show_reading 1
sleep "$seconds"
show_reading 2
show_log
echo "### end"
