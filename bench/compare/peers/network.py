"""The seed network, described once for all peers: 3x3 convolutions with same padding and ReLU, a 2x2 maximum, and dense
layers with ReLU between them. Every framework builds it from these numbers, and takes its weights from Inlay's file."""

import json

import numpy as np

SIZE, CLASSES = 28, 10
FILTERS = (32, 64, 64)
UNITS = (64, CLASSES)


def weights(path):
    """(kernel, bias) of each layer in turn, from what Model::save wrote. Layouts are Keras': H x W x in x out, in x out;
    the first dense kernel counts its inputs as H x W x C."""
    with open(path, "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        data = file.read()
    tensors = {}
    for name, entry in header.items():
        parts = name.split(".")
        if len(parts) != 3:  # metadata, or the optimiser's state
            continue
        place, _, parameter = parts
        values = np.frombuffer(data[slice(*entry["data_offsets"])], np.float32).reshape(entry["shape"])
        tensors.setdefault(int(place), {})[parameter] = values
    layers = [(tensors[place]["kernel"], tensors[place]["bias"]) for place in sorted(tensors)]
    if [bias.size for _, bias in layers] != [*FILTERS, *UNITS]:
        raise SystemExit(f"{path} holds layers of {[bias.size for _, bias in layers]} outputs, not the seed network's")
    return layers


def channels_first(dense_kernel):
    """The first dense kernel for frameworks that flatten C x H x W."""
    side, channels = SIZE // 2, FILTERS[-1]
    return dense_kernel.reshape(side, side, channels, -1).transpose(2, 0, 1, 3).reshape(dense_kernel.shape)
