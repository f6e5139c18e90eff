#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs in the host VM when the guest VM is silent: what its QEMU's threads and its vCPUs do.

Two readings, 2 s apart: does a vCPU move, is it given time, does an interrupt wait for it?
"""

import os
import socket
import time

MONITOR = "/run/guest.monitor"
QUESTIONS = ["info status", "info registers -a", "info lapic 0", "info lapic 1"]
PROMPT = b"(qemu) "
ANSWER_S = 5


def threads():
    with open("/run/guest.pid", encoding="ascii") as f:
        folder = f"/proc/{f.read().strip()}/task"
    for thread in sorted(os.listdir(folder), key=int):
        with open(f"{folder}/{thread}/stat", encoding="ascii") as f:
            name, rest = f.read().split("(", 1)[1].rsplit(")", 1)
        state, user, system = (rest.split()[i] for i in (0, 11, 12))
        print(f"thread {thread} {name}: {state} user={user} system={system}")


def ask(monitor, question):
    monitor.sendall(question.encode() + b"\n")
    answer = b""
    while not answer.endswith(PROMPT):
        answer += monitor.recv(65536) or PROMPT
    return answer.decode(errors="replace").partition("\n")[2]  # without the echo


def vcpus():
    monitor = socket.socket(socket.AF_UNIX)
    monitor.settimeout(ANSWER_S)
    try:
        monitor.connect(MONITOR)
        ask(monitor, "")
        for question in QUESTIONS:
            print(ask(monitor, question))
    except OSError as error:
        print(f"monitor: {error}")


for _ in range(2):
    print(f"== {time.monotonic():.2f}")
    threads()
    vcpus()
    time.sleep(2)
