"""The seed network in Keras on TensorFlow, trained by `fit`."""

import os

from worker import options, serve, training_data

arguments = options()
os.environ.update(KERAS_BACKEND="tensorflow", TF_CPP_MIN_LOG_LEVEL="2", CUDA_VISIBLE_DEVICES="")

import keras
import tensorflow

from keras_network import network

tensorflow.config.threading.set_intra_op_parallelism_threads(arguments.threads)
tensorflow.config.threading.set_inter_op_parallelism_threads(arguments.threads)

images, labels = training_data(arguments.data)
model = network()
if arguments.layers:
    model.set_weights([values for layer in arguments.layers for values in layer])
model.compile(
    optimizer=keras.optimizers.Adam(1e-3),
    loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    metrics=["accuracy"],
    jit_compile=arguments.compile,
)


def train(steps):
    """`fit` on as many images, which it shuffles; an epoch at the most in each call."""
    loss = 0
    left = steps
    while left > 0:
        now = min(left, len(images) // arguments.batch_size)
        count = now * arguments.batch_size
        history = model.fit(images[:count], labels[:count], batch_size=arguments.batch_size, epochs=1, verbose=0)
        loss += history.history["loss"][0] * now / steps
        left -= now
    return loss


def step(first, end):
    model.reset_metrics()
    return model.train_on_batch(images[first:end], labels[first:end])[0]


serve(train, step, arguments, {"keras": keras.__version__, "tensorflow": tensorflow.__version__})
