import threading

from mkframe.forms._worker import Worker


def test_steps_are_done_in_order():
    worker, done = Worker(), []
    for number in range(20):
        worker.do(lambda n=number: done.append(n))
    worker.close()
    assert done == list(range(20))


def test_a_worker_at_rest_has_no_thread():
    worker = Worker()
    worker.do(lambda: None)
    thread = worker.thread
    if thread is not None:
        thread.join(5)
    assert worker.thread is None


def test_it_looks_until_there_is_nothing_more_to_see():
    pauses, over = [0.0, 0.0, None], threading.Event()

    def look():
        pause = pauses.pop(0)
        if pause is None:
            over.set()
        return pause

    worker = Worker(look)
    worker.do(lambda: None)
    assert over.wait(5)
    worker.close()
    assert pauses == []


def test_closing_ends_the_thread_in_the_middle_of_a_pause():
    looked = threading.Event()

    def look():
        looked.set()
        return 60.0

    worker = Worker(look)
    worker.do(lambda: None)
    assert looked.wait(5)
    thread = worker.thread
    worker.close()
    assert not thread.is_alive()


def test_a_step_that_fails_does_not_end_the_others(caplog):
    worker, done = Worker(), []
    worker.do(lambda: 1 / 0)
    worker.do(lambda: done.append(1))
    worker.close()
    assert done == [1]
    assert "ZeroDivisionError" in caplog.text


def test_a_closed_worker_does_nothing_more():
    worker, done = Worker(), []
    worker.close()
    worker.do(lambda: done.append(1))
    assert (done, worker.thread) == ([], None)


def test_what_waits_behind_a_step_that_does_not_end_never_begins():
    worker, done, may_end = Worker(), [], threading.Event()
    worker.do(may_end.wait)
    worker.do(lambda: done.append("late"))
    thread = worker.thread
    worker.close(timeout=0.05)
    may_end.set()
    thread.join(5)
    assert done == []
