# SPDX-License-Identifier: Apache-2.0
# port_device NAME: the device file of a virtio-serial port (no udev makes the links here).
port_device() {
  local file
  for file in /sys/class/virtio-ports/*/name; do
    if [ "$(< "$file")" = "$1" ]; then
      file=${file%/name}
      echo "/dev/${file##*/}"
    fi
  done
}
