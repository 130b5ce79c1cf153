import threading

from mkframe.forms._worker import Worker


def test_steps_are_executed_in_order():
    worker, done = Worker(), []
    for number in range(20):
        worker.submit(lambda n=number: done.append(n))
    worker.close()
    assert done == list(range(20))


def test_idle_worker_has_no_thread():
    worker = Worker()
    worker.submit(lambda: None)
    thread = worker.thread
    if thread is not None:
        thread.join(5)
    assert worker.thread is None


def test_look_is_repeated_until_it_returns_none():
    pauses, over = [0.0, 0.0, None], threading.Event()

    def look():
        pause = pauses.pop(0)
        if pause is None:
            over.set()
        return pause

    worker = Worker(look)
    worker.submit(lambda: None)
    assert over.wait(5)
    worker.close()
    assert pauses == []


def test_close_during_a_pause_ends_the_thread():
    looked = threading.Event()

    def look():
        looked.set()
        return 60.0

    worker = Worker(look)
    worker.submit(lambda: None)
    assert looked.wait(5)
    thread = worker.thread
    worker.close()
    assert not thread.is_alive()


def test_failing_step_does_not_end_the_worker(caplog):
    worker, done = Worker(), []
    worker.submit(lambda: 1 / 0)
    worker.submit(lambda: done.append(1))
    worker.close()
    assert done == [1]
    assert "ZeroDivisionError" in caplog.text


def test_closed_worker_executes_nothing():
    worker, done = Worker(), []
    worker.close()
    worker.submit(lambda: done.append(1))
    assert (done, worker.thread) == ([], None)


def test_step_behind_an_endless_one_never_begins():
    worker, done, may_end = Worker(), [], threading.Event()
    worker.submit(may_end.wait)
    worker.submit(lambda: done.append("late"))
    thread = worker.thread
    worker.close(timeout=0.05)
    may_end.set()
    thread.join(5)
    assert done == []
