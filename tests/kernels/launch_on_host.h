// Launches kernels that were compiled for the host: the very same bodies as on a GPU, block by block.
//
// A kernel that shares memory is a sequence of phases over all threads of its block (thread_block.h), in ascending
// order or, to show a missing barrier, in descending order; the others run one thread after the other. Whoever includes
// this names its kernels in `kernels`: BLOCK(name) for those that share memory, ELEMENT(name) for the others.

#pragma once
#include <map>
#include <string>
#include <utility>

struct Grid {
    int x, y, z, threads;
};

using KernelTable = std::map<std::string, void (*)(const Grid&, void**)>;

extern const KernelTable kernels;

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

// Arguments by address, as for cuLaunchKernel. 1: there is no such kernel.
extern "C" int launch_on_host(const char* name, const int* grid, int threads, int reversed, void** arguments) {
    const auto kernel = kernels.find(name);
    if (kernel == kernels.end()) return 1;
    reversed_threads = reversed;
    kernel->second(Grid{grid[0], grid[1], grid[2], threads}, arguments);
    return 0;
}
