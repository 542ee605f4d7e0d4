// Instances of the FFT kernels (see fft_versions.h); `version` is the host's tile version as for the matrix products.

// All of these functions are inlined: how vectors would be passed to them does not matter.
#pragma GCC diagnostic ignored "-Wpsabi"

#include "fft/fft_versions.h"

#include <utility>

#include "common/contracted.h"  // last: for what follows

#define CPM_FFT_VERSION(NAME, LANES, TARGET)                                                                          \
    struct NAME {                                                                                                     \
        template <int N>                                                                                              \
        TARGET static void forward(const Patch<const float>& patch, const Spectrum<float>& out) {                     \
            forward_block<N, LANES>(patch, out);                                                                      \
        }                                                                                                             \
        template <int N>                                                                                              \
        TARGET static void inverse(const Spectrum<const float>& from, const Patch<float>& out, const Finish& finish) { \
            inverse_block<N, LANES>(from, out, finish);                                                               \
        }                                                                                                             \
        template <class Matrix>                                                                                       \
        TARGET static void winograd(const Patch<const float>& patch, const Spectrum<float>& out) {                    \
            winograd_forward<Matrix, LANES>(patch, out);                                                              \
        }                                                                                                             \
        template <class Matrix>                                                                                       \
        TARGET static void winograd_back(const Spectrum<const float>& from, const Patch<float>& out,                  \
                                         const Finish& finish) {                                                      \
            winograd_inverse<Matrix, LANES>(from, out, finish);                                                       \
        }                                                                                                             \
        template <Product P>                                                                                          \
        TARGET static void copy(const float* cells, int count, float* to) {                                           \
            copy_factor<LANES, P>(cells, count, to);                                                                  \
        }                                                                                                             \
        template <Product P>                                                                                          \
        TARGET static void multiply(int rows, LeftFactor a, const float* right, float* result,                        \
                                    const ProductSteps& steps) {                                                      \
            multiply_block<LANES, P>(rows, a, right, result, steps);                                                  \
        }                                                                                                             \
    };

CPM_FFT_VERSION(Portable, 4, )
#if CPM_X86
CPM_FFT_VERSION(Avx2, 8, __attribute__((target("avx2,fma"))))
CPM_FFT_VERSION(Avx512, 16, __attribute__((target("avx512f,fma"))))
#endif

template <class Version, int N>
static FftKernels kernels_of_size() {
    const FftKernels::Forward forward = Version::template forward<N>;
    const FftKernels::Inverse inverse = Version::template inverse<N>;
    return {forward, forward, forward, inverse, inverse, Version::template copy<COMPLEX>,
            Version::template multiply<COMPLEX>};
}

template <class Version, size_t... I>
static FftKernels kernels_of(int size, std::index_sequence<I...>) {
    FftKernels found{};
    if (size == WINOGRAD)
        found = {Version::template winograd<InputMatrix>,
                 Version::template winograd<KernelMatrix>,
                 Version::template winograd<GradientMatrix>,
                 Version::template winograd_back<Transposed<GradientMatrix>>,
                 Version::template winograd_back<Transposed<KernelMatrix>>,
                 Version::template copy<TWO_REAL>,
                 Version::template multiply<TWO_REAL>};
    ((FFT_SIZES[I] == size ? (void)(found = kernels_of_size<Version, FFT_SIZES[I]>()) : (void)0), ...);
    return found;
}

FftKernels fft_kernels(int size, CpuVersion version) {
    constexpr std::make_index_sequence<FFT_SIZE_COUNT> sizes;
#if CPM_X86
    if (version == CPU_AVX512) return kernels_of<Avx512>(size, sizes);
    if (version == CPU_AVX2) return kernels_of<Avx2>(size, sizes);
#endif
    return kernels_of<Portable>(size, sizes);
}
