"""The seed network in Keras."""

from keras import Sequential, layers

from network import FILTERS, SIZE, UNITS


def network(batch_size=None, element="uint8"):
    """Takes bytes, or floats that are scaled already."""
    model = Sequential([layers.Input((SIZE, SIZE, 1), batch_size=batch_size, dtype=element)])
    if element == "uint8":
        model.add(layers.Rescaling(1 / 255))
    for filters in FILTERS:
        model.add(layers.Conv2D(filters, 3, padding="same", activation="relu"))
    model.add(layers.MaxPooling2D(2))
    model.add(layers.Flatten())
    for units in UNITS[:-1]:
        model.add(layers.Dense(units, activation="relu"))
    model.add(layers.Dense(UNITS[-1]))
    return model
