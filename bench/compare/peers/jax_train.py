"""The seed network in JAX: one compiled function a step, Adam written out, data in memory as uint8."""

import os

from worker import options, serve, training_data

arguments = options()
os.environ.update(
    JAX_PLATFORMS="cpu",
    XLA_FLAGS=f"--xla_cpu_multi_thread_eigen={'true' if arguments.threads > 1 else 'false'} "
    f"intra_op_parallelism_threads={arguments.threads}",
)

import jax
import jax.numpy as jnp
import numpy as np

from network import CLASSES, FILTERS, SIZE, UNITS

images, labels = training_data(arguments.data)
RATE, BETA1, BETA2, EPSILON = 1e-3, 0.9, 0.999, 1e-7


def initial():
    """(kernel, bias) of each layer, Glorot's uniform numbers and zeros."""
    shapes = [(3, 3, inputs, filters) for inputs, filters in zip((1, *FILTERS), FILTERS)]
    sizes = ((SIZE // 2) ** 2 * FILTERS[-1], *UNITS)
    shapes += list(zip(sizes, UNITS))
    glorot = jax.nn.initializers.glorot_uniform()
    keys = jax.random.split(jax.random.key(0), len(shapes))
    return [(glorot(key, shape), jnp.zeros(shape[-1])) for key, shape in zip(keys, shapes)]


def forward(parameters, x):
    x = x.astype(jnp.float32) / 255
    for kernel, bias in parameters[: len(FILTERS)]:
        x = jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
        x = jax.nn.relu(x + bias)
    x = jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
    x = x.reshape(len(x), -1)
    (kernel, bias), (last, last_bias) = parameters[len(FILTERS) :]
    return jax.nn.relu(x @ kernel + bias) @ last + last_bias


def loss_of(parameters, x, y):
    logits = forward(parameters, x)
    loss = -jax.nn.log_softmax(logits)[jnp.arange(len(y)), y].mean()
    return loss, (logits.argmax(1) == y).sum()


@jax.jit
def update(state, x, y):
    """One update."""
    parameters, first, second, count, loss_sum, correct_sum = state
    (loss, correct), gradients = jax.value_and_grad(loss_of, has_aux=True)(parameters, x, y)
    count = count + 1
    each = jax.tree.map
    first = each(lambda m, g: BETA1 * m + (1 - BETA1) * g, first, gradients)
    second = each(lambda v, g: BETA2 * v + (1 - BETA2) * g * g, second, gradients)
    rate = RATE * jnp.sqrt(1 - BETA2**count) / (1 - BETA1**count)
    parameters = each(lambda p, m, v: p - rate * m / (jnp.sqrt(v) + EPSILON), parameters, first, second)
    return parameters, first, second, count, loss_sum + loss, correct_sum + correct


random = np.random.default_rng(0)
parameters = [tuple(map(jnp.asarray, layer)) for layer in arguments.layers] if arguments.layers else initial()
zeros = jax.tree.map(jnp.zeros_like, parameters)
model = parameters, zeros, jax.tree.map(jnp.zeros_like, parameters), jnp.zeros(())


def train(steps):
    global model
    size = arguments.batch_size
    state = (*model, jnp.zeros(()), jnp.zeros((), int))
    done = 0
    while done < steps:
        order = random.permutation(len(images))
        for i in range(min(steps - done, len(images) // size)):
            batch = order[i * size : (i + 1) * size]
            state = update(state, images[batch], labels[batch])
            done += 1
    model = state[:4]
    return float(state[4]) / steps


def step(first, end):
    global model
    *model, loss, _ = update((*model, jnp.zeros(()), jnp.zeros((), int)), images[first:end], labels[first:end])
    return loss


serve(train, step, arguments, {"jax": jax.__version__})
