"""Prediction in ncnn, which takes one image at a time."""

import os
import tempfile

import ncnn
import numpy as np

from network import CLASSES, FILTERS, SIZE, channels_first
from predicting import options, serve

arguments = options()
RELU = "9=1"


def write(param, model):
    """The network in ncnn's text format, and its weights, each kernel after a word that says float. Returns the name of the
    logits."""
    lines, values = [], []

    def add(kind, fields):
        n = len(lines)
        lines.append(f"{kind} layer{n} 1 1 blob{n} blob{n + 1} {fields}")

    def weigh(kernel, bias):
        values.extend([np.zeros(1, np.uint32), np.ascontiguousarray(kernel), bias])

    for filters, (kernel, bias) in zip(FILTERS, arguments.layers):
        add("Convolution", f"0={filters} 1=3 4=1 5=1 6={kernel.size} {RELU}")
        weigh(kernel.transpose(3, 2, 0, 1), bias)
    add("Pooling", "0=0 1=2 2=2")
    dense = arguments.layers[len(FILTERS) :]
    for i, (kernel, bias) in enumerate(dense):
        add("InnerProduct", f"0={bias.size} 1=1 2={kernel.size} {RELU if i + 1 < len(dense) else ''}")
        weigh((channels_first(kernel) if i == 0 else kernel).T, bias)
    with open(param, "w") as file:
        file.write(f"7767517\n{len(lines) + 1} {len(lines) + 1}\nInput images 0 1 blob0 0={SIZE} 1={SIZE} 2=1\n")
        file.write("\n".join(lines) + "\n")
    with open(model, "wb") as file:
        for array in values:
            file.write(array.tobytes())
    return f"blob{len(lines)}"


net = ncnn.Net()
net.opt.num_threads = arguments.threads
if not arguments.half:
    net.opt.use_fp16_packed = net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = False
with tempfile.TemporaryDirectory() as folder:
    param, model = (os.path.join(folder, name) for name in ("seed.param", "seed.bin"))
    logits = write(param, model)
    if net.load_param(param) != 0 or net.load_model(model) != 0:
        raise SystemExit("ncnn did not load the network")


def predictor(batch_size):
    def predict(images):
        result = np.empty((batch_size, CLASSES), np.float32)
        for i, image in enumerate(images.reshape(batch_size, 1, SIZE, SIZE)):
            extractor = net.create_extractor()
            extractor.input("blob0", ncnn.Mat(image))
            result[i] = np.array(extractor.extract(logits)[1])
        return result

    return predict


serve(predictor, arguments, {"ncnn": ncnn.__version__})
