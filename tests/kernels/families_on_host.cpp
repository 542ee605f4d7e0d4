// kernels/src/exact/families.cu compiled for the host.

#include "exact/families.cu"

#include "launch_on_host.h"

#define TILES(name) BLOCK(name##_128x128), BLOCK(name##_64x64), BLOCK(name##_32x128)
#define PRODUCTS(prefix) \
    TILES(prefix##product_nn), TILES(prefix##product_nt), TILES(prefix##product_tn), TILES(prefix##convolution), \
        TILES(prefix##weight_gradient)

const KernelTable kernels = {
    PRODUCTS(fused_), PRODUCTS(rounded_),
    ELEMENT(product_two_chains), ELEMENT(convolution_two_chains), ELEMENT(weight_gradient_two_chains),
};
