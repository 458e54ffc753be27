"""The seed network in PyTorch on a GPU: channels_last, fused Adam, the data set on the device as uint8.

It says `compiled` when it is; waits for the line `warm`, because cuDNN chooses its algorithms by timing them, so that the
GPU should be idle; then says `ready {...}`. For each line `run BATCH SECONDS` on its input it trains so long and prints
`images_per_second: X`.

    pytorch_gpu.py --precision bf16 --compile reduce-overhead --batch-sizes 64,512
"""

import argparse
import json
import sys
import time

import torch
from torch import nn

from pytorch_network import Net
from worker import training_data


def options():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", default="/usr/share/datasets/fashion-mnist")
    parser.add_argument("--precision", choices=["fp32", "tf32", "bf16"], default="fp32")
    parser.add_argument("--compile", choices=["no", "default", "reduce-overhead"], default="no")
    parser.add_argument("--batch-sizes", default="64")
    return parser.parse_args()


class Measures(nn.Module):
    """images: N x 28 x 28 x 1, uint8. Returns the loss and the number of right answers."""

    def __init__(self):
        super().__init__()
        self.net = Net()
        self.cross_entropy = nn.CrossEntropyLoss()

    def forward(self, images, labels):
        logits = self.net(images)
        return self.cross_entropy(logits, labels), (logits.detach().argmax(1) == labels).sum()


arguments = options()
tf32 = arguments.precision != "fp32"
torch.backends.cuda.matmul.allow_tf32 = tf32
torch.backends.cudnn.allow_tf32 = tf32

images, labels = (torch.from_numpy(a.copy()).cuda() for a in training_data(arguments.data))
net = Measures().cuda().to(memory_format=torch.channels_last)
optimizer = torch.optim.Adam(net.parameters(), lr=1e-3, eps=1e-7, fused=True)


def compiled():
    if arguments.compile == "no":
        return net
    return torch.compile(net, mode=arguments.compile, dynamic=False)


def train(model, batch_size, seconds):
    """Trains for that long; images a second, and the mean loss."""
    loss_sum = torch.zeros((), device="cuda")
    correct = torch.zeros((), device="cuda", dtype=torch.int64)
    torch.cuda.synchronize()
    start = time.perf_counter()
    steps = 0
    while True:
        order = torch.randperm(len(images), device="cuda")
        for i in range(len(images) // batch_size):
            batch = order[i * batch_size : (i + 1) * batch_size]
            if arguments.compile == "reduce-overhead":
                torch.compiler.cudagraph_mark_step_begin()
            with torch.autocast("cuda", torch.bfloat16, enabled=arguments.precision == "bf16"):
                loss, right = model(images[batch], labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            loss_sum += loss.detach()
            correct += right
            steps += 1
            if steps % 20 == 0:  # so that no more than 20 steps wait for the GPU when time is up
                torch.cuda.synchronize()
                elapsed = time.perf_counter() - start
                if elapsed >= seconds:
                    return steps * batch_size / elapsed, loss_sum.item() / steps


sizes = [int(size) for size in arguments.batch_sizes.split(",")]
model = compiled()
for size in sizes:
    train(model, size, 0)
print("compiled", flush=True)

if sys.stdin.readline() != "warm\n":
    sys.exit("expected the line 'warm'")
torch.backends.cudnn.benchmark = True
torch._dynamo.reset()
model = compiled()  # quick: its code is in a cache; CUDA graphs are captured anew
for size in sizes:
    train(model, size, 0)
    train(model, size, 0.5)
print("ready", json.dumps({"torch": torch.__version__, "cuda": torch.version.cuda}), flush=True)

for line in sys.stdin:
    command, size, seconds = line.split()
    if command != "run":
        sys.exit(f"expected 'run BATCH SECONDS', got {line!r}")
    rate, loss = train(model, int(size), float(seconds))
    if not loss < 1.5:
        sys.exit(f"the network does not learn: its loss is {loss}")
    print(f"images_per_second: {rate:.1f}", flush=True)
