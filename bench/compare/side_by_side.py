"""What the comparisons share: the peers' Python, worker processes that take turns, what else the machine was doing, and
what must stand beside every figure."""

import functools
import glob
import json
import os
import platform
import re
import subprocess
import sys
import time
import venv

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
VENV = os.path.join(HERE, ".venv-bench")


class Failed(Exception):
    """A competitor that can't be measured, and why."""


def install():
    """The peers' Python, with all that can be had of requirements.txt."""
    python = os.path.join(VENV, "bin", "python")
    requirements = os.path.join(HERE, "requirements.txt")
    stamp = os.path.join(VENV, "installed")
    with open(requirements) as file:
        wanted = file.read()
    if os.path.exists(stamp) and open(stamp).read() == wanted:
        return python
    print("Installing the peers; this is several GB.", file=sys.stderr)
    if not os.path.exists(python):
        venv.create(VENV, with_pip=True)
    with open(os.path.join(VENV, ".gitignore"), "w") as file:
        file.write("*\n")
    packages = [line for line in wanted.splitlines() if line and not line.startswith("#")]
    missing = [p for p in packages if subprocess.run([python, "-m", "pip", "install", "-q", p]).returncode]
    if missing:
        print("Could not be installed:", *missing, file=sys.stderr)
    else:
        with open(stamp, "w") as file:
            file.write(wanted)
    return python


@functools.cache
def program(name):
    """The newest build of one of Inlay's programs."""
    found = glob.glob(os.path.join(ROOT, "build*", "**", name), recursive=True)
    found = [path for path in found if os.path.isfile(path) and os.access(path, os.X_OK)]
    if not found:
        sys.exit(f"There is no {name} under build*: build it, or name one (--help).")
    return max(found, key=os.path.getmtime)


class Worker:
    """A process that answers a line with a line and waits between its turns. What it says on stderr goes to a file."""

    def __init__(self, name, command, environment, logs):
        self.name = name
        self.log = os.path.join(logs, re.sub("[^a-z0-9]+", "-", name.lower()) + ".log")
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(
                command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
            )
        self.versions = json.loads(self.answer("ready "))

    def answer(self, start):
        for line in self.process.stdout:  # libraries have things to say there too
            if line.startswith(start):
                return line[len(start) :]
        self.process.kill()
        self.process.wait()
        with open(self.log) as log:
            said = [line.strip() for line in log if line.strip()]
        raise Failed(f"{self.name}: {said[-1] if said else 'it ended without a word'}")

    def say(self, line):
        try:
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # `answer` says why

    def processor_seconds(self):
        with open(f"/proc/{self.process.pid}/stat") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")  # user, system, and the children's

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def busy_seconds():
    """Processor time that this machine has spent on anything, all cores together."""
    with open("/proc/stat") as file:
        user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, file.readline().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def round_trip_ns():
    """How long a cache line takes between two cores and back, now (bench/round_trip.cpp); None on a single core."""
    if len(os.sched_getaffinity(0)) < 2:
        return None
    return int(subprocess.run([program("round_trip")], check=True, stdout=subprocess.PIPE, text=True).stdout)


def round_trips(found):
    """The range of them in words, to stand beside the machine."""
    known = [ns for ns in found if ns is not None]
    if not known:
        return ""
    return f"A cache line went from one core to another and back in {min(known)} to {max(known)} ns, as the turns began.\n"


def measured(competitor, turn):
    """What `turn()` returns, the share of the machine's processor time that went to anything else meanwhile, and the
    cores' round trip in ns before."""
    trip = round_trip_ns()
    busy, own, start = busy_seconds(), competitor.processor_seconds(), time.perf_counter()
    result = turn()
    available = (time.perf_counter() - start) * os.cpu_count()
    others = busy_seconds() - busy - (competitor.processor_seconds() - own)
    return result, max(0.0, others) / available, trip


def commit():
    git = ["git", "-C", ROOT]
    head = subprocess.run(git + ["rev-parse", "--short", "HEAD"], stdout=subprocess.PIPE, text=True).stdout.strip()
    changed = subprocess.run(git + ["status", "--porcelain"], stdout=subprocess.PIPE, text=True).stdout.strip()
    return head + (" with changes" if changed else "")


def machine():
    with open("/proc/cpuinfo") as file:
        info = file.read()
    fields = dict(re.findall(r"^(model name|cpu family|model|flags)\s*: (.*)$", info, re.M))
    flags = set(fields["flags"].split())
    vectors = [flag for flag in ("avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile") if flag in flags]
    return {
        "processor": f"{fields['model name']} (family {fields['cpu family']}, model {fields['model']})",
        "cores": len(os.sched_getaffinity(0)),
        "vectors": vectors,
        "system": platform.platform(),
    }


def write(output, text, results, panels):
    """OUTPUT.md, OUTPUT.json and OUTPUT.svg, which shows the panels (see plot.py) and stands in the text."""
    os.makedirs(os.path.dirname(os.path.abspath(output)), exist_ok=True)
    drawn = subprocess.run([install(), os.path.join(HERE, "plot.py"), output + ".svg"], input=json.dumps(panels), text=True)
    if drawn.returncode == 0:
        text += f"\n![the rates as bars]({os.path.basename(output)}.svg)\n"
    with open(output + ".md", "w") as file:
        file.write(text)
    with open(output + ".json", "w") as file:
        json.dump(results, file, indent=1)
        file.write("\n")
    print(text)
