// Calls every device function of kernels/src from a kernel, so that NVRTC has to compile them all.

#include "crop.h"
#include "gaussian.h"
#include "gray.h"
#include "resize.h"
#include "warp_affine.h"

struct Image {
    const u8* data;
    int rows, columns;

    __device__ int operator()(int x, int y, int c) const {
        const bool inside = x >= 0 && y >= 0 && x < columns && y < rows;
        return inside ? data[(y * columns + x) * 3 + c] : 128;
    }
};

extern "C" __global__ void every_header(const u8* data, int rows, int columns, double factor, const double* matrix,
                                        const float* joints, u8* pixels, float* maps) {
    const int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y;
    const Image image{data, rows, columns};
    double inverse[6];
    warp_inverse(matrix, inverse);
    const WarpPosition px = warp_position(warp_start(inverse[1], inverse[2], y), warp_across(inverse[0], x));
    const WarpPosition py = warp_position(warp_start(inverse[4], inverse[5], y), warp_across(inverse[3], x));
    short weight[16];
    warp_weights(px.fraction, py.fraction, weight);
    pixels[0] = resized_element(image, rows, columns, 3, factor, x, y, 0, OPENCV4);
    pixels[1] = warped_element(image, px, py, weight, 1);
    pixels[2] = gray_of_bgr(image(x, y, 0), image(x, y, 1), image(x, y, 2), OPENCV2);
    pixels[3] = cropped_element(image, x, y, 2, 5, 6, columns, true);
    maps[0] = normalised(pixels[3]);
    maps[1] = centre_element(x, y, 9.0f, 9.0f, 21.0f);
    maps[2] = label_element(joints, 2, 14, 14, x, y, 8, 7.0f);
    maps[3] = glibc_expf(-maps[2]) + peak_radius(7.0f);
}
