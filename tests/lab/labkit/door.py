# SPDX-License-Identifier: Apache-2.0
"""A door into the running lab for tests/lab/enter: a UNIX socket in front of the VMs' channels.

One JSON line in ({"side", "script", "timeout_s"}), one out ({"code", "output"} or {"error"}),
then the end.
"""

import json
import os
import socket
import threading

from .errors import LabError


class _Path:
    """A socket's path through an open directory: such paths hold about 100 characters at most."""

    def __init__(self, path):
        self._fd = os.open(os.path.dirname(path), os.O_PATH | os.O_DIRECTORY)
        self.short = f"/proc/self/fd/{self._fd}/{os.path.basename(path)}"

    def __enter__(self):
        return self.short

    def __exit__(self, *_):
        os.close(self._fd)


class Door:
    """Serves until close(), in its own threads; a visitor's failure is told to the visitor only."""

    def __init__(self, path, machine):
        self._machine = machine
        self._path = path
        self._socket = socket.socket(socket.AF_UNIX)
        with _Path(path) as short:
            if os.path.lexists(short):
                os.unlink(short)  # left by a run that was killed; the lab's lock is ours
            self._socket.bind(short)
        os.chmod(path, 0o600)
        self._socket.listen(8)
        threading.Thread(target=self._accept, name="door", daemon=True).start()

    def _accept(self):
        while True:
            try:
                visitor, _ = self._socket.accept()
            except OSError:
                return  # closed
            threading.Thread(target=self._serve, args=(visitor,), daemon=True).start()

    def _serve(self, visitor):
        with visitor, visitor.makefile("rw") as stream:
            try:
                request = json.loads(stream.readline())
                sides = {"host": self._machine.host, "guest": self._machine.guest}
                channel = sides[request["side"]]
                result = channel.run_raw(request["script"], request.get("timeout_s", 60))
                answer = {"code": result.code, "output": result.output}
            except (LabError, ValueError, KeyError) as error:
                answer = {"error": str(error)}
            stream.write(json.dumps(answer) + "\n")
            stream.flush()

    def close(self):
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._socket.close()
        if os.path.lexists(self._path):
            os.unlink(self._path)


def knock(path, side, script, timeout_s):
    """(exit code, output) of a script run in one of the VMs of the lab behind this door."""
    with socket.socket(socket.AF_UNIX) as door, _Path(path) as short:
        door.connect(short)
        with door.makefile("rw") as stream:
            request = {"side": side, "script": script, "timeout_s": timeout_s}
            stream.write(json.dumps(request) + "\n")
            stream.flush()
            answer = json.loads(stream.readline() or '{"error": "the lab went away"}')
    if "error" in answer:
        raise LabError(answer["error"])
    return answer["code"], answer["output"]
