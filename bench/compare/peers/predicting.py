"""A process that predicts on demand, so that start-up and compilation are not measured.

It says `ready {versions}` when warm. For each line of its input:
  check BATCH PATH   writes the logits of the test images to PATH (floats), computed in such batches; says `checked`
  run BATCH SECONDS  predicts the test images in such batches, again and again; says
                     `run {"images_per_second": X, "p50_ms": X, "p99_ms": X}`, the latter of single calls
"""

import argparse
import gzip
import json
import os
import sys
import time

import numpy as np

from network import SIZE, weights

IMAGES = 1024  # so many test images


def options():
    """Also `layers`: the weights; and `batch_sizes` as numbers."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--weights", required=True, help="a file of Model::save")
    parser.add_argument("--data", default="/usr/share/datasets/fashion-mnist")
    parser.add_argument("--batch-sizes", default="1,64,256")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--half", action="store_true", help="ncnn: its default, which stores numbers in 16 bits")
    parser.add_argument("--compile", action="store_true", help="torch.compile for PyTorch")
    arguments = parser.parse_args()
    arguments.layers = weights(arguments.weights)
    arguments.batch_sizes = [int(size) for size in arguments.batch_sizes.split(",")]
    return arguments


def test_images(folder):
    """IMAGES x 28 x 28 x 1, bytes"""
    with gzip.open(os.path.join(folder, "t10k-images-idx3-ubyte.gz")) as file:
        pixels = np.frombuffer(file.read(16 + IMAGES * SIZE * SIZE), np.uint8, offset=16)
    return pixels.reshape(IMAGES, SIZE, SIZE, 1)


def serve(predictor, arguments, versions):
    """`predictor(batch_size)` gives a function from images (batch_size x 28 x 28 x 1, floats in [0, 1]) to logits
    (batch_size x 10)."""
    images = test_images(arguments.data).astype(np.float32) / np.float32(255)
    predictors = {size: predictor(size) for size in arguments.batch_sizes}
    answer(predictors, images, versions)


def answer(predictors, images, versions):
    """`predictors`: by batch size, functions from some of `images` to logits."""

    def batches(size):
        return [np.ascontiguousarray(images[i : i + size]) for i in range(0, IMAGES, size)]

    for size, predict in predictors.items():
        for batch in batches(size):
            predict(batch)
    print("ready", json.dumps(versions), flush=True)

    for line in sys.stdin:
        command, size, argument = line.split()
        predict, inputs = predictors[int(size)], batches(int(size))
        if command == "check":
            logits = np.concatenate([np.array(predict(batch), np.float32) for batch in inputs])
            logits.tofile(argument)
            print("checked", flush=True)
            continue
        if command != "run":
            sys.exit(f"expected check or run, got {line!r}")
        times, start, now = [], time.perf_counter(), 0.0
        while now - start < float(argument) or not times:
            for batch in inputs:
                before = time.perf_counter()
                predict(batch)
                now = time.perf_counter()
                times.append(now - before)
        p50, p99 = (1e3 * float(q) for q in np.quantile(times, [0.5, 0.99]))
        rate = len(times) * int(size) / sum(times)
        print("run", json.dumps({"images_per_second": rate, "p50_ms": p50, "p99_ms": p99}), flush=True)
