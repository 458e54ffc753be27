"""The seed network as a PyTorch module."""

import torch
from torch import nn

from network import FILTERS, SIZE, UNITS


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        convolutions, channels = [], 1
        for filters in FILTERS:
            convolutions += [nn.Conv2d(channels, filters, 3, padding="same"), nn.ReLU()]
            channels = filters
        self.convolutions = nn.Sequential(*convolutions, nn.MaxPool2d(2))
        dense, inputs = [], channels * (SIZE // 2) ** 2
        for units in UNITS:
            dense += [nn.Linear(inputs, units), nn.ReLU()]
            inputs = units
        self.dense = nn.Sequential(*dense[:-1])  # logits

    def forward(self, images):
        """images: N x 28 x 28 x 1, uint8, or float if they are scaled already"""
        x = (images if images.is_floating_point() else images.float() / 255).permute(0, 3, 1, 2)
        x = self.convolutions(x)
        return self.dense(x.permute(0, 2, 3, 1).flatten(1))  # memory order: flattening copies nothing

    def load(self, weights):
        layers = [m for m in self.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
        with torch.no_grad():
            for layer, (kernel, bias) in zip(layers, weights, strict=True):
                layer.weight.copy_(torch.from_numpy(kernel.transpose(3, 2, 0, 1) if kernel.ndim == 4 else kernel.T))
                layer.bias.copy_(torch.from_numpy(bias))
