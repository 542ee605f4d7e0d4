// Shares numbered tasks among threads: which thread runs a task never shows in its result.

#pragma once
#include <atomic>
#include <condition_variable>
#include <mutex>
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

// Lets what threads have made at once be used in order: take() waits until the turns before of the same queue are over.
class InOrder {
  public:
    explicit InOrder(long long queues) : next_(queues, 0) {}

    template <class Work>
    void take(long long queue, long long turn, const Work& work) {
        std::unique_lock<std::mutex> lock(mutex_);
        over_.wait(lock, [&] { return next_[queue] == turn; });
        lock.unlock();
        work();
        lock.lock();
        next_[queue]++;
        over_.notify_all();
    }

  private:
    std::mutex mutex_;
    std::condition_variable over_;
    std::vector<long long> next_;
};
