// Shares numbered tasks among threads: which thread runs a task never shows in its result.

#pragma once
#include <atomic>
#include <thread>
#include <vector>

template <class Task>
void parallel_for(int threads, long long tasks, const Task& task) {
    std::atomic<long long> next{0};
    const auto work = [&] {
        for (long long i = next++; i < tasks; i = next++) task(i);
    };
    std::vector<std::thread> others;
    for (int i = 1; i < threads && i < tasks; i++) others.emplace_back(work);
    work();
    for (auto& other : others) other.join();
}
