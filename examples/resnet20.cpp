// Trains ResNet-20 on Fashion-MNIST.
//
//   resnet20 --epochs 15 --seed 1 --save resnet20.safetensors
#include "networks.hpp"
#include "resnet.hpp"

int main(int argc, char** argv) { return examples::train_resnet<networks::ResNet20>("ResNet-20", 15, argc, argv); }
