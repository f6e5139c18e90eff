# SPDX-License-Identifier: Apache-2.0
"""An initramfs of busybox, some modules in load order and one init script.

Written in process (cpio "newc"), so that it needs neither root nor cpio and is
rebuilt for every run: no cache to go stale.
"""

import lzma
import os

MODULES_HOST = ["virtio_pci", "9p", "9pnet_virtio", "overlay", "virtio_console"]
MODULES_GUEST = MODULES_HOST + ["virtio_net", "ptp_kvm"]


class _Archive:
    def __init__(self, out):
        self.out = out
        self.inode = 0

    def add(self, name, mode, data=b""):
        self.inode += 1
        path = name.encode() + b"\0"
        header = [self.inode, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(path), 0]
        self.out.write(b"070701" + b"".join(b"%08X" % v for v in header))
        self.out.write(path + b"\0" * (-(110 + len(path)) % 4))
        self.out.write(data + b"\0" * (-len(data) % 4))

    def directory(self, name):
        self.add(name, 0o40755)

    def file(self, name, data, mode=0o644):
        self.add(name, 0o100000 | mode, data)


def module_name(path):
    return os.path.basename(path).split(".ko")[0].replace("-", "_")


def load_order(modules_dir, wanted):
    """Module files so that each comes after what it depends on; built-in ones are left out."""
    depends = {}
    with open(os.path.join(modules_dir, "modules.dep"), encoding="ascii") as f:
        for line in f:
            path, _, rest = line.partition(":")
            depends[path] = rest.split()
    by_name = {module_name(p): p for p in depends}
    order = []
    for name in wanted:
        if name not in by_name:
            continue
        # modules.dep lists the whole closure, the deepest dependency last.
        for path in [*reversed(depends[by_name[name]]), by_name[name]]:
            if path not in order:
                order.append(path)
    return order


def build(kernel, out_path, wanted, init_script, config, programs):
    """config is the text of /lab.conf, which init and everything after it source.

    programs: files that go into /bin; busybox is one of them.
    """
    def read(path):
        with open(path, "rb") as f:
            return f.read()

    with open(out_path, "wb") as out:
        archive = _Archive(out)
        for name in ("bin", "dev", "proc", "sys", "modules", "lower", "upper", "new"):
            archive.directory(name)
        for path in programs:
            archive.file(f"bin/{os.path.basename(path)}", read(path), 0o755)
        archive.file("init", read(init_script), 0o755)
        archive.file("lab.conf", config.encode())
        order = []
        for path in load_order(kernel.modules, wanted):
            data = read(os.path.join(kernel.modules, path))
            if path.endswith(".xz"):
                data = lzma.decompress(data)
            order.append(f"/modules/{module_name(path)}.ko")
            archive.file(order[-1][1:], data)
        archive.file("modules.order", "".join(f"{p}\n" for p in order).encode())
        archive.add("TRAILER!!!", 0)
