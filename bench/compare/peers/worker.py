"""A process that trains the seed network on demand, so that start-up and compilation are not measured.

It says `ready {versions}` when warm, among them the losses of the first steps: from the weights of a file, on the first
images as they lie. For each line `run` on its input it trains for some seconds and prints `images_per_second: X`.
"""

import argparse
import gzip
import json
import os
import sys
import time

import numpy as np

from network import weights


def options():
    """Also `layers`: the weights to begin with, or None."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", default="/usr/share/datasets/fashion-mnist")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--network", default="seed", choices=("seed", "resnet20"))
    parser.add_argument("--weights", help="a file of Model::save, of the seed network")
    parser.add_argument("--check-steps", type=int, default=0, help="so many losses of first steps")
    parser.add_argument("--compile", action="store_true", help="XLA for Keras, torch.compile for PyTorch")
    arguments = parser.parse_args()
    arguments.layers = weights(arguments.weights) if arguments.weights else None
    return arguments


def training_data(folder):
    """60,000 images (uint8, N x 28 x 28 x 1) and labels, from the IDX files."""
    with gzip.open(os.path.join(folder, "train-images-idx3-ubyte.gz")) as file:
        images = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 28, 28, 1)
    with gzip.open(os.path.join(folder, "train-labels-idx1-ubyte.gz")) as file:
        labels = np.frombuffer(file.read(), np.uint8, offset=8).astype(np.int64)
    return images, labels


def serve(train, step, arguments, versions):
    """`train(steps)` trains that many batches and returns their mean loss; `step(first, end)` trains on the samples from
    `first` to before `end`, and returns the loss."""
    size = arguments.batch_size
    losses = [float(step(size * i, size * (i + 1))) for i in range(arguments.check_steps)]
    train(20)  # compiles, allocates
    start = time.perf_counter()
    train(20)
    steps = max(20, round(20 * arguments.seconds / (time.perf_counter() - start)))
    train(steps)
    print("ready", json.dumps({**versions, "losses": losses}), flush=True)

    for line in sys.stdin:
        if line != "run\n":
            sys.exit(f"expected the line 'run', got {line!r}")
        start = time.perf_counter()
        loss = train(steps)
        seconds = time.perf_counter() - start
        if not loss < 1.5:
            sys.exit(f"the network does not learn: its loss is {loss}")
        print(f"images_per_second: {steps * arguments.batch_size / seconds:.1f}", flush=True)
