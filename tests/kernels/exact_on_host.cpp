// kernels/src/exact.cu compiled for the host.

#include "exact/exact.cu"

#include "launch_on_host.h"

#define TILES(name) BLOCK(name##_128x128), BLOCK(name##_64x64), BLOCK(name##_32x128)

const KernelTable kernels = {
    TILES(product_nn), TILES(product_nt), TILES(product_tn),
    TILES(convolution), TILES(weight_gradient), TILES(data_gradient),
    ELEMENT(product_lanes), ELEMENT(convolution_lanes), ELEMENT(weight_gradient_lanes), ELEMENT(columns_to_image),
    BLOCK(block_sums), ELEMENT(add_block_sums),
    ELEMENT(max_pool), ELEMENT(max_pool_backward), ELEMENT(ave_pool), ELEMENT(ave_pool_backward),
    ELEMENT(relu), ELEMENT(relu_backward), ELEMENT(solver_update),
};
