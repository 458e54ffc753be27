"""Prediction in LiteRT (TensorFlow Lite), whose CPU kernels are XNNPACK's."""

import os

os.environ.update(KERAS_BACKEND="tensorflow", TF_CPP_MIN_LOG_LEVEL="2", CUDA_VISIBLE_DEVICES="")

import ai_edge_litert
import tensorflow
from ai_edge_litert.interpreter import Interpreter

from keras_network import network
from predicting import options, serve

arguments = options()


def predictor(batch_size):
    model = network(batch_size, "float32")
    model.set_weights([array for layer in arguments.layers for array in layer])
    flat = tensorflow.lite.TFLiteConverter.from_keras_model(model).convert()
    interpreter = Interpreter(model_content=flat, num_threads=arguments.threads)
    interpreter.allocate_tensors()
    entry, exit = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]

    def predict(images):
        interpreter.set_tensor(entry, images)
        interpreter.invoke()
        return interpreter.get_tensor(exit)

    return predict


serve(predictor, arguments, {"ai-edge-litert": ai_edge_litert.__version__})
