// expect: normalization_needs_one_ratio_for_all_channels_or_one_for_each Normalization< after_layer<0 got<8, 8, 3
#include "net.hpp"

using Net =
    nn::Sequential<nn::Input<8, 8, 3>,
                   nn::Normalization<nn::Mean<std::ratio<1>, std::ratio<2>>, nn::StandardDeviation<std::ratio<1>>>>;
static_assert(plan<Net>.launches > 0);
