"""Training rate on the CPU: Inlay beside Keras, PyTorch and JAX, on real Fashion-MNIST and batches of 64.

    bench/compare/run training                          # after building examples and benchmarks
    bench/compare/run training --network resnet20       # Inlay and PyTorch only
    bench/compare/run training --threads 8 --inlay build/examples/fashion_mnist

Writes docs/results/cpu-training.md and cpu-training.json, or cpu-training-resnet20.*.
"""

import argparse
import datetime
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile

from side_by_side import HERE, ROOT, VENV, Worker, commit, install, machine, measured, program
from side_by_side import round_trip_ns, round_trips, write


def stage(pixels, inputs, channels):
    """Multiply-adds of three blocks of ResNet-20."""
    projection = inputs * channels if inputs != channels else 0
    return pixels * (9 * channels * (inputs + 5 * channels) + projection)


# Multiply-adds forward, and of the first layer.
NETWORKS = {
    "seed": (28 * 28 * 9 * (32 + 32 * 64 + 64 * 64) + 12544 * 64 + 640, 28 * 28 * 9 * 32),
    "resnet20": (28 * 28 * 9 * 16 + stage(784, 16, 16) + stage(196, 16, 32) + stage(49, 32, 64) + 640, 28 * 28 * 9 * 16),
}
ABOUT = {
    "seed": "The seed network (README) on Fashion-MNIST, batches of {size}, Adam, accuracy reported;",
    "resnet20": "ResNet-20 (examples/networks.hpp) on Fashion-MNIST, batches of {size}, Nesterov's momentum, weight decay,\n"
    "label smoothing, accuracy reported. Inlay also augments: it shifts and mirrors images, PyTorch does not. Measured:\n",
}


def flop_per_image(network):
    """Backward takes twice as many as forward, less the first layer's data gradient."""
    forward, first = NETWORKS[network]
    return 2 * (3 * forward - first)


WORKERS = {
    "keras": ("Keras fit", "keras_train.py", []),
    "keras-xla": ("Keras fit, XLA", "keras_train.py", ["--compile"]),
    "jax": ("JAX", "jax_train.py", []),
    "pytorch": ("PyTorch", "pytorch_train.py", []),
    "pytorch-compiled": ("PyTorch, torch.compile", "pytorch_train.py", ["--compile"]),
}
# Before they are measured, all train on the same batches from the same weights. The first loss differs by rounding. Adam
# divides each gradient by its size, so that the smallest ones' rounding, and where epsilon is added, decide about whole
# steps: six losses of peers that do the same were within 0.5 %, and one of a rate that is 20 % off was 1.5 % off.
CHECKED_STEPS = 6
LARGEST_DIFFERENCE = 1e-5, 1e-2  # relative: of the first loss, of the others
RATE = "images_per_second: "  # the line that every competitor prints


class Peer(Worker):
    """A worker process that trains."""

    def __init__(self, name, command, environment):
        super().__init__(name, command, environment, VENV)
        self.losses = self.versions.pop("losses")
        self.rates, self.others, self.round_trips = [], [], []

    def turn(self):
        self.say("run")
        return float(self.answer(RATE))


class Inlay:
    """A program started for each turn; it measures its steps alone."""

    def __init__(self, program, arguments, environment):
        self.name, self.versions, self.losses = "Inlay", {"inlay": commit()}, []
        self.rates, self.others, self.round_trips = [], [], []
        self.command = [program, "--batch-size", str(arguments.batch_size)]
        self.command += ["--data", arguments.data] if arguments.data else []
        self.command += ["--benchmark-steps"]
        self.environment, self.steps = environment, 100
        self.steps = max(100, round(self.turn() * arguments.seconds / arguments.batch_size))

    def first_losses(self, weights, arguments):
        """Saves a network's first weights, and takes the losses of its first steps."""
        data = [arguments.data] if arguments.data else []
        command = [program("first_losses"), weights, str(CHECKED_STEPS), str(arguments.batch_size), *data]
        done = subprocess.run(command, env=self.environment, stdout=subprocess.PIPE, text=True, check=True)
        found = json.loads(done.stdout)
        self.losses = found.pop("losses")
        self.versions.update(found, inlay=f"{commit()}, {found['inlay']}")

    def turn(self):
        done = subprocess.run(
            self.command + [str(self.steps)], env=self.environment, stdout=subprocess.PIPE, text=True
        )
        match = re.search(f"^{RATE}([0-9.]+)", done.stdout, re.M)
        if done.returncode != 0 or not match:
            command = " ".join(done.args)
            sys.exit(f"{command} ended with {done.returncode}; expected a line '{RATE}X', got {done.stdout!r}")
        return float(match.group(1))

    def processor_seconds(self):
        times = os.times()
        return times.children_user + times.children_system

    def close(self):
        pass


def check_losses(competitors):
    """Ends the program where a competitor's losses are not the first one's. Says how far they are off, if any are."""
    first, *others = competitors
    worst = [0.0, 0.0]  # of the first loss, of the others
    for other in others:
        for i, (loss, expected) in enumerate(zip(other.losses, first.losses, strict=True)):
            kind = min(i, 1)
            worst[kind] = max(worst[kind], abs(loss / expected - 1))
            if not abs(loss / expected - 1) < LARGEST_DIFFERENCE[kind]:
                sys.exit(f"{other.name} does not train as {first.name} does: losses {other.losses} and {first.losses}")
    if not others or not first.losses:
        return ""
    return (
        f"Before, all took the same {len(first.losses)} steps from the same weights: the first loss agrees to {worst[0]:.1e} "
        f"of it,\nthe others to {worst[1]:.1e}.\n"
    )


def measure(competitor):
    """One turn."""
    rate, others, trip = measured(competitor, competitor.turn)
    competitor.rates.append(rate)
    competitor.others.append(others)
    competitor.round_trips.append(trip)
    print(f"{competitor.name:24} {rate:8.1f} images/s   others {others:.0%}", flush=True)


def report(competitors, agreement, arguments):
    flop = flop_per_image(arguments.network)
    results = {
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": commit(),
        "machine": machine(),
        "python": platform.python_version(),
        "threads": arguments.threads,
        "batch_size": arguments.batch_size,
        "seconds_per_round": arguments.seconds,
        "network": arguments.network,
        "flop_per_image": flop,
        "competitors": {
            c.name: {
                "versions": c.versions,
                "images_per_second": c.rates,
                "median": statistics.median(c.rates),
                "others": c.others,
                "round_trip_ns": c.round_trips,
            }
            for c in competitors
        },
    }
    best_peer = max((statistics.median(c.rates) for c in competitors if c.name != "Inlay"), default=None)
    rows = []
    for c in competitors:
        median = statistics.median(c.rates)
        versions = ", ".join(f"{name} {version}" for name, version in c.versions.items())
        ratio = f"{median / best_peer:.2f}" if best_peer else "-"
        rows.append(
            f"| {c.name} | {versions} | {median:.0f} | {min(c.rates):.0f} to {max(c.rates):.0f} | {ratio} "
            f"| {median * flop / 1e9:.0f} | {max(c.others):.0%} |"
        )
    m = results["machine"]
    disturbed = max(max(c.others) for c in competitors) > 0.05
    warning = "**The machine was not idle: these figures are rough.**\n\n" if disturbed else ""
    text = f"""# Training rate on the CPU

Written by `bench/compare/run training` on {results["date"]}, commit {results["commit"]}.

{warning}{ABOUT[arguments.network].format(size=arguments.batch_size)}
forward, backward and update. {len(competitors[0].rates)} rounds of about {arguments.seconds:g} s, in turns; medians.
{agreement}
Machine: {m["processor"]}, {m["cores"]} cores, {arguments.threads} threads each, {", ".join(m["vectors"])};
{m["system"]}, Python {results["python"]}.
{round_trips(ns for c in competitors for ns in c.round_trips)}
| | version | images/s | rounds | to the fastest peer | GFLOP/s | other load, worst round |
| --- | --- | ---: | ---: | ---: | ---: | ---: |
{chr(10).join(rows)}

GFLOP/s: {flop / 1e6:.1f} MFLOP an image, as direct convolution counts them.
"""
    bars = [[c.name, statistics.median(c.rates), min(c.rates), max(c.rates)] for c in competitors]
    title = f"Training {arguments.network}, batches of {arguments.batch_size}, {arguments.threads} threads"
    write(arguments.output, text, results, [{"title": title, "unit": "images/s", "bars": bars}])


def main(command_line):
    parser = argparse.ArgumentParser(prog="run training", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inlay", help="the example program; found under build* if left out")
    parser.add_argument("--only", default="inlay," + ",".join(WORKERS), help="comma-separated; all if left out")
    parser.add_argument("--data", help="folder of the IDX files, if not Debian's")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=10, help="of one competitor's turn")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--network", default="seed", choices=sorted(NETWORKS))
    parser.add_argument("--output", help="docs/results/cpu-training if left out")
    arguments = parser.parse_args(command_line)
    resnet = arguments.network == "resnet20"
    if not arguments.output:
        arguments.output = os.path.join(ROOT, "docs", "results", "cpu-training" + ("-resnet20" if resnet else ""))

    environment = dict(os.environ, OMP_NUM_THREADS=str(arguments.threads), CUDA_VISIBLE_DEVICES="")
    wanted = arguments.only.split(",")
    unknown = set(wanted) - {"inlay", *WORKERS}
    if unknown:
        parser.error(f"--only has {', '.join(sorted(unknown))}: expected inlay, {', '.join(WORKERS)}")
    round_trip_ns()  # says what has not been built before anything takes its time
    competitors = []
    with tempfile.TemporaryDirectory() as folder:
        checked = []  # what makes a peer take the first steps from Inlay's weights
        if "inlay" in wanted:
            inlay = Inlay(arguments.inlay or program("resnet20" if resnet else "fashion_mnist"), arguments, environment)
            competitors.append(inlay)
            if not resnet:
                weights = os.path.join(folder, "weights.safetensors")
                inlay.first_losses(weights, arguments)
                checked = ["--weights", weights, "--check-steps", str(CHECKED_STEPS)]

        for key, (name, script, extra) in WORKERS.items():
            if key not in wanted or (resnet and not key.startswith("pytorch")):
                continue
            command = [install(), os.path.join(HERE, "peers", script)] + extra + checked
            for option in ("data", "batch_size", "threads", "seconds", "network"):
                if getattr(arguments, option) is not None:
                    command += ["--" + option.replace("_", "-"), str(getattr(arguments, option))]
            competitors.append(Peer(name, command, environment))

    agreement = "" if resnet else check_losses(competitors)
    for _ in range(arguments.rounds):
        for competitor in competitors:
            measure(competitor)
    for competitor in competitors:
        competitor.close()
    report(competitors, agreement, arguments)

