// kernels/src/sample.cu compiled for the host.

#include "samples/sample.cu"

#include "launch_on_host.h"

const KernelTable kernels = {
    BLOCK(resize_regions), BLOCK(rotate_and_crop), ELEMENT(fill_warp_weights), ELEMENT(label_maps),
};
