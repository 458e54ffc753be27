"""Inference on the CPU: Inlay beside ONNX Runtime, OpenVINO, ncnn, MNN, LiteRT and PyTorch, on the seed network.

    bench/compare/run inference                        # after building examples and benchmarks
    bench/compare/run inference --only inlay,ncnn --threads 1 --rounds 3

All have the same weights, which Inlay's example trains for an epoch, and predict the same test images of Fashion-MNIST;
first their logits must agree. Batches of 1 (latency), 64 and 256, on 1 and 2 threads. Peers are fed floats that are scaled
already; Inlay takes bytes and scales them itself. Peers are driven from Python, which costs some microseconds a call.
Writes docs/results/cpu-inference.md and cpu-inference.json.
"""

import argparse
import array
import datetime
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile

from side_by_side import HERE, ROOT, Failed, Worker, commit, install, machine, measured, program
from side_by_side import round_trip_ns, round_trips, write

WORKERS = {
    "onnxruntime": ("ONNX Runtime", "onnxruntime_predict.py", []),
    "openvino": ("OpenVINO", "openvino_predict.py", []),
    "ncnn": ("ncnn", "ncnn_predict.py", []),
    "ncnn-half": ("ncnn, its default (fp16 storage)", "ncnn_predict.py", ["--half"]),
    "mnn": ("MNN", "mnn_predict.py", []),
    "litert": ("LiteRT (XNNPACK)", "litert_predict.py", []),
    "pytorch": ("PyTorch", "pytorch_predict.py", []),
    "pytorch-compiled": ("PyTorch, torch.compile", "pytorch_predict.py", ["--compile"]),
}
BATCH_SIZES = (1, 64, 256)
# Largest difference of a logit, over the largest logit. Winograd's transforms lose about 2 of fp32's 7 digits; reduced
# precision loses 4 or 5, which is allowed only where the competitor's name says so.
AGREEMENT, HALF_AGREEMENT = 1e-4, 2**-8


class Competitor:
    """One framework on some threads: a worker, or several with a thread each that share the images of every turn."""

    def __init__(self, name, threads, processes, command, logs):
        self.name, self.threads, self.processes = name, threads, processes
        self.agreement = HALF_AGREEMENT if command[-1] in ("--half", "--bf16") else AGREEMENT
        self.turns = {}  # batch size: what each turn measured
        environment = dict(os.environ, CUDA_VISIBLE_DEVICES="", OMP_NUM_THREADS=str(threads))
        title = f"{name} {threads} threads {processes} processes"
        self.workers = [Worker(f"{title} {i}", command, environment, logs) for i in range(processes)]
        self.versions = self.workers[0].versions
        self.difference = 0.0

    def logits(self, batch_size, folder):
        """Of the test images, of every worker in turn."""
        for worker in self.workers:
            path = os.path.join(folder, "logits")
            worker.say(f"check {batch_size} {path}")
            worker.answer("checked")
            values = array.array("f")
            with open(path, "rb") as file:
                values.frombytes(file.read())
            yield values

    def check(self, expected, folder):
        largest = max(map(abs, expected))
        for batch_size in BATCH_SIZES:
            for logits in self.logits(batch_size, folder):
                pairs = zip(logits, expected, strict=True)
                self.difference = max(self.difference, max(abs(a - b) for a, b in pairs) / largest)
        if not self.difference <= self.agreement:
            raise Failed(f"{self.label()}: its logits differ by {self.difference:.1e} of the largest")

    def turn(self, batch_size, seconds):
        def together():
            for worker in self.workers:
                worker.say(f"run {batch_size} {seconds}")
            return [json.loads(worker.answer("run ")) for worker in self.workers]

        parts, others, trip = measured(self, together)
        self.turns.setdefault(batch_size, []).append(
            {
                "images_per_second": sum(part["images_per_second"] for part in parts),
                "p50_ms": max(part["p50_ms"] for part in parts),
                "p99_ms": max(part["p99_ms"] for part in parts),
                "others": others,
                "round_trip_ns": trip,
            }
        )
        last = self.turns[batch_size][-1]
        print(
            f"batch {batch_size:3}  {self.label():34} {last['images_per_second']:8.0f} images/s"
            f"  p50 {last['p50_ms']:8.3f} ms  p99 {last['p99_ms']:8.3f} ms  others {others:.0%}",
            flush=True,
        )

    def label(self):
        """ "ncnn, 2 threads" """
        if self.processes > 1:
            return f"{self.name}, {self.processes} processes"
        return f"{self.name}, {self.threads} thread" + ("s" if self.threads > 1 else "")

    def median(self, batch_size, what):
        return statistics.median(turn[what] for turn in self.turns[batch_size])

    def bar(self, batch_size):
        rates = [turn["images_per_second"] for turn in self.turns[batch_size]]
        return [self.label(), statistics.median(rates), min(rates), max(rates)]

    def processor_seconds(self):
        return sum(worker.processor_seconds() for worker in self.workers)

    def close(self):
        for worker in self.workers:
            worker.close()


def table(competitors, batch_size):
    """Rates and latencies at one batch size; ratios are to Inlay on as many cores."""
    rows = []
    for c in (c for c in competitors if batch_size in c.turns):
        cores = c.threads * c.processes
        rate, p50, p99 = (c.median(batch_size, what) for what in ("images_per_second", "p50_ms", "p99_ms"))
        ours = [o for o in competitors if o.name == "Inlay" and o.threads == cores]
        ratio = f"{ours[0].median(batch_size, 'images_per_second') / rate:.2f}" if ours else "-"
        rates = [turn["images_per_second"] for turn in c.turns[batch_size]]
        others = max(turn["others"] for turn in c.turns[batch_size])
        rows.append(
            f"| {c.label()} | {rate:.0f} | {min(rates):.0f} to {max(rates):.0f} | {ratio} | {p50:.3f} | {p99:.3f} "
            f"| {others:.0%} |"
        )
    heading = f"Batches of {batch_size}" if batch_size > 1 else "One image at a time"
    return f"""## {heading}

| | images/s | rounds | Inlay's rate to this | p50 of a call, ms | p99, ms | other load, worst round |
| --- | ---: | ---: | ---: | ---: | ---: | ---: |
{chr(10).join(rows)}
"""


def report(competitors, failures, arguments):
    m = machine()
    results = {
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": commit(),
        "machine": m,
        "python": platform.python_version(),
        "seconds_per_round": arguments.seconds,
        "failures": failures,
        "competitors": [
            {
                "name": c.name,
                "threads": c.threads,
                "processes": c.processes,
                "versions": c.versions,
                "difference": c.difference,
                "turns": c.turns,
            }
            for c in competitors
        ],
    }
    versions = {}
    for c in competitors:
        versions.setdefault(c.name, ", ".join(f"{name} {version}" for name, version in c.versions.items()))
    turns = [turn for c in competitors for of_size in c.turns.values() for turn in of_size]
    worst = max(turn["others"] for turn in turns)
    warning = "**The machine was not idle: these figures are rough.**\n\n" if worst > 0.05 else ""
    left_out = "".join(f"\nNot measured: {failure}\n" for failure in failures)
    text = f"""# Inference on the CPU

Written by `bench/compare/run inference` on {results["date"]}, commit {results["commit"]}.

{warning}The seed network (README) with the same weights in all, on test images of Fashion-MNIST, fp32. {arguments.rounds}
rounds of {arguments.seconds:g} s, in turns; medians of the rounds, p50 and p99 being those of single calls within a round.
Logits agree to {max(c.difference for c in competitors if c.agreement == AGREEMENT):.1e} of the largest (where the name says
16 bits, to {max((c.difference for c in competitors if c.agreement > AGREEMENT), default=0):.1e}). Peers get floats that are scaled already and
are called from Python; Inlay gets bytes. ncnn takes one image at a time, whatever the batch.

Machine: {m["processor"]}, {m["cores"]} cores, {", ".join(m["vectors"])}; {m["system"]}, Python {results["python"]}.
{round_trips(turn["round_trip_ns"] for turn in turns)}{"; ".join(f"{name}: {version}" for name, version in versions.items())}.
{left_out}
{chr(10).join(table(competitors, size) for size in BATCH_SIZES)}"""
    panels = [
        {
            "title": f"Batches of {size}" if size > 1 else "One image at a time",
            "unit": "images/s",
            "bars": [c.bar(size) for c in competitors if size in c.turns],
        }
        for size in BATCH_SIZES
    ]
    write(arguments.output, text, results, panels)


def main(command_line):
    parser = argparse.ArgumentParser(
        prog="run inference", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--inlay", help="the program bench/predict; found under build* if left out")
    parser.add_argument("--weights", help="a .safetensors file of the example; trained for an epoch if left out")
    parser.add_argument("--only", default="inlay," + ",".join(WORKERS), help="comma-separated; all if left out")
    parser.add_argument("--data", help="folder of the IDX files, if not Debian's")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1, help="of one competitor's turn at one batch size")
    parser.add_argument("--threads", default="1,2", help="comma-separated")
    parser.add_argument("--output", default=os.path.join(ROOT, "docs", "results", "cpu-inference"))
    arguments = parser.parse_args(command_line)
    wanted = arguments.only.split(",")
    if unknown := set(wanted) - {"inlay", *WORKERS}:
        parser.error(f"--only has {', '.join(sorted(unknown))}: expected inlay, {', '.join(WORKERS)}")
    threads = [int(count) for count in arguments.threads.split(",")]
    cores = len(os.sched_getaffinity(0))
    round_trip_ns()  # says what has not been built before anything takes its time

    with tempfile.TemporaryDirectory() as folder:
        weights = arguments.weights or os.path.join(folder, "seed.safetensors")
        data = ["--data", arguments.data] if arguments.data else []
        if not arguments.weights:
            subprocess.run(
                [program("fashion_mnist"), "--epochs", "1", "--save", weights, *data], check=True, stdout=sys.stderr
            )
        competitors, failures = [], []

        def attempt(action):
            try:
                return action()
            except Failed as failure:
                print(failure, file=sys.stderr)
                failures.append(str(failure))

        def enter(*competitor):
            if entered := attempt(lambda: Competitor(*competitor, folder)):
                competitors.append(entered)

        if "inlay" in wanted:
            command = [arguments.inlay or program("predict"), weights, *data[1:]]
            for count in threads:
                enter("Inlay", count, 1, command)
            for count in threads:
                enter("Inlay, dense weights in bf16", count, 1, [*command, "--bf16"])
            for c in competitors:
                c.versions = {"inlay": commit(), **c.versions}
        for key, (name, script, extra) in WORKERS.items():
            if key not in wanted:
                continue
            command = [install(), os.path.join(HERE, "peers", script), "--weights", weights, *data]
            for count in threads:
                enter(name, count, 1, [*command, "--threads", str(count), *extra])
            if script == "ncnn_predict.py":  # the fastest way to use it on many images
                enter(name, 1, cores, [*command, "--threads", "1", *extra])
        if not competitors:
            sys.exit("Nothing could be measured.")

        def fails(action):
            before = len(failures)
            attempt(action)
            return len(failures) > before

        expected = next(competitors[0].logits(BATCH_SIZES[-1], folder))
        competitors = [c for c in competitors if not fails(lambda c=c: c.check(expected, folder))]
        for _ in range(arguments.rounds):
            for batch_size in BATCH_SIZES:
                for competitor in list(competitors):
                    if competitor.processes > 1 and batch_size != BATCH_SIZES[-1]:
                        continue
                    if fails(lambda: competitor.turn(batch_size, arguments.seconds)):
                        competitors.remove(competitor)
        for competitor in competitors:
            competitor.close()
    report(competitors, failures, arguments)
