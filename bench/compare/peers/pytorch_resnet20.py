"""examples/networks.hpp's ResNet-20 as a PyTorch module, without augmentation."""

from torch import nn


def convolution(inputs, outputs, size=3, stride=1):
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, size, stride, padding=size // 2, bias=False), nn.BatchNorm2d(outputs)
    )


class Block(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        stride = 1 if inputs == outputs else 2
        self.body = nn.Sequential(convolution(inputs, outputs, stride=stride), nn.ReLU(), convolution(outputs, outputs))
        self.shortcut = nn.Identity() if stride == 1 else convolution(inputs, outputs, 1, stride)

    def forward(self, x):
        return (self.body(x) + self.shortcut(x)).relu()


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        channels = [16, 16, 16, 16, 32, 32, 32, 64, 64, 64]
        blocks = [Block(*pair) for pair in zip(channels, channels[1:])]
        self.layers = nn.Sequential(
            convolution(1, 16), nn.ReLU(), *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10)
        )

    def forward(self, images):
        """images: N x 28 x 28 x 1, uint8"""
        return self.layers((images.float() / 255).permute(0, 3, 1, 2))
