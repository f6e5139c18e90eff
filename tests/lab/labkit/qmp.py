# SPDX-License-Identifier: Apache-2.0
"""Commands to the guest's QEMU itself, as a management layer gives them."""

import json

_CLIENT = """python3 - <<'END'
import json, socket
s = socket.socket(socket.AF_UNIX)
s.connect("/run/guest.qmp")
f = s.makefile("rw")
f.readline()
answers = []
for command in [{"execute": "qmp_capabilities"}, *json.loads('''COMMANDS''')]:
    f.write(json.dumps(command) + "\\n")
    f.flush()
    answer = {}
    while not {"return", "error"} & set(answer):  # events come in between
        answer = json.loads(f.readline())
    if "error" in answer:
        raise SystemExit(f"{command}: {answer}")
    answers.append(answer["return"])
print(json.dumps(answers[1:]))
END"""


def qmp(machine, *commands):
    """What QEMU answers, one value per command: (name, arguments) or a name alone."""
    named = [{"execute": c} if isinstance(c, str) else {"execute": c[0], "arguments": c[1]}
             for c in commands]
    return json.loads(machine.host.run(_CLIENT.replace("COMMANDS", json.dumps(named))))
