"""The data layer's numerics: OpenCV's 8-bit steps, glibc's rand() and the belief maps' peaks."""
