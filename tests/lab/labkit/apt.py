# SPDX-License-Identifier: Apache-2.0
"""Packages of the machine's own suite or of another one, without changing the machine.

Another suite gets an apt root of its own: a folder with its own sources, lists and package state.
The addresses of the mirrors are those of the machine's apt configuration, read at run time.
"""

import os
import re
import shutil
import subprocess

from .errors import LabError

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
UPDATE_S = 300


def run(argv, env=None, **kwargs):
    """Standard output of a program; LabError with its own words if it fails."""
    done = subprocess.run(argv, capture_output=True, text=True, check=False,
                          env=dict(os.environ, **(env or {})), **kwargs)
    if done.returncode != 0:
        raise LabError(f"{' '.join(argv)}: {done.stderr.strip() or done.returncode}")
    return done.stdout


class Apt:
    """What one apt configuration offers. env: how its programs are told of it."""

    def __init__(self, env=None):
        self.env = env or {}

    def fields(self, package):
        """The candidate's control fields, or None if apt knows no such package."""
        done = subprocess.run(["apt-cache", "show", "--no-all-versions", package],
                              capture_output=True, text=True, check=False,
                              env=dict(os.environ, **self.env))
        if done.returncode != 0:
            return None
        pairs = re.findall(r"^([A-Z][\w-]*): (.*)$", done.stdout, re.MULTILINE)
        return dict(reversed(pairs)) or None

    def names(self, prefix):
        return run(["apt-cache", "pkgnames", prefix], self.env).split()

    def download(self, package, version, folder):
        """The .deb's path in folder."""
        before = set(os.listdir(folder))
        run(["apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", f"{package}={version}"],
            self.env, cwd=folder)
        new = [n for n in os.listdir(folder) if n.endswith(".deb") and n not in before]
        if len(new) != 1:
            raise LabError(f"{package} {version}: {len(new)} files downloaded")
        return os.path.join(folder, new[0])

    def names_like(self, pattern):
        """Packages whose whole name a regular expression finds: names that carry a version."""
        prefix = re.match(r"[a-z0-9+.-]*[a-z0-9-]", pattern)[0]
        return sorted(n for n in self.names(prefix) if re.fullmatch(pattern, n))


def unpack_lacking(packages, folder):
    """Unpacks packages that this machine lacks, and what they need, into folder; installs nothing.

    Does nothing where folder already holds them.
    """
    want, record = " ".join(packages), f"{folder}.packages"
    if os.path.exists(record):
        with open(record, encoding="utf-8") as f:
            if f.read() == want:
                return
    cache = f"{folder}.apt"
    for path in (folder, cache):
        shutil.rmtree(path, ignore_errors=True)
    os.makedirs(os.path.join(cache, "archives", "partial"))
    os.makedirs(folder)
    run(["apt-get", "-q", "-y", "--no-install-recommends", "--download-only",
         "-o", f"Dir::Cache={cache}", "-o", "Debug::NoLocking=1", "-o", "APT::Sandbox::User=root",
         "install", *packages])
    for name in sorted(os.listdir(os.path.join(cache, "archives"))):
        if name.endswith(".deb"):
            run(["dpkg", "-x", os.path.join(cache, "archives", name), folder])
    shutil.rmtree(cache)
    with open(record, "w", encoding="utf-8") as f:
        f.write(want)


def _archives():
    """Rows of address, suite and component, as this machine's apt knows them."""
    text = run(["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)",
                "Created-By: Packages"])
    return [line.split() for line in text.splitlines()]


def own_suite():
    suites = [suite for _, suite, component in _archives() if component == "main"]
    return next(suite for suite in suites if "-" not in suite)


def mirrors():
    """(archive, security archive or None) of this machine's own suite."""
    rows = _archives()
    plain = [uri for uri, suite, component in rows if component == "main" and "-" not in suite]
    security = [uri for uri, suite, component in rows
                if component == "main" and suite.endswith("-security")]
    if not plain:
        raise LabError("apt knows no archive with a component 'main'")
    return plain[0], security[0] if security else None


def other_suite(work_dir, suite, architecture, updates=True):
    """An Apt for another suite and architecture; its lists are fetched once.

    updates: with the suite's security updates.
    """
    root = os.path.join(work_dir, f"apt-{suite}-{architecture}{'' if updates else '-plain'}")
    apt = Apt({"APT_CONFIG": os.path.join(root, "apt.conf")})
    if os.path.exists(os.path.join(root, ".complete")):
        return apt
    for sub in ("lists/partial", "cache/archives/partial"):
        os.makedirs(os.path.join(root, sub), exist_ok=True)
    archive, security = mirrors()
    lines = [f"deb [signed-by={KEYRING}] {archive} {suite} main\n"]
    if security and updates:
        lines.append(f"deb [signed-by={KEYRING}] {security} {suite}-security main\n")
    files = {"status": "", "sources.list": "".join(lines), "apt.conf": _configuration(root,
                                                                                architecture)}
    for name, text in files.items():
        with open(os.path.join(root, name), "w", encoding="utf-8") as f:
            f.write(text)
    run(["apt-get", "-q", "update"], apt.env, timeout=UPDATE_S)
    with open(os.path.join(root, ".complete"), "w", encoding="ascii"):
        pass
    return apt


def _configuration(root, architecture):
    settings = {
        "Dir::State": root, "Dir::State::status": f"{root}/status",
        "Dir::State::lists": f"{root}/lists", "Dir::Cache": f"{root}/cache",
        "Dir::Etc::sourcelist": f"{root}/sources.list", "Dir::Etc::sourceparts": "/dev/null",
        "Dir::Etc::preferences": "/dev/null", "Dir::Etc::preferencesparts": "/dev/null",
        "APT::Architecture": architecture, "APT::Sandbox::User": "root",
        "Acquire::Languages": "none",
        "Acquire::Check-Valid-Until": "false",  # of a suite that gets no more updates
    }
    lines = [f'{key} "{value}";\n' for key, value in settings.items()]
    return "".join([*lines, f'APT::Architectures {{ "{architecture}"; }};\n'])
