"""Prediction in PyTorch: channels_last."""

import torch

from predicting import options, serve
from pytorch_network import Net

arguments = options()
torch.set_num_threads(arguments.threads)
net = Net().to(memory_format=torch.channels_last).eval()
net.load(arguments.layers)


def predictor(_batch_size):
    forward = torch.compile(net, dynamic=False) if arguments.compile else net

    def predict(images):
        with torch.inference_mode():
            return forward(torch.from_numpy(images)).numpy()

    return predict


serve(predictor, arguments, {"torch": torch.__version__})
