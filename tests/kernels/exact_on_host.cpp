// kernels/src/exact.cu compiled for the host: the very same kernel bodies, launched block by block.
//
// A kernel that shares memory is a sequence of phases over all threads of its block (thread_block.h), in ascending
// order or, to show a missing barrier, in descending order; the others run one thread after the other.

#include "exact.cu"

#include <map>
#include <string>
#include <utility>

struct Grid {
    int x, y, z, threads;
};

template <class... Arguments, size_t... I>
static void call(void (*kernel)(Arguments...), void** arguments, std::index_sequence<I...>) {
    kernel(*static_cast<std::remove_reference_t<Arguments>*>(arguments[I])...);
}

template <auto kernel, bool shares, class... Arguments>
static void run_grid(void (*)(Arguments...), const Grid& grid, void** arguments) {
    blockDim = {grid.threads, 1, 1};
    for (blockIdx.z = 0; blockIdx.z < grid.z; blockIdx.z++)
        for (blockIdx.y = 0; blockIdx.y < grid.y; blockIdx.y++)
            for (blockIdx.x = 0; blockIdx.x < grid.x; blockIdx.x++)
                for (threadIdx.x = 0; threadIdx.x < (shares ? 1 : grid.threads); threadIdx.x++)
                    call(kernel, arguments, std::index_sequence_for<Arguments...>());
}

template <auto kernel, bool shares>
static void launch(const Grid& grid, void** arguments) {
    run_grid<kernel, shares>(kernel, grid, arguments);
}

#define BLOCK(name) {#name, launch<name, true>}
#define ELEMENT(name) {#name, launch<name, false>}
#define TILES(name) BLOCK(name##_128x128), BLOCK(name##_64x64), BLOCK(name##_32x128)

static const std::map<std::string, void (*)(const Grid&, void**)> kernels = {
    TILES(product_nn), TILES(product_nt), TILES(product_tn),
    TILES(convolution), TILES(weight_gradient), TILES(data_gradient),
    ELEMENT(product_lanes), ELEMENT(convolution_lanes), ELEMENT(weight_gradient_lanes), ELEMENT(columns_to_image),
    BLOCK(block_sums), ELEMENT(add_block_sums),
    ELEMENT(max_pool), ELEMENT(max_pool_backward), ELEMENT(ave_pool), ELEMENT(ave_pool_backward),
    ELEMENT(relu), ELEMENT(relu_backward), ELEMENT(euclidean_backward), ELEMENT(sgd_update),
};

// Arguments by address, as for cuLaunchKernel. 1: there is no such kernel.
extern "C" int launch_on_host(const char* name, const int* grid, int threads, int reversed, void** arguments) {
    const auto kernel = kernels.find(name);
    if (kernel == kernels.end()) return 1;
    reversed_threads = reversed;
    kernel->second(Grid{grid[0], grid[1], grid[2], threads}, arguments);
    return 0;
}
