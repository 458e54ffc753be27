"""The seed network in PyTorch on a GPU, trained or asked for predictions: channels_last, and whatever makes it fast.

    pytorch_gpu.py train --precision bf16 --compile default --graph --batch-sizes 64,1024
    pytorch_gpu.py predict --weights seed.safetensors --precision bf16 --compile reduce-overhead --batch-sizes 1,1024

It says `compiled` when it is; waits for the line `warm`, because cuDNN chooses its algorithms by timing them, so that
the GPU should be idle; then says `ready {...}`. For each line `run BATCH SECONDS` on its input it trains or predicts so
long and says `run {"images_per_second": X}`; when it predicts, it answers in all as predicting.py does.
"""

import argparse
import json
import sys
import time

import torch
from torch import nn

from network import weights
from predicting import answer, test_images
from pytorch_network import Net
from worker import training_data


def options():
    parser = argparse.ArgumentParser()
    parser.add_argument("task", choices=["train", "predict"])
    parser.add_argument("--weights", help="a file of Model::save, to predict with")
    parser.add_argument("--data", default="/usr/share/datasets/fashion-mnist")
    parser.add_argument("--precision", choices=["fp32", "tf32", "bf16"], default="fp32")
    parser.add_argument("--compile", choices=["no", "default", "reduce-overhead"], default="no")
    parser.add_argument("--graph", action="store_true", help="one CUDA graph for a whole step or prediction")
    parser.add_argument("--batch-sizes", default="64")
    return parser.parse_args()


arguments = options()
sizes = [int(size) for size in arguments.batch_sizes.split(",")]
versions = {"torch": torch.__version__, "cuda": torch.version.cuda}
tf32 = arguments.precision != "fp32"
torch.backends.cuda.matmul.allow_tf32 = tf32
torch.backends.cudnn.allow_tf32 = tf32
torch.cuda.set_stream(torch.cuda.Stream())  # the default one cannot be captured


def compiled(function):
    if arguments.compile == "no":
        return function
    return torch.compile(function, mode=arguments.compile, dynamic=False)


def captured(function):
    """A function that replays what `function` does, in one CUDA graph; and what it returns."""
    for _ in range(5):  # compiles, allocates
        function()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=torch.cuda.current_stream()):
        result = function()
    return graph.replay, result


def await_warm():
    """Says that all is compiled. From the line `warm` on, cuDNN times its algorithms."""
    torch.cuda.synchronize()
    torch.cuda.empty_cache()
    print("compiled", flush=True)
    if sys.stdin.readline() != "warm\n":
        sys.exit("expected the line 'warm'")
    torch.backends.cudnn.benchmark = True
    if arguments.compile == "reduce-overhead":
        torch._dynamo.reset()  # its graphs hold the algorithms; its code is in a cache


class Measures(nn.Module):
    """Of samples of these numbers: their mean loss, and how many of them get the right answer."""

    def __init__(self, folder):
        super().__init__()
        self.net = Net()
        self.cross_entropy = nn.CrossEntropyLoss()
        self.cuda().to(memory_format=torch.channels_last)
        for name, array in zip(("images", "labels"), training_data(folder), strict=True):
            self.register_buffer(name, torch.from_numpy(array.copy()).cuda(), persistent=False)

    def forward(self, numbers):
        logits, labels = self.net(self.images[numbers]), self.labels[numbers]
        return self.cross_entropy(logits, labels), (logits.detach().argmax(1) == labels).sum()


def serve_training():
    measures = Measures(arguments.data)
    optimizer = torch.optim.Adam(measures.parameters(), lr=1e-3, eps=1e-7, fused=True, capturable=arguments.graph)
    loss_sum = torch.zeros((), device="cuda")
    correct = torch.zeros((), device="cuda", dtype=torch.int64)

    def trainer(size):
        """A function that trains on `size` samples, given their numbers."""
        forward = compiled(measures)

        def step(numbers):
            if arguments.compile == "reduce-overhead":
                torch.compiler.cudagraph_mark_step_begin()
            optimizer.zero_grad()
            with torch.autocast("cuda", torch.bfloat16, enabled=arguments.precision == "bf16"):
                loss, right = forward(numbers)
            loss.backward()
            optimizer.step()
            loss_sum.add_(loss.detach())
            correct.add_(right)

        if not arguments.graph:
            return step
        given = torch.zeros(size, device="cuda", dtype=torch.int64)
        replay, _ = captured(lambda: step(given))

        def replayed_step(numbers):
            given.copy_(numbers)
            replay()

        return replayed_step

    def train(step, size, seconds):
        """Trains for that long; images a second, and the mean loss."""
        loss_sum.zero_()
        torch.cuda.synchronize()
        start = time.perf_counter()
        steps = 0
        while True:
            order = torch.randperm(len(measures.images), device="cuda")
            for i in range(len(order) // size):
                step(order[i * size : (i + 1) * size])
                steps += 1
                if steps % 20 == 0:  # so that no more than 20 steps wait for the GPU when time is up
                    torch.cuda.synchronize()
                    elapsed = time.perf_counter() - start
                    if elapsed >= seconds:
                        return steps * size / elapsed, loss_sum.item() / steps

    for size in sizes:
        train(trainer(size), size, 0)
    await_warm()
    trainers = {size: trainer(size) for size in sizes}
    for size, step in trainers.items():
        train(step, size, 0)
        train(step, size, 0.3)
    print("ready", json.dumps(versions), flush=True)
    for line in sys.stdin:
        command, size, seconds = line.split()
        if command != "run":
            sys.exit(f"expected 'run BATCH SECONDS', got {line!r}")
        rate, loss = train(trainers[int(size)], int(size), float(seconds))
        if not loss < 1.5:
            sys.exit(f"the network does not learn: its loss is {loss}")
        print("run", json.dumps({"images_per_second": rate}), flush=True)


def serve_predictions():
    net = Net()
    net.load(weights(arguments.weights))
    element = torch.bfloat16 if arguments.precision == "bf16" else torch.float32
    net.cuda().to(element, memory_format=torch.channels_last).eval()

    def predictor(size):
        """A function from images (bytes, in memory that the GPU can read) to logits: from the host and back to it."""
        given = torch.zeros(size, 28, 28, 1, device="cuda", dtype=torch.uint8)
        logits = torch.zeros(size, 10).pin_memory()
        forward = compiled(lambda: net((given.float() / 255).to(element)).float())
        if arguments.graph:
            replay, result = captured(forward)

        def predict(images):
            given.copy_(torch.from_numpy(images), non_blocking=True)
            if arguments.graph:
                replay()
                logits.copy_(result, non_blocking=True)
            else:
                logits.copy_(forward(), non_blocking=True)
            torch.cuda.current_stream().synchronize()
            return logits.numpy()

        return predict

    with torch.inference_mode():
        images = torch.from_numpy(test_images(arguments.data).copy()).pin_memory().numpy()
        for size in sizes:
            predict = predictor(size)
            for _ in range(5):
                predict(images[:size])
        await_warm()
        answer({size: predictor(size) for size in sizes}, images, versions)


serve_training() if arguments.task == "train" else serve_predictions()
