// Trains a ResNet-9 on Fashion-MNIST, with fewer channels than the original network so that a CPU can train it.
//
//   resnet9 --epochs 24 --seed 1 --save resnet9.safetensors
#include "networks.hpp"
#include "resnet.hpp"

int main(int argc, char** argv) { return examples::train_resnet<networks::ResNet9>("ResNet-9", 24, argc, argv); }
