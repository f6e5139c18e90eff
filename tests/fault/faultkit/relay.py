# SPDX-License-Identifier: Apache-2.0
"""A unix socket in front of another: carries bytes, until it is told to cut or to wait."""
import os
import selectors
import socket
import threading
import time

# What it may hold of each direction while the other end does not read.
HELD_BYTES_MAX = 1 << 20


class Relay:
    def __init__(self, path, target, bytes_per_s=None):
        self.path = path
        self.bytes_per_s = bytes_per_s  # of both directions together; None: as fast as it can
        self._credit_at = time.monotonic()
        self._target = target
        self._lock = threading.Lock()
        self._selector = selectors.DefaultSelector()
        self._peers = {}  # socket -> the other one
        self._out = {}  # socket -> bytes to be written to it
        self._held = False
        self._cut = False
        self._stop = False
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(path)
        self._listener.listen(64)
        self._listener.setblocking(False)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def cut(self):
        with self._lock:
            self._cut = True

    def hold(self):
        self._held = True

    def go_on(self):
        self._held = False

    def close(self):
        self._stop = True
        self._thread.join()
        self._listener.close()
        os.unlink(self.path)

    def _run(self):
        self._selector.register(self._listener, selectors.EVENT_READ)
        while not self._stop:
            with self._lock:
                cut, self._cut = self._cut, False
            if cut:
                for end in list(self._peers):
                    self._drop(end)
            if self._held or time.monotonic() < self._credit_at:
                time.sleep(0.01)
                continue
            for key, events in self._selector.select(0.01):
                if key.fileobj is self._listener:
                    self._accept()
                elif key.fileobj in self._peers:
                    self._move(key.fileobj, events)
        for end in list(self._peers):
            self._drop(end)

    def _accept(self):
        near, _ = self._listener.accept()
        far = socket.socket(socket.AF_UNIX)
        try:
            far.connect(self._target)
        except OSError:
            near.close()
            far.close()
            return
        for end, other in ((near, far), (far, near)):
            end.setblocking(False)
            self._peers[end] = other
            self._out[end] = b""
            self._selector.register(end, selectors.EVENT_READ)

    def _move(self, end, events):
        other = self._peers[end]
        try:
            if events & selectors.EVENT_READ:
                data = end.recv(1 << 16)
                if not data:
                    # What came before the end is still carried.
                    self._flush(other)
                    self._drop(end)
                    return
                self._out[other] += data
            if self.bytes_per_s:
                now = max(self._credit_at, time.monotonic() - 0.05)
                self._credit_at = now + len(data) / self.bytes_per_s
            for side in (end, other):
                self._flush(side)
        except OSError:
            self._drop(end)
            return
        for side in (end, other):
            self._watch(side)

    def _flush(self, end):
        while self._out[end]:
            try:
                sent = end.send(self._out[end])
            except BlockingIOError:
                return
            self._out[end] = self._out[end][sent:]

    def _watch(self, end):
        wanted = selectors.EVENT_WRITE if self._out[end] else 0
        if len(self._out[self._peers[end]]) < HELD_BYTES_MAX:
            wanted |= selectors.EVENT_READ
        if wanted:
            try:
                self._selector.modify(end, wanted)
            except KeyError:
                self._selector.register(end, wanted)
        elif end in self._selector.get_map():
            self._selector.unregister(end)

    def _drop(self, end):
        other = self._peers.pop(end, None)
        if other is None:
            return
        self._peers.pop(other, None)
        for side in (end, other):
            self._out.pop(side, None)
            if side in self._selector.get_map():
                self._selector.unregister(side)
            side.close()
