// Which OpenCV's bits: the one place that names the two profiles (Python passes these numbers).
//
// They differ in the order of the vertical sum of resize and in the fixed point of gray.

#pragma once

enum Profile { OPENCV4 = 0, OPENCV2 = 1 };
