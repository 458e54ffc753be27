"""The seed network or ResNet-20 in PyTorch: channels_last, a plain training loop, data in memory as uint8."""

import os

os.environ["CUDA_VISIBLE_DEVICES"] = ""

import torch
from torch import nn

import pytorch_network
import pytorch_resnet20
from worker import options, serve, training_data


arguments = options()
torch.set_num_threads(arguments.threads)
images, labels = (torch.from_numpy(a.copy()) for a in training_data(arguments.data))

resnet = arguments.network == "resnet20"
net = (pytorch_resnet20 if resnet else pytorch_network).Net().to(memory_format=torch.channels_last)
if arguments.layers:
    net.load(arguments.layers)
forward = torch.compile(net) if arguments.compile else net
if resnet:
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4, nesterov=True)
else:
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3, eps=1e-7)
cross_entropy = nn.CrossEntropyLoss(label_smoothing=0.1 if resnet else 0.0)


def batches(steps):
    """Indices of `steps` batches, shuffled anew in each epoch."""
    size = arguments.batch_size
    while steps > 0:
        order = torch.randperm(len(images))
        for i in range(min(steps, len(images) // size)):
            yield order[i * size : (i + 1) * size]
        steps -= len(images) // size


def update(x, y):
    """One step; the loss and the number of right answers."""
    logits = forward(x)
    loss = cross_entropy(logits, y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.detach(), (logits.detach().argmax(1) == y).sum()  # Keras and Inlay report it, too


def train(steps):
    loss_sum = correct_sum = torch.zeros(())
    for batch in batches(steps):
        loss, correct = update(images[batch], labels[batch])
        loss_sum, correct_sum = loss_sum + loss, correct_sum + correct
    return loss_sum.item() / steps


def step(first, end):
    return update(images[first:end], labels[first:end])[0]


serve(train, step, arguments, {"torch": torch.__version__})
