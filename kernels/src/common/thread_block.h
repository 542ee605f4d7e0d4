// A thread block's program, written once for the GPU and for the host.
//
// It is a sequence of phases: in each, every thread does its part, and none begins the next before all have ended.
// On the GPU a phase ends with __syncthreads(); on the host it is a loop over the threads, whose order a test may
// reverse: a program that lacks a barrier then gives other bits.

#pragma once

#ifdef __CUDACC__
#define CPM_DEVICE __device__ __forceinline__
#define CPM_KERNEL(threads, blocks) extern "C" __global__ void __launch_bounds__(threads, blocks)
#define CPM_SHARED __shared__
#else
#include <math.h>

#define CPM_DEVICE inline __attribute__((always_inline))
#define CPM_KERNEL(threads, blocks) extern "C" void
#define CPM_SHARED static thread_local

struct alignas(16) float4 {
    float x, y, z, w;
};

struct alignas(16) int4 {
    int x, y, z, w;
};

struct Index3 {
    int x, y, z;
};

static thread_local Index3 blockIdx, blockDim, threadIdx;
static thread_local bool reversed_threads = false;
#endif

// COUNT threads with one State each; phase(action) calls action(state, number of the thread) in all of them.
template <class State, int COUNT>
struct ThreadBlock {
#ifdef __CUDACC__
    State own;

    template <class Action>
    __device__ __forceinline__ void phase(Action action) {
        action(own, (int)threadIdx.x);
        __syncthreads();
    }
#else
    State all[COUNT];

    template <class Action>
    void phase(Action action) {
        for (int i = 0; i < COUNT; i++) {
            const int id = reversed_threads ? COUNT - 1 - i : i;
            action(all[id], id);
        }
    }
#endif
};

// The number of this thread among all of the grid: one thread per element.
CPM_DEVICE long long element_number() { return (long long)blockIdx.x * blockDim.x + threadIdx.x; }
